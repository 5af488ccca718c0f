#!/usr/bin/env bash
# Runs the clients in other languages against a running system: each obtains a credential by mechanism B and is refused where it should be.
#   integration_tests/clients/run.sh [--client python|go] --verifier HOST:PORT --credential-authority HOST:PORT
#       --trust-bundle FILE          anchors of the services' certificates (ca.pem)
#       --credential-bundle FILE     anchors of Workload Credentials (twictl trust-bundle)
#       --dev-snp DIR --image FILE   the development chip (twictl dev-pki) and the image that it "measures"
#       [--trust-domain NAME] [--rp-id URI] [--target URI] [--workload-identifier ID]     as the services' configs have them
# Both clients run when none is named. Exit: 0 all as expected; 1 a client failed; 77 a client's tools are missing (said by name).
# The stubs are generated from proto/ into a temporary folder: protoc, its grpc_python_plugin, and for Go the modules protoc-gen-go and protoc-gen-go-grpc.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
root=${TWI_ROOT:-$(cd "$here/../.." && pwd -P)}
work=$(mktemp -d "${TMPDIR:-/tmp}/twi-clients.XXXXXX")
trap 'rm -rf "$work"' EXIT

clients=() flags=()
while [ $# -gt 0 ]; do
  case "$1" in
    --client) clients+=("$2"); shift 2 ;;
    -h | --help) sed -n '2,10p' "$0"; exit 0 ;;
    *) flags+=("$1"); shift ;;
  esac
done
[ ${#clients[@]} -gt 0 ] || clients=(python go)

missing() { echo "$1: skipped: $2"; exit 77; }

python_client() {
  local python=/usr/bin/python3  # Debian's, which sees Debian's grpcio
  "$python" -c 'import grpc, cryptography, google.protobuf' 2> /dev/null || missing python "python3-grpcio, python3-protobuf or python3-cryptography is not installed"
  mkdir "$work/python"
  (cd "$root" && protoc -I. --python_out="$work/python" --plugin=protoc-gen-grpc="$(command -v grpc_python_plugin)" --grpc_out="$work/python" \
    proto/google/rpc/status_details.proto proto/twi/v1/{evidence,workload_credential,verifier,credential_authority}.proto)
  PYTHONPATH="$work/python:$here/python" PYTHONDONTWRITEBYTECODE=1 "$python" "$here/python/client.py" "$@"
}

go_client() {
  source "$root/tools/go.sh"
  have_go || missing go "Go is not installed"
  cp -rL "$here/go" "$work/go"
  cd "$work/go"
  export GOFLAGS="-p=2 -mod=readonly -buildvcs=false"
  local why code=0
  why=$(fetch_modules) || code=$?
  case "$code" in 0) ;; 77) missing go "$why" ;; *) return 1 ;; esac
  go build -o "$work/bin/" google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
  local options=() file
  for file in evidence workload_credential verifier credential_authority; do options+=("Mproto/twi/v1/$file.proto=twi/integration_tests/clients/go/twiv1"); done
  mkdir twiv1
  (cd "$root" && PATH="$work/bin:$PATH" protoc -I. "${options[@]/#/--go_opt=}" "${options[@]/#/--go-grpc_opt=}" \
    --go_out="$work/go" --go_opt=module=twi/integration_tests/clients/go --go-grpc_out="$work/go" --go-grpc_opt=module=twi/integration_tests/clients/go \
    proto/twi/v1/{evidence,workload_credential,verifier,credential_authority}.proto)
  go build -o "$work/bin/client" .
  "$work/bin/client" "$@"
}

status=0
for client in "${clients[@]}"; do
  case "$client" in python | go) ;; *) echo "run.sh: no client \"$client\"" >&2; exit 2 ;; esac
  set +e  # a command that follows || would run without -e
  (set -e; "${client}_client" "${flags[@]}")
  code=$?
  set -e
  case "$code" in 0) ;; 77) [ "$status" -ne 0 ] || status=77 ;; *) status=1 ;; esac
done
exit "$status"
