#!/usr/bin/env bash
# Every field of proto/ is documented (tools/proto/reference.cc says what that means), the page holds what it should, and the check can fail.
#   documented_test.sh REFERENCE DESCRIPTORS UNDOCUMENTED_DESCRIPTORS PAGE
set -euo pipefail
reference=$1 descriptors=$2 undocumented=$3 page=$4
"$reference" --check "$descriptors"
if "$reference" --check "$undocumented" 2> "$TEST_TMPDIR/out"; then echo "an undocumented file passed"; exit 1; fi
diff "$TEST_TMPDIR/out" - <<'TEXT'
twi.testdata.Documented.Ask: no comment
twi.testdata.AskRequest.bare: no comment
twi.testdata.AskRequest.vague: does not say whether it is required
TEXT
for expected in '### twi.v1.Verifier' '`attestation_results`' 'BINDING_PROFILE_TACRA_2' 'The challenge is older than its life' '### twi.config.v1.Server'; do
  grep -q -- "$expected" "$page" || { echo "the page lacks: $expected"; exit 1; }
done
