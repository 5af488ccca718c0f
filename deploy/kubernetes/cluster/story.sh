# What the parts of cluster_test.sh share. To be sourced by it: $work, $bin, $images, $cgroup are set.
export KUBECONFIG=$work/kubeconfig HELM_CACHE_HOME=$work/helm-home HELM_CONFIG_HOME=$work/helm-home HELM_DATA_HOME=$work/helm-home
services=(verifier claims-mapper credential-authority key-store)
declare -A ports=([verifier]=8441 [claims-mapper]=8442 [credential-authority]=8443 [key-store]=8444)
node="" seen_lines=0 mark=$SECONDS
step() { printf '\n\033[1m== %s\033[0m\n' "$*"; mark=$SECONDS; }
# seen WHAT: a line of the output, with the seconds since the last one.
seen() { printf '  %4d s  %s\n' "$((SECONDS - mark))" "$*"; mark=$SECONDS; seen_lines=$((seen_lines + 1)); }
fail() {
  trap - ERR
  printf 'cluster_test: %s\n' "$*" >&2
  if [ -s "$work/said" ]; then tail -n 20 "$work/said" >&2; fi
  if [ -n "$node" ]; then
    kubectl get pods -A -o wide >&2 || true
    kubectl get events -A --sort-by=.lastTimestamp 2> /dev/null | grep -v ' Normal ' | tail -n 20 >&2 || true
  fi
  exit 1
}
# quietly WHAT COMMAND...: it must succeed; what it says is shown when it does not.
quietly() { local what=$1; shift; "$@" > "$work/said" 2>&1 || fail "$what: $* failed"; }
# await SECONDS WHAT COMMAND...
await() { local end=$((SECONDS + $1)) what=$2; shift 2; until "$@" > "$work/said" 2>&1; do [ "$SECONDS" -lt "$end" ] || fail "waited in vain: $what"; sleep 0.5; done; }

# documented FILE PATTERN: the commands of the block of a README that has such a line, as they stand there.
documented() {
  awk -v pattern="$2" '/^    / { block = block substr($0, 5) "\n"; next } /^$/ && block != "" { block = block "\n"; next } { if (block ~ pattern) exit; block = "" } END { if (block ~ pattern) printf "%s", block; else exit 1 }' "$1"
}

start_node() {
  mkdir -p "$work/images"
  ln "$bin"/images/*.tar "$work/images/" 2> /dev/null || cp "$bin"/images/*.tar "$work/images/"
  local image
  for image in "$images"/*.oci.tar; do cp "$image" "$work/images/$(basename "$image" .oci.tar).tar"; done
  for controller in /sys/fs/cgroup/*/; do
    [ -e "$controller/tasks" ] || continue   # v1: a hierarchy per controller
    mkdir "$controller/$cgroup"
    if [ -e "$controller/cpuset.cpus" ]; then for file in cpuset.cpus cpuset.mems; do cat "$controller/$file" > "$controller/$cgroup/$file"; done; fi
  done
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then mkdir "/sys/fs/cgroup/$cgroup"; fi
  setsid unshare --mount --pid --net --uts --ipc --fork --kill-child --mount-proc deploy/kubernetes/cluster/node.sh "$bin" "$work" "$cgroup" > "$work/node.log" 2>&1 < /dev/null &
  outer=$!
  local end=$((SECONDS + 180))
  until [ -e "$work/ready" ]; do
    kill -0 "$outer" 2> /dev/null && [ ! -e "$work/failed" ] && [ "$SECONDS" -lt "$end" ] || node_failed
    sleep 0.5
  done
  node=$(pgrep -P "$outer")
}
node_failed() {
  { tail -n 5 "$work/node.log" "$work"/log/*.log; cat "$work/failed" 2> /dev/null; } >&2 || true
  echo "cluster_test: the node does not start" >&2
  exit 1
}
cleanup() {
  local status=$? folder try
  trap - ERR
  if [ -n "${outer:-}" ]; then kill -KILL "$outer" 2> /dev/null || true; wait "$outer" 2> /dev/null || true; fi
  for try in 1 2 3 4 5 6 7 8 9 10; do   # the kernel ends the processes of the namespace first
    while read -r folder; do rmdir "$folder" 2> /dev/null || true; done < <(find /sys/fs/cgroup -depth -type d -path "*/$cgroup*")
    [ -n "$(find /sys/fs/cgroup -type d -name "$cgroup" -print -quit)" ] || break
    sleep 0.5
  done
  if [ "$status" -ne 0 ] && [ -d "$work/log" ]; then
    rm -rf "${TMPDIR:-/tmp}/twi-cluster-log" && cp -r "$work/log" "${TMPDIR:-/tmp}/twi-cluster-log" && echo "cluster_test: the node's logs are left in ${TMPDIR:-/tmp}/twi-cluster-log" >&2
  fi
  rm -rf --one-file-system "$work"
  exit "$status"
}
in_node() { nsenter --target "$node" --mount --pid --net --uts --ipc -- "$@"; }
kubectl() { if [ -n "$node" ]; then nsenter --net="/proc/$node/ns/net" "$bin/kubectl" "$@"; fi; }
helm() { nsenter --net="/proc/$node/ns/net" "$bin/helm" "$@"; }

# twictl ARGUMENT...: of its image, on the node, with $work/made; for what needs no network.
twictl() {
  in_node ctr --address /run/containerd/containerd.sock --namespace k8s.io run --rm --snapshotter native --cgroup "$cgroup/twictl" --mount "type=bind,src=$work/made,dst=/made,options=rbind:rw" \
    "docker.io/twi/twictl:$TWI_VERSION" "twictl-$RANDOM" /usr/bin/twictl "$@"
}
make_keys() {
  mkdir -p "$work/made" && chown 65532:65532 "$work/made"
  quietly "development keys" twictl dev-pki --out /made/pki --owner payroll
  cat > "$work/made/payroll-worker.yaml" <<YAML
name: payroll-worker
version: 1
owner: spiffe://example.org/owner/payroll
workload_identifier: spiffe://example.org/payroll/worker
accepts: [evidence, attestation_results]
match:
- {name: software, expression: results.software.name == "payroll-worker"}
claims:
- {name: team, constant: payroll}
limits: {max_lifetime: 1h}
YAML
  sed -e 's/^name: .*/name: payroll-worker-provisioned/' -e 's/^accepts: .*/accepts: [anticipated]/' "$work/made/payroll-worker.yaml" > "$work/made/payroll-worker-provisioned.yaml"
  for policy in payroll-worker payroll-worker-provisioned; do
    quietly "a signed policy" twictl policy sign --policy "/made/$policy.yaml" --key /made/pki/owners/payroll.key.pem --out "/made/$policy.jws"
  done
}
# make_volumes: a volume for each store, made by hand, as a disk that was formatted just now: root's.
make_volumes() {
  local service
  kubectl apply -f - > /dev/null <<YAML
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
YAML
  for service in "${services[@]}"; do
    rm -rf "$work/store-$service" && mkdir "$work/store-$service"
    kubectl apply -f - > /dev/null <<YAML
apiVersion: v1
kind: PersistentVolume
metadata: {name: $service}
spec:
  storageClassName: local
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  claimRef: {namespace: twi, name: store-twi-$service-0}
  local: {path: $work/store-$service}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [twi-node]}]}]}}
