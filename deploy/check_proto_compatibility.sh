#!/usr/bin/env bash
# Does a change of proto/ break what was released? Compares it with each image in proto/released/ by buf's rules (proto/README.md, "Versions"). Exit: 0 it breaks nothing; 1 it
# does (each break on a line); 77 Go or its modules are missing (said so).
#   deploy/check_proto_compatibility.sh [FOLDER]     FOLDER holds another copy of proto/ to check; default: this repository
# TWI_BUF: where the program buf is, or is to be built for the next time.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd -P)
checked=$(cd "${1:-$root}" && pwd -P)
missing() { echo "proto compatibility: skipped: $1"; exit 77; }
source "$root/tools/go.sh"
have_go || missing "Go is not installed"
export HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)} GOFLAGS="-p=2 -mod=readonly -buildvcs=false"
work=$(mktemp -d "${TMPDIR:-/tmp}/twi-proto.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp -rL "$root/tools/proto/buf" "$work/buf"
cd "$work/buf"
code=0
why=$(fetch_modules github.com/bufbuild/buf) || code=$?
case "$code" in 0) ;; 77) missing "$why" ;; *) exit "$code" ;; esac
buf=${TWI_BUF:-$work/bin/buf}
[ -x "$buf" ] || go build -o "$buf" github.com/bufbuild/buf/cmd/buf
cd "$checked"
mapfile -t files < <(find proto -name '*.proto' | LC_ALL=C sort)
protoc -I. --include_imports --descriptor_set_out="$work/now.binpb" "${files[@]}"
rules='{"version": "v2", "breaking": {"use": ["WIRE_JSON", "FILE_NO_DELETE", "MESSAGE_NO_DELETE", "ENUM_NO_DELETE", "SERVICE_NO_DELETE", "RPC_NO_DELETE"]}}'
status=0
for released in "$root"/proto/released/*.binpb; do
  "$buf" breaking "$work/now.binpb" --against "$released" --config "$rules" || { echo "breaks ${released##*/}"; status=1; }
done
[ "$status" -ne 0 ] || echo "proto compatibility: nothing that was released is broken"
exit "$status"
