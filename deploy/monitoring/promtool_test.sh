#!/bin/bash
# promtool (Debian's package prometheus) over the alert rules: they parse, and each fires on the series that it is for.
set -euo pipefail
cd "$(dirname "$0")"
if ! command -v promtool > /dev/null; then
  echo "SKIPPED: promtool is not installed (apt-get install prometheus, or deploy/setup.sh --monitoring)"
  exit 0
fi
promtool check rules alerts.yaml
promtool test rules alerts_test.yaml
# Series that were scraped while deploy/compose/fault_test.py broke something (its --record).
if [ -e alerts_recorded_test.yaml ]; then promtool test rules alerts_recorded_test.yaml; else echo "no recorded series are here: deploy/compose/fault_test.py --record"; fi
# What alerts.yaml's head says of recordings is what there is.
if [ -e alerts_recorded_test.yaml ]; then
  for alert in $(grep -oE 'alertname="Twi[A-Za-z]+"' alerts_recorded_test.yaml | sed 's/.*"\(.*\)"/\1/' | sort -u); do
    grep -E '^# ' alerts.yaml | grep -qw "$alert" || { echo "FAIL: $alert is recorded, and the head of alerts.yaml does not name it"; exit 1; }
  done
fi
# An alert without a test of its own would slip through.
for alert in $(sed -n 's/^  - alert: //p' alerts.yaml); do
  for kind in fires "keeps quiet"; do
    grep -qx -- "- name: $alert $kind" alerts_test.yaml || { echo "FAIL: no test that $alert $kind"; exit 1; }
  done
done
