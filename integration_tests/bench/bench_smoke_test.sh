#!/bin/sh
# The benchmark runs, writes its JSON, and says no to what it does not know.
set -eu
bench=$1
# One row of each kind: every credential of theirs is validated, and tampered requests are refused, or the run fails.
"$bench" --seconds 1 --only map.eval.1e3 --only e2e.B.snp --only e2e.D.tpm --only ca.issue.both --only atls --json "$TEST_TMPDIR/report.json"
for name in floor.crypto floor.rpc map.eval.1e3 ns_per_op e2e.B.snp.open e2e.D.tpm.open ca.issue.both.b1.durable.16 tunnel_mb_s fraction_of_sol_full; do
  grep -q "\"$name\"" "$TEST_TMPDIR/report.json" || { echo "no $name in the report" >&2; exit 1; }
done
for wrong in "--only no.such.row" "--seconds 0" "--seconds many" "--in-flight 0" "--no-such-flag 1" "--json"; do
  status=0
  # shellcheck disable=SC2086  # a flag and its value
  "$bench" $wrong --seconds 0.2 > /dev/null 2>&1 || status=$?
  [ "$status" -eq 2 ] || { echo "$wrong: exit code $status, expected 2" >&2; exit 1; }
done
