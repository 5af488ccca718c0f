# deploy/kubernetes/README.md: the plain manifests, word by word, with Secrets under the names of values.yaml. To be sourced by cluster_test.sh.
quietly "kubectl create namespace twi" kubectl create namespace twi
root_keys
tls_secrets
quietly "kubectl apply" kubectl apply -f deploy/kubernetes/twi.yaml
[ "$(field twi namespace/twi '{.metadata.labels.pod-security\.kubernetes\.io/enforce}')" = restricted ] || fail "the namespace does not enforce restricted"
all_ready
seen "kubectl apply -f twi.yaml: four StatefulSets are ready by the daemons' own probes, in a namespace that enforces Pod Security restricted"
quietly "kubectl delete" kubectl delete namespace twi --timeout=120s
quietly "the volumes" kubectl delete pv --all
make_volumes
seen "and deleted again"
