# The notes of the chart, step by step, and a team's own chart with the agent as a native sidecar: B, and then A, C and D. To be sourced by cluster_test.sh.
cp -r deploy/helm "$work/helm"
for file in anticipated_results.json release_policy.yaml; do sed 's/payroll-batch/payroll-worker/; s/2\.1\.0/1.2.0/' "deploy/compose/config/$file" > "$work/made/$file"; done
kubectl -n twi-owners create secret generic payroll --from-file=cert.pem="$work/made/pki/owners/payroll.pem" --from-file=key.pem="$work/made/pki/owners/payroll.key.pem" --from-file=ca.pem="$work/made/pki/tls/ca.pem" \
  --from-file="$work/made/anticipated_results.json" --from-file="$work/made/release_policy.yaml" --from-literal=twictl.yaml="$(
    echo 'tls: {certificate_file: /owner/cert.pem, key_file: /owner/key.pem, trust_bundle_file: /owner/ca.pem}'
    echo 'credential_authority_rp_id: https://credential-authority.example.org'
    for service in claims-mapper credential-authority key-store; do echo "${service//-/_}: {address: \"twi-$service.twi.svc:${ports[$service]}\", spiffe_id: spiffe://example.org/twi/$service}"; done)" > /dev/null
# Notes, 2: the trust bundle, by a Workload Owner.
owner bundle trust-bundle --timeout 60 --config /owner/twictl.yaml --out /out/credential-bundle.pem || fail "an owner does not get the trust bundle"
(
  cd "$work"
  owner_file bundle credential-bundle.pem > credential-bundle.pem && cp made/pki/tls/ca.pem ca.crt
  notes=$(grep -o 'kubectl -n THEIR_NAMESPACE create configmap.*' notes)
  quietly "the notes' kubectl create configmap" eval "${notes//THEIR_NAMESPACE/payroll}"
)
seen "twictl trust-bundle from the owners' pod, and the notes' ConfigMap"

# A team's chart: the example, with a workload that uses its credential for TLS with the other replica.
cat > "$work/deployment.awk" <<'AWK'
/image: registry.example.org\/payroll/ { sub(/image: .*/, "image: docker.io/twi/demo-workload:" version); print; sub(/image: .*/, "imagePullPolicy: Never") }
/args: / { sub(/args: .*/, "args: [--credential, /run/twi/credential, --listen, \"0.0.0.0:8500\", --allow, spiffe://example.org/payroll/worker, --peer, \"payroll:8500\", --peer-id, spiffe://example.org/payroll/worker]") }
{ print }
AWK
awk -v version="$TWI_VERSION" -f "$work/deployment.awk" deploy/helm/examples/payroll/templates/deployment.yaml > "$work/helm/examples/payroll/templates/deployment.yaml"
cat > "$work/team.yaml" <<YAML
twi-agent:
  image: {registry: docker.io, pullPolicy: Never}
  attester: {tpm2: {tcti: "swtpm:host=tpm,port=2321", ak_handle: 0x81010002, pcrs: [0, 1, 2, 3, 4, 5, 7]}}
  renewal: {at_fraction: 0.1, jitter: 0.05, retry_min: 1s, retry_max: 5s}
  networkPolicy: {enabled: true}
