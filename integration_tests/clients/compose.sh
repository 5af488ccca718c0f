#!/usr/bin/env bash
# The clients in other languages against the running compose network (deploy/compose/demo.sh --keep). They run on the host, which reaches the containers at their addresses on the network `agents`.
#   integration_tests/clients/compose.sh [--client python|go]
# TWI_PROJECT: name of the compose project (default twi). Exit: as run.sh; 2 where the network does not run.
set -euo pipefail
cd "$(dirname "$0")/../.."
project=${TWI_PROJECT:-twi}
container() { docker ps --all --quiet --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$1" | head -n 1; }
address() {
  local found
  found=$(docker inspect --format "{{with index .NetworkSettings.Networks \"${project}_agents\"}}{{.IPAddress}}{{end}}" "$(container "$1")" 2> /dev/null) || true
  [ -n "$found" ] || { echo "compose.sh: $1 does not run: start the network with deploy/compose/demo.sh --keep" >&2; exit 2; }
  printf %s "$found"
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
verifier=$(address verifier) authority=$(address credential-authority)
# What an agent of the network has: the services' anchors, the credentials' anchors, and the development chip.
files=$(container files)
docker cp "$files:/volumes/agent/ca.pem" "$work/ca.pem" > /dev/null
docker cp "$files:/volumes/agent/dev-snp" "$work/dev-snp" > /dev/null
docker cp "$files:/volumes/bundle/credential-bundle.pem" "$work/credential-bundle.pem" > /dev/null
integration_tests/clients/run.sh "$@" --verifier "$verifier:8441" --credential-authority "$authority:8443" --trust-bundle "$work/ca.pem" \
  --credential-bundle "$work/credential-bundle.pem" --dev-snp "$work/dev-snp" --image "$PWD/deploy/compose/config/payroll-worker.image"
