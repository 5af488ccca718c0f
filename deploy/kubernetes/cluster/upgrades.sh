# deploy/helm/README.md, "The services" and "Upgrades": what a change rolls, what refuses a bad one, what brings back. To be sourced by cluster_test.sh.
upgrade() { helm upgrade twi deploy/helm/twi -n twi -f "$work/values.yaml" "$@"; }
rolled() {  # rolled EXPECTED: the services whose pods are others than before
  local new
  new=$(diff <(echo "$before") <(pod_uids) | sed -n 's/^> twi-\(.*\)-0=.*/\1/p' | sort | tr '\n' ' ')
  [ "${new% }" = "$1" ] || { echo "rolled: $new" > "$work/said"; return 1; }
}
before=$(pod_uids)
quietly "an upgrade that changes nothing" upgrade
all_ready; rolled "" || fail "an upgrade that changes nothing rolled pods"
seen "an upgrade that changes nothing: the check Jobs passed, no pod rolled"
sed -i 's/valid_until: "2099-01-01/valid_until: "2098-01-01/' "$work/values.yaml"
quietly "an upgrade" upgrade
await 60 "the Verifier's new pod" rolled verifier
all_ready
seen "a changed reference value rolls the Verifier's pod and no other (checksum/config)"

before=$(pod_uids) revision=$(field twi statefulset/twi-verifier '{.metadata.generation}') config=$(field twi configmap/twi-verifier '{.data}')
if upgrade --set 'verifier.evidencePolicy.tpm2.pcrs={99}' > "$work/said" 2>&1; then fail "a bad policy was taken"; fi
sleep 2
rolled "" && [ "$(field twi statefulset/twi-verifier '{.metadata.generation}')" = "$revision" ] && [ "$(field twi configmap/twi-verifier '{.data}')" = "$config" ] || fail "a refused upgrade changed something"
logs=$(documented_inline 'kubectl -n twi logs job/twi-verifier-check')
eval "$logs" > "$work/said" 2>&1 || fail "$logs"
grep -q 'pcrs' "$work/said" || fail "the check's log does not say what is wrong"
seen "a bad policy is refused by the check Job, and nothing is changed: $(grep -o '[^ ]*evidence_policy.yaml.*' "$work/said" | head -n 1 | cut -c 1-120)"
quietly "the next good upgrade" upgrade
rolled "" || fail "the upgrade after a refused one rolled pods"
seen "and the next good upgrade passes"

# What the check cannot find: another root key.
head -c 32 /dev/urandom > "$work/made/other.key"
kubectl -n twi create secret generic twi-verifier-other --from-file=root.key="$work/made/other.key" > /dev/null
quietly "an upgrade with another root key" upgrade --set rootKeys.verifier=twi-verifier-other
refused_key() { kubectl -n twi logs twi-verifier-0 | grep could_not_start || kubectl -n twi logs twi-verifier-0 --previous | grep could_not_start; }
await 60 "the Verifier's refusal of another root key" refused_key
why=$(sed -n 's/.*"reason":"\([A-Z_]*\)".*/\1/p' "$work/said" | tail -n 1)
quietly "helm rollback" helm rollback twi -n twi
all_ready
seen "a root key that is not the store's gets through and takes the service down ($why); helm rollback brings it back"

# "Upgrades, in stages", word by word: digests. On this node the images have them as names.
stages=$(documented deploy/helm/README.md 'helm upgrade twi deploy/helm/twi -n twi --reuse-values')
stage=$(sed -n '/^upgrade() {/,/^}/p' <<< "$stages")
[ -n "$stage" ] || fail "the README has no upgrade()"
before=$(pod_uids)
(
  eval "$stage"
  for service in claims-mapper key-store; do
    digest=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]]["manifest"])' "$images/digests.json" "$service")
    in_node ctr --address /run/containerd/containerd.sock --namespace k8s.io images tag "docker.io/twi/$service:$TWI_VERSION" "docker.io/twi/$service@$digest" > /dev/null
    quietly "stage $service" upgrade "$service" "$digest"
  done
)
rolled "claims-mapper key-store" || fail "the stages rolled others"
seen "the README's upgrade(), by digest: claims-mapper, then key-store, and no other"