YAML
# What the workload needs itself, as the chart's README says: its peers, and here the TPM.
kubectl apply -f - > /dev/null <<YAML
apiVersion: v1
kind: Service
metadata: {namespace: payroll, name: payroll}
spec: {selector: {app.kubernetes.io/name: payroll}, ports: [{port: 8500}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: payroll, name: workloads}
spec:
  podSelector: {matchLabels: {twi/agent: "true"}}
  policyTypes: [Egress]
  egress:
  - {to: [{podSelector: {matchLabels: {app: tpm}}}], ports: [{port: 2321}, {port: 2322}]}
  - {to: [{podSelector: {matchLabels: {twi/agent: "true"}}}], ports: [{port: 8500}]}
YAML
team=$(documented deploy/helm/README.md 'helm dependency build')
(
  cd "$work/helm/examples/payroll"
  quietly "helm dependency build" eval "$(grep '^helm dependency build' <<< "$team")"
  install=$(grep '^helm install payroll \.' <<< "$team"); install=${install%%#*}
  quietly "the README's helm install of a team's chart" eval "$install -f $work/team.yaml"
)
# Before the namespace is let in (notes, 3) no agent reaches a service: the workload waits.
waiting() { [ "$(kubectl -n payroll get pods -l app.kubernetes.io/name=payroll -o 'jsonpath={.items[*].status.initContainerStatuses[0].state.running.startedAt}' | wc -w)" = 2 ]; }
await 30 "the agents' start" waiting
sleep 8
pod=$(kubectl -n payroll get pods -l app.kubernetes.io/name=payroll -o 'jsonpath={.items[0].metadata.name}')
[ "$(field payroll "pod/$pod" '{.status.initContainerStatuses[0].started}/{.status.containerStatuses[0].state.waiting.reason}')" = "false/PodInitializing" ] || fail "the workload did not wait for the credential"
quietly "the agent's log" logged payroll "$pod" '"reason":"' twi-agent
seen "without a credential: the agent runs, its probe says not started, the workload waits ($(logged payroll "$pod" '"reason":"' twi-agent | tail -n 1 | sed 's/.*"reason":"\([A-Z_]*\)".*/\1/'))"
label=$(grep -o 'kubectl label namespace THEIR_NAMESPACE.*' "$work/notes")
quietly "the notes' label" eval "${label//THEIR_NAMESPACE/payroll}"
kubectl -n payroll rollout status deployment/payroll --timeout=60s > "$work/said" 2>&1 || fail "the workloads do not get their credentials"
acquired=$(logged payroll "$pod" '"event":"credential_acquired"' twi-agent | head -n 1 | sed 's/.*"time":"\([^"]*\)".*/\1/')
started=$(field payroll "pod/$pod" '{.status.containerStatuses[0].state.running.startedAt}')
[ -n "$acquired" ] && [ "$(date -d "$started" +%s)" -ge "$(date -d "$acquired" +%s)" ] || fail "the workload started at $started, its credential came at '$acquired'"
seen "the namespace is let in: mechanism B, and the workload started after its credential"
calls() { logged payroll "$1" '"call":"OK"' payroll > /dev/null; }
await 30 "a call between the workloads" calls "$pod"
serial() { kubectl -n payroll logs "$1" -c payroll --tail=20 | sed -n 's/.*"serial":"\([^"]*\)".*/\1/p' | tail -n 1; }
first=$(serial "$pod")
seen "mutual TLS between the workloads with these credentials (serial $first)"

# Where the key is: in memory, and nowhere else.
agent=$(in_node pgrep -f -x '/usr/bin/workload-agent --config [^ ]*' | head -n 1)
in_node grep ' /run/twi ' "/proc/$agent/mountinfo" > "$work/said"
grep -q ' - tmpfs .*size=4096k' "$work/said" || fail "the credential's folder is not in memory"
[ -z "$(kubectl -n payroll get secrets --field-selector type!=helm.sh/release.v1 -o name)" ] || fail "the team's namespace has a Secret"
in_node cat "/proc/$agent/root/run/twi/credential/key.pem" | sed -n 2p > "$work/key-line"
[ -s "$work/key-line" ] || fail "no key.pem"
if grep -rqF -f "$work/key-line" "$work/etcd" "$work/kubelet/pods"/*/volumes/kubernetes.io~configmap "$work/pods" 2> /dev/null; then fail "the credential's key was written somewhere"; fi
rm "$work/key-line"
seen "/run/twi is a tmpfs of 4 MiB; no Secret in the namespace, and the key is not in etcd, nor in a log"
renewed() { [ "$(serial "$pod")" != "$first" ] && calls "$pod"; }
await 60 "a renewed credential" renewed
[ "$(field payroll "pod/$pod" '{.status.containerStatuses[0].restartCount}')" = 0 ] || fail "the workload was restarted"
seen "renewed while it runs, without a restart"

# A config that the agents refuse, and the chart cannot see: the new pod fails, and the old ones are not to be disturbed. Looked at further down, after longer than three failures of a probe take.
sed 's/ak_handle/ak_handel/' "$work/team.yaml" > "$work/team-bad.yaml"
before=$(kubectl -n payroll get pods -l app.kubernetes.io/name=payroll -o 'jsonpath={.items[*].metadata.uid}')
quietly "helm upgrade" helm upgrade payroll "$work/helm/examples/payroll" -n payroll -f "$work/team-bad.yaml"
refused_config() { [ "$(kubectl -n payroll get pods -l app.kubernetes.io/name=payroll -o 'jsonpath={.items[*].status.initContainerStatuses[0].restartCount}' | tr ' ' '\n' | sort -n | tail -n 1)" -ge 2 ]; }
await 60 "a pod that does not start" refused_config
bad_since=$SECONDS

for letter in A C D; do
  name=payroll-${letter,,}
  options=(--set "twi-agent.mechanism=$letter")
  if [ "$letter" = D ]; then
    owner provision provision --timeout 60 --config /owner/twictl.yaml --anticipated /owner/anticipated_results.json --release-policy /owner/release_policy.yaml --target https://db.example.org --out /out/provisioned ||
      fail "the owner cannot provision"
    for file in chain.pem wit.jwt wit-bundle.json; do owner_file provision "provisioned/$file" > "$work/$file"; done
    kubectl -n payroll create configmap payroll-credential --from-file="$work/chain.pem" --from-file="$work/wit.jwt" --from-file="$work/wit-bundle.json" > /dev/null
    options+=(--set twi-agent.rpId=https://key-store.example.org --set "twi-agent.provisioned.keyId=$(owner_file provision provisioned/key-id)" --set twi-agent.provisioned.configMap=payroll-credential)
  fi
  quietly "helm install" helm install "$name" "$work/helm/examples/payroll" -n payroll -f "$work/team.yaml" "${options[@]}"
  kubectl -n payroll rollout status "deployment/$name" --timeout=60s > "$work/said" 2>&1 || fail "mechanism $letter: no credential"
  other=$(kubectl -n payroll get pods -l "app.kubernetes.io/name=$name" -o 'jsonpath={.items[0].metadata.name}')
  await 30 "a call with the credential of mechanism $letter" calls "$other"
  seen "mechanism $letter: acquired, and used"
  quietly "helm uninstall" helm uninstall "$name" -n payroll
done

sleep $((SECONDS - bad_since < 75 ? 75 - SECONDS + bad_since : 0))
for uid in $before; do
  [ "$(kubectl -n payroll get pods -o "jsonpath={.items[?(@.metadata.uid==\"$uid\")].status.initContainerStatuses[0].restartCount}{.items[?(@.metadata.uid==\"$uid\")].status.containerStatuses[0].ready}")" = 0true ] ||
    fail "a bad config of the new pods reached an old one"
done
calls "$pod" || fail "the workloads do not call each other any more"
quietly "helm rollback" helm rollback payroll -n payroll
kubectl -n payroll rollout status deployment/payroll --timeout=60s > "$work/said" 2>&1 || fail "helm rollback"
[ "$(kubectl -n payroll get pods -l app.kubernetes.io/name=payroll --field-selector status.phase=Running -o 'jsonpath={.items[*].metadata.uid}')" = "$before" ] || fail "helm rollback replaced pods"
seen "a misspelt attester: the new pod fails, the old ones run on with their agents; helm rollback"
