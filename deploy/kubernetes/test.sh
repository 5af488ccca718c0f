#!/usr/bin/env bash
# Tests deploy/helm and deploy/kubernetes without a cluster (integration_tests/kubernetes): Helm's own code renders, Kubernetes' own types decode, its own Pod Security evaluator judges,
# the daemons themselves check their configs and start from them. Skips, saying so, without Go or its modules.
#   deploy/kubernetes/test.sh [--update]      --update writes deploy/kubernetes/twi.yaml anew
# TWI_BIN: folder services/ of a build; without it bazel builds the daemons.
set -euo pipefail
root=${TWI_ROOT:-$(cd "$(dirname "$0")/../.." && pwd -P)}
skip() { echo "SKIPPED: kubernetes: $1"; exit 0; }
source "$root/tools/go.sh"
have_go || skip "Go is not installed"
export HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)} GOFLAGS="-p=2 -mod=readonly -buildvcs=false" TWI_ROOT=$root
work=$(mktemp -d "${TMPDIR:-/tmp}/twi-kubernetes.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp -rL "$root/integration_tests/kubernetes" "$work/test"
cd "$work/test"
code=0
why=$(fetch_modules) || code=$?
case "$code" in 0) ;; 77) skip "$why" ;; *) exit "$code" ;; esac
if [ "${1:-}" = --update ]; then go test -count=1 -run TestPlainManifestsAreTheRendering . -args -update; exit; fi
if [ -z "${TWI_BIN:-}" ]; then
  (cd "$root" && bazel build --show_result=0 //services/verifier //services/claims_mapper //services/credential_authority //services/key_store //services/workload_agent //services/twictl)
  TWI_BIN=$(cd "$root" && bazel info bazel-bin 2> /dev/null)/services
fi
export TWI_BIN
go vet .
go test -count=1 -timeout 30m -v . > "$work/log" || code=$?
grep -vE '^(=== |    --- PASS|--- PASS|PASS$)' "$work/log" || true
# What was not tested stands at the end, where it is seen.
grep -B1 -- '--- SKIP' "$work/log" | sed -nE 's/^ +[a-z_]+\.go:[0-9]+: (.*)/SKIPPED: kubernetes: \1:/p; s/^ *--- SKIP: ([^ ]*).*/    \1/p' || true
exit "$code"
