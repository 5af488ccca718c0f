#!/usr/bin/env bash
# The charts and the plain manifests on a real Kubernetes of one node, made for this and thrown away: API server, controller manager, scheduler, kubelet, kube-proxy and etcd, built with Go from
# their modules (cluster/build.sh), over containerd and runc, in namespaces of its own (cluster/node.sh). NetworkPolicies are enforced by cluster/kubernetes/netpol, names are answered by cluster/kubernetes/dns, Pod Security by the API server. The
# workloads attest with a software TPM in a pod. Each line of the output is something that was seen; the first that is not ends the test. README.md beside this says what was seen, and what is not.
#   deploy/kubernetes/cluster_test.sh [--keep]      --keep waits at the end, and prints how to look around
# Needs root, Go and its modules (for the first run, which compiles for some twenty minutes), containerd, runc, containernetworking-plugins, nft, busybox-static, openssl, python3; and the images (deploy/images/build.sh) in out/images
# (TWI_IMAGES). The programs are kept in TWI_CLUSTER_CACHE (default ~/.cache/twi-cluster). Where something is missing it exits with 77, and its last line says "skipped: WHY".
set -euo pipefail
cd "$(dirname "$0")/../.."
keep=no
case "${1:-}" in "") ;; --keep) keep=yes ;; *) sed -n '5p' "$0" >&2; exit 2 ;; esac
skip() { echo "skipped: $*"; exit 77; }
[ "$(id -u)" -eq 0 ] || skip "namespaces and cgroups need root"
for program in containerd ctr runc nft ip openssl python3 busybox unshare nsenter; do command -v "$program" > /dev/null || skip "$program is not installed"; done
[ -x /usr/lib/cni/ptp ] || skip "containernetworking-plugins is not installed"
for controller in memory pids; do [ -w "/sys/fs/cgroup/$controller" ] || [ -w /sys/fs/cgroup/cgroup.procs ] || skip "no cgroups to write to"; done
source deploy/programs.sh
images=${TWI_IMAGES:-out/images}
for image in verifier claims-mapper credential-authority key-store workload-agent twictl demo-workload demo-tpm; do
  [ -e "$images/$image.oci.tar" ] || skip "$images/$image.oci.tar is not there: deploy/images/build.sh"
done
cache=${TWI_CLUSTER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/twi-cluster}
bin=$cache/bin
code=0
why=$(deploy/kubernetes/cluster/build.sh "$bin") || code=$?
case "$code" in 0) ;; 77) skip "$why" ;; *) printf '%s\n' "$why" >&2; exit "$code" ;; esac

work=$(mktemp -d "${TMPDIR:-/tmp}/twi-cluster.XXXXXX")
chmod 0755 "$work"
cgroup=$(basename "$work" | tr . -)
# shellcheck source=deploy/kubernetes/cluster/story.sh
source deploy/kubernetes/cluster/story.sh
trap cleanup EXIT
trap 'fail "${BASH_SOURCE[0]##*/}:$LINENO: $BASH_COMMAND"' ERR
trap 'exit 1' INT TERM

began=$SECONDS
start_node
seen "a node of Kubernetes $(kubectl version -o json | sed -n 's/.*"gitVersion": "\(.*\)".*/\1/p' | tail -n 1), $(containerd --version | awk '{ print $1, $3 }')"
make_keys
make_volumes
for part in plain_manifests install agents network upgrades operations; do
  step "${part//_/ }"
  source "deploy/kubernetes/cluster/$part.sh"
done
step "Done in $((SECONDS - began)) s: $seen_lines lines"
if [ "$keep" = yes ]; then
  echo "Everything is left running until this ends (Ctrl-C). Look around:"
  echo "  KUBECONFIG=$work/kubeconfig nsenter --net=/proc/$node/ns/net $bin/kubectl get pods -A"
  sleep infinity
fi