YAML
  done
}
tls_secret() {  # tls_secret NAMESPACE SECRET CERTIFICATE KEY
  kubectl -n "$1" create secret generic "$2" --from-file=tls.crt="$3" --from-file=tls.key="$4" --from-file=ca.crt="$work/made/pki/tls/ca.pem" --dry-run=client -o yaml | kubectl apply -f - > /dev/null
}
tls_secrets() { local service; for service in "${services[@]}"; do tls_secret twi "twi-$service-tls" "$work/made/pki/tls/$service.pem" "$work/made/pki/tls/$service.key.pem"; done; }
field() { kubectl -n "$1" get "$2" -o "jsonpath=$3"; }   # field NAMESPACE OBJECT PATH
all_ready() { local service; for service in "${services[@]}"; do kubectl -n twi rollout status "statefulset/twi-$service" --timeout=90s > "$work/said" 2>&1 || fail "twi-$service does not become ready"; done; }
pod_uids() { kubectl -n twi get pods -l app.kubernetes.io/part-of=twi -o 'jsonpath={range .items[*]}{.metadata.name}={.metadata.uid}{"\n"}{end}'; }
logged() { kubectl -n "$1" logs "$2" ${4:+-c "$4"} 2> /dev/null | grep -- "$3"; }   # logged NAMESPACE POD PATTERN [CONTAINER]
# A container that Pod Security `restricted` takes: the pod's own settings, and the container's.
restricted_pod='automountServiceAccountToken: false, restartPolicy: Never, securityContext: {runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}'
restricted='{allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}'
# idle NAMESPACE NAME LABELS: a pod that does nothing.
idle() {
  kubectl apply -f - > /dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {namespace: $1, name: $2, labels: {$3}}
spec: {$restricted_pod, terminationGracePeriodSeconds: 0, containers: [{name: idle, image: "registry.example.org/busybox:1.36", command: [sleep, "3600"], securityContext: $restricted}]}
YAML
}
# owner NAME ARGUMENT...: twictl as a Workload Owner, in a pod from where owners are let in; what it wrote to /out can be read from the container `files`.
owner() {
  local name=$1; shift
  local arguments
  arguments=$(printf '"%s", ' "$@")
  kubectl -n twi-owners delete pod "$name" --ignore-not-found --now > /dev/null 2>&1
  kubectl apply -f - > /dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {namespace: twi-owners, name: $name, labels: {app: twictl}}
spec:
  {$restricted_pod, terminationGracePeriodSeconds: 0,
  initContainers: [{name: twictl, image: "docker.io/twi/twictl:$TWI_VERSION", imagePullPolicy: Never, args: [${arguments%, }], securityContext: $restricted, volumeMounts: [{name: owner, mountPath: /owner}, {name: out, mountPath: /out}]}],
  containers: [{name: files, image: "registry.example.org/busybox:1.36", command: [sleep, "3600"], securityContext: $restricted, volumeMounts: [{name: out, mountPath: /out}]}],
  volumes: [{name: owner, secret: {secretName: payroll, defaultMode: 0440}}, {name: out, emptyDir: {}}]}
YAML
  kubectl -n twi-owners wait --for=condition=Ready "pod/$name" --timeout=60s > /dev/null 2>&1 || { kubectl -n twi-owners logs "$name" -c twictl > "$work/said" 2>&1 || true; return 1; }
}
owner_file() { kubectl -n twi-owners exec "$1" -c files -- cat "/out/$2" 2> /dev/null; }
documented_inline() { grep -o "\`$1[^\`]*\`" deploy/helm/README.md | head -n 1 | tr -d '`'; }   # a command in the middle of a sentence
# The README's own commands for the root keys, in $work.
root_keys() { (cd "$work" && rm -rf root-keys && eval "$(documented "$OLDPWD/deploy/helm/README.md" 'mkdir -m 700 root-keys' | sed -n '/^mkdir/,/^done/p')" > /dev/null); }
