#!/usr/bin/env bash
# The clients in other languages against the daemons as bare processes. Arguments: --client NAME, then the binaries: verifier claims_mapper credential_authority twictl.
# Skips, saying so, where the client's tools (Go, its modules, python3-grpcio) are missing.
set -euo pipefail
[ "$1" = --client ]; client=$2; shift 2
declare -A bin
for path in "$@"; do bin[$(basename "$path")]=$PWD/$path; done
root=$PWD
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/clients.XXXXXX")
dir=$work/twi
host=127.78.$((RANDOM % 200 + 1)).$((RANDOM % 200 + 1))
pids=()
cleanup() {
  status=$?
  [ ${#pids[@]} -eq 0 ] || kill -TERM "${pids[@]}" 2> /dev/null || true
  wait 2> /dev/null || true
  if [ "$status" -ne 0 ]; then tail -n 20 "$dir"/log/* >&2 || true; fi
  rm -rf "$work"
}
trap cleanup EXIT

# The environment of a Bazel test has no HOME: Go's caches are found again by the user's.
export HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
deploy/dev_deployment.sh "${bin[twictl]}" "$dir" "$host"
for daemon in verifier claims_mapper credential_authority; do
  "${bin[$daemon]}" --config "$dir/config/$daemon.yaml" --port-file "$dir/run/$daemon.port" 2> "$dir/log/$daemon.err" &
  pids+=($!)
done
for daemon in verifier claims_mapper credential_authority; do
  for _ in $(seq 200); do [ ! -s "$dir/run/$daemon.port" ] || break; sleep 0.1; done
  [ -s "$dir/run/$daemon.port" ] || { echo "$daemon did not start" >&2; exit 1; }
done
"${bin[twictl]}" trust-bundle --config "$dir/config/twictl.yaml" --out "$dir/run/credential-bundle.pem"

code=0
TWI_ROOT=$root integration_tests/clients/run.sh --client "$client" --verifier "$host:8441" --credential-authority "$host:8443" \
  --trust-bundle "$dir/tls/ca.pem" --credential-bundle "$dir/run/credential-bundle.pem" --dev-snp "$dir/dev-snp" --image "$dir/images/payroll-1.2.0" || code=$?
if [ "$code" -eq 77 ]; then echo "SKIPPED: see the line above"; exit 0; fi
[ "$code" -eq 0 ]
# What the two clients said of themselves stands in the authority's record too: nothing is passed by a client that asks nobody.
grep -q '"event":"issued"' "$dir/log/credential_authority.log"
