#!/bin/bash
# sh_test over the source tree: what the daemons say with --version is what images, charts, manifests and samples are called.
# Then a copy in which one of them differs must fail. Called with a folder: checks that.
set -euo pipefail
self=$(readlink -f "$0")  # the runfile is a symlink into the workspace
cd "${1:-$(dirname "$self")/..}"
version=$(sed -n 's/.*kTwiVersion\[\] = "\(.*\)".*/\1/p' common/server/daemon_flags.h)
[ -n "$version" ] || { echo "common/server/daemon_flags.h has no kTwiVersion"; exit 1; }
failures=0
# same FILE EXPRESSION: what the expression's group is in FILE, at least once, is the version everywhere.
same() {
  local found
  found=$({ grep -oE -- "$2" "$1" || true; } | sed -E "s~$2~\\1~" | sort -u)
  [ "$found" = "$version" ] || { echo "FAIL: $1 has ${found:-no version}, common/server/daemon_flags.h $version"; failures=$((failures + 1)); }
}
same deploy/compose/docker-compose.yml '[$][{]TWI_VERSION:-([^}]*)[}]'
for chart in twi twi-agent; do
  same deploy/helm/$chart/Chart.yaml '^version: (.*)$'
  same deploy/helm/$chart/Chart.yaml '^appVersion: (.*)$'
done
same deploy/helm/twi-agent/templates/_agent.tpl 'default "([0-9][^"]*)"'
same deploy/helm/examples/payroll/Chart.yaml '^  version: (.*)$'
same deploy/helm/README.md 'name: twi-agent, version: ([^,]*),'
same deploy/kubernetes/twi.yaml '/twi/[a-z-]+:(.*)$'
same deploy/kubernetes/twi.yaml 'app.kubernetes.io/version: "(.*)"$'
[ "$failures" = 0 ] || { echo "$failures failed"; exit 1; }
[ $# = 0 ] || exit 0

copy=$(mktemp -d "${TEST_TMPDIR:-/tmp}/version.XXXXXX"); trap 'rm -rf "$copy"' EXIT
mkdir -p "$copy/common/server"
cp -r deploy "$copy"
cp common/server/daemon_flags.h "$copy/common/server"
"$self" "$copy" > /dev/null || { echo "the unbroken copy fails"; exit 1; }
sed -i "s/kTwiVersion\[\] = \".*\"/kTwiVersion[] = \"9.8.7\"/" "$copy/common/server/daemon_flags.h"
said=$("$self" "$copy") && { echo "another version of the daemons is not found"; exit 1; }
[ "$(grep -c '^FAIL: deploy/' <<< "$said")" -eq 10 ] || { echo "not everywhere: $said"; exit 1; }
