#!/usr/bin/env bash
# Builds what a cluster of one node is made of, from Go modules alone (no registry of images is asked), into a cache. Some twenty minutes on two cores the first time; nothing when it is there.
#   build.sh BIN
# Programs into BIN; images/*.tar beside them: pause, dns, and Debian's busybox (with a shell, tar, nc and kill, for pods that test). Exit 77, saying why, where the modules cannot be fetched.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=${1:?a folder}
source "$here/../../../tools/go.sh"
have_go || { echo "Go is not installed"; exit 77; }
mkdir -p "$bin/images"
export GOFLAGS="-p=2 -mod=readonly -buildvcs=false -trimpath" CGO_ENABLED=0 GOTOOLCHAIN=local
# What was built from these very files is not built again.
sum=$(cd "$here" && cat build.sh kubernetes/go.{mod,sum} kubernetes/*/*.go | sha256sum | cut -c 1-64)
if [ "$(cat "$bin/built" 2> /dev/null)" = "$sum" ]; then exit 0; fi
rm -f "$bin/built"

# The programs' version, which goes into nodes and API answers, is set by the linker.
version=$(sed -n 's/^\tk8s.io\/kubernetes \(v1\.[0-9.]*\).*/\1/p' "$here/kubernetes/go.mod")
minor=${version#v1.} minor=${minor%%.*}
flags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$minor"; done
cd "$here/kubernetes"
code=0
why=$(fetch_modules k8s.io/kubernetes helm.sh/helm/v3) || code=$?
[ "$code" -eq 0 ] || { printf '%s\n' "$why"; exit "$code"; }
nice -n 15 go build -ldflags "$flags" -o "$bin/" k8s.io/kubernetes/cmd/{kube-apiserver,kube-controller-manager,kube-scheduler,kubelet,kube-proxy,kubectl} ./netpol ./pause ./dns
helm="-s -w -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=$minor"
nice -n 15 go build -ldflags "$helm" -o "$bin/" helm.sh/helm/v3/cmd/helm
nice -n 15 go build -ldflags "$flags" -o "$bin/etcd" go.etcd.io/etcd/server/v3

# Images FROM scratch, by the project's own writer.
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here/../../images python3 - "$bin" "$(command -v busybox)" <<'PYTHON'
import sys
import oci
bin, busybox = sys.argv[1:]
read = lambda path: open(path, "rb").read()
images = {
    "pause": ({"pause": read(f"{bin}/pause")}, ["/pause"]),
    "dns": ({"dns": read(f"{bin}/dns")}, ["/dns"]),
    # Its shell runs all the others by itself; these are what a pod's command names.
    "busybox": ({f"bin/{name}": read(busybox) for name in ("sh", "sleep", "kill", "nc", "tar", "cat")}, []),
}
for name, (files, entrypoint) in images.items():
    layer = oci.Layer(0)
    for path, content in files.items():
        layer.add_file(path, content, 0o555)
    config = {"User": "65532:65532", "Env": ["PATH=/bin"], "Labels": {}, "WorkingDir": "/"}
    if entrypoint:
        config["Entrypoint"] = entrypoint
    oci.write_archive(f"{bin}/images/{name}.tar", f"twi-cluster/{name}", "local", [layer], config, "1970-01-01T00:00:00Z", 0)
PYTHON
echo "$sum" > "$bin/built"
