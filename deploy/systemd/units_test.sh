#!/usr/bin/env bash
# units_test.sh UNIT...: the units of the services differ in names alone; systemd-analyze finds nothing wrong in the units, and rates each at most 2.0 ("OK"; 10 is a unit without any hardening).
set -euo pipefail
failed=0
# The four services run under one set of rules: what is mended in one unit is mended in all.
plain() {  # plain UNIT SERVICE: with the service's names taken out
  sed -e "s#^Description=.*#Description=#" -e "s#$2#SERVICE#g; s#${2//-/_}#SERVICE#g" "$1"
}
for unit in "$@"; do
  service=$(basename "$unit" .service); service=${service#twi-}
  case "$service" in workload-agent@) continue ;; esac
  if [ -z "${first:-}" ]; then first=$unit first_service=$service; fi
  diff <(plain "$first" "$first_service") <(plain "$unit" "$service") || { echo "$service: its unit differs from that of $first_service in more than names"; failed=1; }
done
[ -n "${first:-}" ] || { echo "no unit of a service"; failed=1; }
if ! command -v systemd-analyze > /dev/null; then
  echo "skipped: systemd is not installed here"
  exit $failed
fi
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/units.XXXXXX")
trap 'rm -rf "$work"' EXIT
for unit in "$@"; do
  name=$(basename "$unit")
  # The programs are not installed here: verified is everything but that they are there.
  sed 's#=/usr/sbin/twi-[a-z-]*#=/bin/true#' "$unit" > "$work/$name"
  if ! said=$(systemd-analyze verify --man=no "$work/$name" 2>&1) || [ -n "$said" ]; then
    echo "$name: systemd-analyze verify says:"; echo "$said"; failed=1
  fi
  rating=$(systemd-analyze security --offline=true --threshold=20 --no-pager "$work/$name" 2>&1) || { echo "$name: exposed more than 2.0"; echo "$rating"; failed=1; }
  echo "$rating" | grep Overall
done
# A unit without hardening must not pass: the rating means something.
printf '[Service]\nExecStart=/bin/true\n' > "$work/bare.service"
if systemd-analyze security --offline=true --threshold=20 --no-pager "$work/bare.service" > /dev/null 2>&1; then echo "a bare unit passes"; failed=1; fi
exit $failed
