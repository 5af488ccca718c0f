#!/usr/bin/env bash
# A Kubernetes of one node, in namespaces of its own (mounts, processes, network, names): process 1 of them. It ends with them, and all of them with it. cluster_test.sh starts it:
#   unshare --mount --pid --net --uts --ipc --fork --kill-child --mount-proc node.sh BIN DIR CGROUP
# BIN: programs of build.sh. DIR: everything that it writes, but cgroups; DIR/images/*.tar are imported first. CGROUP: the name of the cgroup below which the pods are (it stays; who starts us removes it).
# DIR/ready is there when the node is. No interface leads out of the network namespace.
set -euo pipefail
bin=$1 dir=$2 cgroup=$3 here=$(cd "$(dirname "$0")" && pwd)
node=10.240.0.1 pods=10.244.0.0/16 services=10.96.0.0/16 dns=10.96.0.10

# What is mounted here is seen by the pods and by nobody else.
mount --make-rprivate / && mount --make-rshared /
for folder in /run /var/lib /var/log; do mount -t tmpfs -o mode=0755 tmpfs "$folder"; done
mkdir -p "$dir"/{log,pki,etcd,containerd,kubelet,cni,pods,sysctl} /run/lock
# The kubelet sets these of the whole machine: it is given files to write to.
for name in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
  [ -e "/proc/sys/$name" ] || continue
  cat "/proc/sys/$name" > "$dir/sysctl/${name//\//.}"
  mount --bind "$dir/sysctl/${name//\//.}" "/proc/sys/$name"
done
hostname twi-node
ip link set lo up
ip link add node type veth peer name nobody   # two ends of a cable, both in here
ip address add "$node/24" dev node
ip link set nobody up && ip link set node up
ip route add default via 10.240.0.254 dev node   # nobody is there; the API server and kube-proxy want to see a route
echo 1 > /proc/sys/net/ipv4/ip_forward

cd "$dir/pki"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=twi-cluster -keyout ca.key -out ca.crt 2> /dev/null
certificate() {  # certificate NAME SUBJECT EXTENSIONS
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" -keyout "$1.key" -out "$1.csr" 2> /dev/null
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile <(printf '%s\n' "$3") -out "$1.crt" 2> /dev/null
}
certificate server /CN=kube-apiserver "subjectAltName=IP:$node,IP:127.0.0.1,IP:10.96.0.1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
certificate admin /O=system:masters/CN=admin extendedKeyUsage=clientAuth
openssl genrsa -out accounts.key 2048 2> /dev/null
export KUBECONFIG=$dir/kubeconfig
k() { "$bin/kubectl" "$@"; }
k config set-cluster twi --server "https://$node:6443" --certificate-authority ca.crt --embed-certs > /dev/null
k config set-credentials admin --client-certificate admin.crt --client-key admin.key --embed-certs > /dev/null
k config set-context twi --cluster twi --user admin > /dev/null
k config use-context twi > /dev/null

# run NAME PROGRAM ARGUMENT...: in the background. When one ends, so does the node.
run() { local name=$1; shift; { "$@" > "$dir/log/$name.log" 2>&1 || true; echo "$name ended" > "$dir/failed"; kill 1; } & }
trap 'exit 1' TERM
until_true() { local end=$((SECONDS + $1)); shift; until "$@" > /dev/null 2>&1; do [ "$SECONDS" -lt "$end" ] || { echo "waited in vain: $*" > "$dir/failed"; exit 1; }; sleep 0.2; done; }

run etcd "$bin/etcd" --data-dir "$dir/etcd" --unsafe-no-fsync --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380
run kube-apiserver "$bin/kube-apiserver" --etcd-servers http://127.0.0.1:2379 --advertise-address "$node" --service-cluster-ip-range "$services" --authorization-mode RBAC \
  --client-ca-file ca.crt --tls-cert-file server.crt --tls-private-key-file server.key --kubelet-client-certificate admin.crt --kubelet-client-key admin.key --kubelet-preferred-address-types InternalIP \
  --service-account-issuer https://kubernetes.default.svc.cluster.local --service-account-key-file accounts.key --service-account-signing-key-file accounts.key

# The charts' images under the name that they have when they are imported, and under that of the examples' registry.
cat > "$dir/containerd.toml" <<TOML
version = 2
root = "$dir/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "docker.io/twi-cluster/pause:local"
restrict_oom_score_adj = true   # where a machine lets nobody lower it
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "$dir/cni-bin"
conf_dir = "$dir/cni"
TOML
cat > "$dir/cni/10-pods.conflist" <<JSON
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "ptp", "ipam": {"type": "host-local", "dataDir": "$dir/cni", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "netpol", "addresses": "$dir/addresses"}]}
JSON
mkdir "$dir/cni-bin" "$dir/addresses"
ln -s /usr/lib/cni/{ptp,host-local,loopback} "$bin/netpol" "$dir/cni-bin/"

run containerd containerd --config "$dir/containerd.toml"
c() { ctr --address /run/containerd/containerd.sock --namespace k8s.io "$@"; }
until_true 30 c version
for image in "$dir"/images/*.tar; do c images import --snapshotter native "$image" > /dev/null; done
for image in $(c images list --quiet | grep '^docker.io/twi/'); do c images tag "$image" "registry.example.org/${image#docker.io/}" > /dev/null; done
c images tag docker.io/twi-cluster/busybox:local registry.example.org/busybox:1.36 > /dev/null

until_true 60 k get --raw /readyz
run kube-controller-manager "$bin/kube-controller-manager" --kubeconfig "$KUBECONFIG" --leader-elect=false --service-account-private-key-file accounts.key --root-ca-file ca.crt
run kube-scheduler "$bin/kube-scheduler" --kubeconfig "$KUBECONFIG" --leader-elect=false
cat > "$dir/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: $dir/pki/ca.crt}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup
failCgroupV1: false
failSwapOn: false
clusterDNS: [$dns]
clusterDomain: cluster.local
resolvConf: ""
podLogsDir: $dir/pods
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
syncFrequency: 10s                                # a changed Secret or ConfigMap is in its pod after this; the kubelet's own default is 1m
YAML
run kubelet "$bin/kubelet" --config "$dir/kubelet.yaml" --kubeconfig "$KUBECONFIG" --root-dir "$dir/kubelet" --hostname-override twi-node --node-ip "$node"
run kube-proxy "$bin/kube-proxy" --kubeconfig "$KUBECONFIG" --proxy-mode nftables --hostname-override twi-node --cluster-cidr "$pods" --conntrack-max-per-core 0 \
  --conntrack-tcp-timeout-established 0 --conntrack-tcp-timeout-close-wait 0
run netpol "$bin/netpol" --kubeconfig "$KUBECONFIG" --pods "$pods" --addresses "$dir/addresses"
until_true 60 k get node twi-node
until_true 60 k wait --for=condition=Ready node/twi-node --timeout=60s
until_true 30 k -n kube-system get serviceaccount default
k apply -f "$here/dns.yaml" > /dev/null
until_true 60 k -n kube-system rollout status deployment/kube-dns --timeout=60s
touch "$dir/ready"
while true; do sleep 3600 & wait $! || true; done
