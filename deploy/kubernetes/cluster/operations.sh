# What operators do, and what happens to pods: drain, deletion, a crash, a renewed certificate, the log level, backup and restore. To be sourced by cluster_test.sh.
# exit_of SERVICE COMMAND...: runs it, waits until the pod has gone, and says how its daemon ended.
exit_of() {
  local service=$1 watch old; shift
  old=$(field twi "pod/twi-$service-0" '{.metadata.uid}')
  kubectl -n twi get pod "twi-$service-0" --watch -o 'jsonpath={.metadata.uid} {.status.containerStatuses[0].state.terminated.exitCode}{"\n"}' > "$work/watched" 2> /dev/null &
  watch=$!
  kubectl -n twi logs -f "twi-$service-0" --since=1s > "$work/last-words" 2> /dev/null &
  "$@" > "$work/said" 2>&1 || fail "$*"
  sleep 1
  kill "$watch" 2> /dev/null || true
  code=$(sed -n "s/^$old \([0-9]\+\)$/\1/p" "$work/watched" | tail -n 1)
}
# Provenance of a credential that was issued before all this.
issued() { owner issuance issuance --config /owner/twictl.yaml --serial "$first" && kubectl -n twi-owners logs issuance -c twictl > "$work/said"; }
issued || fail "no issuance record of $first"

began_at=$SECONDS
exit_of verifier kubectl -n twi delete pod twi-verifier-0 --wait
took=$((SECONDS - began_at))
[ "$code" = 0 ] && [ "$took" -lt 25 ] || fail "the Verifier ended with '$code' after $took s"
grep -q '"event":"drained"' "$work/last-words" && grep -q '"event":"stopped"' "$work/last-words" || { cp "$work/last-words" "$work/said"; fail "the Verifier did not drain"; }
all_ready
seen "kubectl delete pod: the Verifier drained and ended with 0 after $took s of the 25 it has (5 of them preStop); ready again"
began_at=$SECONDS
exit_of credential-authority kubectl drain twi-node --ignore-daemonsets --delete-emptydir-data --force --pod-selector=app.kubernetes.io/part-of=twi,app.kubernetes.io/instance=twi --timeout=90s
took=$((SECONDS - began_at))
[ "$code" = 0 ] || fail "the Credential Authority ended with '$code'"
kubectl uncordon twi-node > /dev/null
all_ready
seen "kubectl drain: the PodDisruptionBudgets let all four go, the Credential Authority ended with 0, in $took s; ready again after uncordon"
issued || fail "the issuance record did not survive"
seen "the store survived: twictl issuance --serial $first"

for service in "${services[@]}"; do
  process=$(in_node pgrep -xf "/usr/bin/$service --config [^ ]*" | head -n 1)
  restarts=$(field twi "pod/twi-$service-0" '{.status.containerStatuses[0].restartCount}')
  in_node kill -KILL "$process"
  restarted() { [ "$(field twi "pod/twi-$service-0" '{.status.containerStatuses[0].restartCount}/{.status.containerStatuses[0].ready}')" = "$((restarts + 1))/true" ]; }
  await 60 "twi-$service after SIGKILL" restarted
done
calls_again() { kubectl -n payroll logs "${payroll#*/}" -c payroll --tail=20 | grep '"call":' | tail -n 1 | grep '"call":"OK"'; }
now=$(serial "${payroll#*/}")
renewed_again() { [ "$(serial "${payroll#*/}")" != "$now" ] && calls_again; }
await 90 "a renewed credential after all this" renewed_again
seen "SIGKILL of each daemon: started again, ready, and the workload has a new credential"

# A renewed certificate, as cert-manager writes it into the Secret.
address=$(field twi pod/twi-verifier-0 '{.status.podIP}')
served() { nsenter --net="/proc/$node/ns/net" openssl s_client -alpn h2 -connect "$address:8441" < /dev/null 2> /dev/null | openssl x509 -noout -serial; }
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=verifier -keyout "$work/made/new.key" -out "$work/made/new.csr" 2> /dev/null
openssl x509 -req -in "$work/made/new.csr" -CA "$work/made/pki/tls/ca.pem" -CAkey "$work/made/pki/tls/ca.key.pem" -set_serial 0x7457490001 -days 1 \
  -extfile <(printf 'subjectAltName=URI:spiffe://example.org/twi/verifier\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth,serverAuth\nbasicConstraints=critical,CA:FALSE\n') -out "$work/made/new.pem" 2> /dev/null
before=$(pod_uids) restarts=$(field twi pod/twi-verifier-0 '{.status.containerStatuses[0].restartCount}')
tls_secret twi twi-verifier-tls "$work/made/new.pem" "$work/made/new.key"
serves_new() { [ "$(served)" = serial=7457490001 ]; }
await 120 "the renewed certificate" serves_new
[ "$(pod_uids)" = "$before" ] && [ "$(field twi pod/twi-verifier-0 '{.status.containerStatuses[0].restartCount}')" = "$restarts" ] || fail "the pod was restarted for a certificate"
seen "a renewed certificate in the Secret is served, without a restart"

# The log level, by the README's commands.
export EDITOR="sed -i 's/level: info/level: debug/'"
quietly "kubectl edit" eval "$(documented_inline 'kubectl -n twi edit configmap twi-verifier')"
process=$(in_node pgrep -xf '/usr/bin/verifier --config [^ ]*')
brought() { in_node grep -q 'level: debug' "/proc/$process/root/etc/twi/config/verifier.yaml"; }
await 120 "the changed ConfigMap in the pod" brought
quietly "kubectl debug" eval "$(documented deploy/helm/README.md 'kill -HUP 1')"
debugs() { logged twi twi-verifier-0 '"event":"reloaded".*log' verifier || logged twi twi-verifier-0 '"level":"debug"' verifier; }
await 30 "the changed log level" debugs
[ "$(pod_uids)" = "$before" ] || fail "the pod was replaced for a log level"
seen "the log level by kubectl edit and kubectl debug ... kill -HUP 1, without a restart"

# Backup and restore, by the README's commands, of the Credential Authority's store.
backup=$(documented deploy/helm/README.md 'store-pod.yaml | kubectl apply')
(
  service=credential-authority
  run() { local command; command=$(grep -- "$1" <<< "$backup"); quietly "backup" eval "${command%%  #*}"; }
  cd "$work" && mkdir -p deploy/kubernetes && cp "$OLDPWD/deploy/kubernetes/store-pod.yaml" deploy/kubernetes/
  run 'replicas=0'; run 'store-pod.yaml'
  command=$(grep '# backup' <<< "$backup"); eval "${command%%  #*}" 2> "$work/said" || fail "backup"
  tar -tf credential-authority.tar | grep -q 'credential-authority.db$' || fail "the backup is empty"
  quietly "the loss" kubectl -n twi exec twi-store -- sh -c 'rm -f /store/*.db*'
  command=$(grep 'restore' <<< "$backup"); eval "${command%%  #*}" 2> "$work/said" || fail "restore"
  run 'replicas=1'
)
all_ready
issued || fail "the issuance record is not there after the restore"
seen "backup, loss and restore by the README's commands; the issuance record is there"
