# Who reaches whom, both ways, through the Services' addresses as an agent does; and each refusal is of a port that another caller reaches. To be sourced by cluster_test.sh.
kubectl create namespace ledger > /dev/null
kubectl label namespace ledger twi/agents=true pod-security.kubernetes.io/enforce=restricted > /dev/null   # another team, without policies of its own
idle ledger with-agent 'twi/agent: "true"'
idle ledger without-agent 'app: other'
idle strangers with-agent 'twi/agent: "true"'
idle strangers twictl 'app: twictl'
idle twi-owners twictl 'app: twictl'
idle twi-owners other 'app: other'
idle twi other 'app: other'
for caller in ledger/with-agent ledger/without-agent strangers/with-agent strangers/twictl twi-owners/twictl twi-owners/other twi/other; do
  kubectl -n "${caller%/*}" wait --for=condition=Ready "pod/${caller#*/}" --timeout=60s > "$work/said" 2>&1 || fail "$caller does not start"
done
sleep 2   # the policies know their addresses

declare -A namespace_of=() address_of=()
while read -r file address; do namespace_of[$address]=$file; done < <(in_node sh -c 'for f in /run/netns/*; do echo "$f $(nsenter --net="$f" ip -o -4 address show eth0 | sed "s|.*inet \([0-9.]*\)/.*|\1|")"; done')
where() {  # where NAMESPACE/POD: the file of its network namespace
  local address
  address=$(field "${1%/*}" "pod/${1#*/}" '{.status.podIP}')
  echo "${namespace_of[$address]:?$1 has no network namespace}"
}
target() {  # target NAME: the address of a service, or of a pod
  case "$1" in
    */*) field "${1%/*}" "pod/${1#*/}" '{.status.podIP}' ;;
    dns) echo 10.96.0.10 ;;
    api) echo 10.96.0.1 ;;
    *) field twi "service/twi-$1" '{.spec.clusterIP}' ;;
  esac
}
payroll=payroll/$(kubectl -n payroll get pods -l app.kubernetes.io/name=payroll -o 'jsonpath={.items[0].metadata.name}')
# FROM TO PORT: open, or dropped.
cat > "$work/arrows" <<ARROWS
open    ledger/with-agent verifier 8441
open    ledger/with-agent credential-authority 8443
open    ledger/with-agent key-store 8444
dropped ledger/with-agent claims-mapper 8442
open    $payroll verifier 8441
open    $payroll credential-authority 8443
open    $payroll payroll/tpm 2321
open    $payroll dns 53
dropped $payroll key-store 8444
dropped $payroll claims-mapper 8442
dropped $payroll api 443
dropped $payroll strangers/with-agent 8500
dropped ledger/without-agent verifier 8441
dropped ledger/without-agent credential-authority 8443
dropped strangers/with-agent verifier 8441
dropped strangers/with-agent credential-authority 8443
dropped strangers/with-agent claims-mapper 8442
dropped strangers/with-agent key-store 8444
dropped strangers/twictl claims-mapper 8442
open    twi-owners/twictl claims-mapper 8442
open    twi-owners/twictl credential-authority 8443
open    twi-owners/twictl key-store 8444
dropped twi-owners/twictl verifier 8441
dropped twi-owners/other claims-mapper 8442
dropped twi/other verifier 8441
dropped twi/other claims-mapper 8442
open    twi/twi-verifier-0 claims-mapper 8442
open    twi/twi-verifier-0 credential-authority 8443
open    twi/twi-verifier-0 dns 53
dropped twi/twi-verifier-0 key-store 8444
dropped twi/twi-verifier-0 payroll/tpm 2321
dropped twi/twi-verifier-0 api 443
open    twi/twi-credential-authority-0 verifier 8441
open    twi/twi-credential-authority-0 claims-mapper 8442
open    twi/twi-credential-authority-0 key-store 8444
dropped twi/twi-credential-authority-0 api 443
open    twi/twi-claims-mapper-0 verifier 8441
dropped twi/twi-claims-mapper-0 credential-authority 8443
dropped twi/twi-claims-mapper-0 key-store 8444
open    twi/twi-key-store-0 verifier 8441
dropped twi/twi-key-store-0 claims-mapper 8442
dropped twi/twi-key-store-0 credential-authority 8443
open    ledger/without-agent api 443
ARROWS
while read -r said from to port; do echo "$said $from $to $port $(where "$from") $(target "$to")"; done < "$work/arrows" > "$work/arrows-at"
# A dropped packet has no answer: six seconds without one; "refused" would be an answer.
in_node bash -c 'while read -r said from to port file address; do
  { result=open; nsenter --net="$file" timeout 6 bash -c "exec 3<> /dev/tcp/$address/$port" 2> /dev/null || { [ $? -eq 124 ] && result=dropped || result=refused; }; echo "$said $result $from $to:$port"; } &
done; wait' < "$work/arrows-at" | sort > "$work/said"
[ "$(wc -l < "$work/said")" = "$(wc -l < "$work/arrows")" ] || fail "not every arrow was tried"
awk '$1 != $2 { print "expected " $1 ", is " $2 ": " $3 " -> " $4; bad = 1 } END { exit bad }' "$work/said" > "$work/wrong" || { cp "$work/wrong" "$work/said"; fail "NetworkPolicies"; }
seen "NetworkPolicies, both ways: $(grep -c ^open "$work/arrows") arrows are open, $(grep -c ^dropped "$work/arrows") are dropped"
kubectl delete pod --now -n strangers --all > /dev/null
