#!/bin/bash
# promtool (Debian's package prometheus) over the alert rules: they parse, each fires on the series that it is for, and on series that were scraped while that was so.
set -euo pipefail
cd "$(dirname "$0")"
# Alerts that no recording shows, and why. Whoever adds one to alerts.yaml records it (deploy/compose/situations.py), or says here why not.
not_recorded() {
  case "$1" in
    TwiInternalErrors) echo "a broken invariant of the daemon's own: nothing that is done from outside brings one about" ;;
    TwiChallengeCacheNearlyFull) echo "a million used challenges fit, and none is remembered for longer than ten minutes: it wants 1,300 attestations a second for that long" ;;
    *) return 1 ;;
  esac
}
if ! command -v promtool > /dev/null; then
  echo "SKIPPED: promtool is not installed (apt-get install prometheus, or deploy/setup.sh --monitoring)"
  exit 0
fi
promtool check rules alerts.yaml
promtool test rules alerts_test.yaml
# Series that were scraped while something was wrong: for seconds (deploy/compose/fault_test.py --record), and for longer than each alert's `for` (deploy/compose/record_alerts.py).
recordings=(alerts_recorded_test.yaml recorded/*.yaml)
promtool test rules "${recordings[@]}"
for alert in $(sed -n 's/^  - alert: //p' alerts.yaml); do
  # An alert without a test of its own would slip through.
  for kind in fires "keeps quiet"; do
    grep -qx -- "- name: $alert $kind" alerts_test.yaml || { echo "FAIL: no test that $alert $kind"; exit 1; }
  done
  # A recording names an alert only where it fires.
  if grep -qE "alertname=\"$alert\"" "${recordings[@]}"; then
    ! not_recorded "$alert" > /dev/null || { echo "FAIL: $alert is recorded, and is said not to be: $(not_recorded "$alert")"; exit 1; }
  else
    not_recorded "$alert" > /dev/null || { echo "FAIL: no recording in which $alert fires, and no reason why not"; exit 1; }
    echo "not recorded: $alert: $(not_recorded "$alert")"
  fi
done
# A reason that a rule lists is one that it is seen to fire on; promtool itself says when the rule loses one.
listed=$(awk '/^  - alert: /{alert = $3} match($0, /reason=~"[^"]*"/) {n = split(substr($0, RSTART + 9, RLENGTH - 10), reasons, "|"); for (i = 1; i <= n; i++) print alert, reasons[i]}' alerts.yaml)
[ -n "$listed" ] || { echo "FAIL: alerts.yaml has no rule that lists reasons, or this does not find it"; exit 1; }
while read -r alert reason; do
  sed -n "/^- name: $alert fires\$/,/^- name: /p" alerts_test.yaml | grep "exp_labels: .* reason: $reason}" > /dev/null || { echo "FAIL: no test that $alert fires on $reason"; exit 1; }
done <<< "$listed"
# What the head of alerts.yaml says of recordings is what there is.
for alert in $(sed -n 's/^  - alert: //p' alerts.yaml); do
  if not_recorded "$alert" > /dev/null && ! grep -E '^# ' alerts.yaml | grep -qw "$alert"; then echo "FAIL: $alert is not recorded, and the head of alerts.yaml does not say so"; exit 1; fi
done
