#!/usr/bin/env bash
# Lint: `deploy/lint.sh format` checks the layout (`--fix` mends it), `deploy/lint.sh tidy [FILE...]` runs clang-tidy: without files, on the parsers of untrusted bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
sources() { git ls-files 'common/*.cc' 'common/*.h' 'services/*.cc' 'services/*.h' 'integration_tests/*.cc' 'integration_tests/*.h' 'tools/*.cc'; }
case "${1:-}" in
  format)
    if [ "${2:-}" = --fix ]; then sources | xargs clang-format-14 -i; else sources | xargs clang-format-14 --dry-run --Werror; fi ;;
  tidy)
    shift
    files=("$@")
    [ ${#files[@]} -gt 0 ] || mapfile -t files < <(git ls-files common/{attestation_results,cel,cmw,config,crypto,grant,jose,sealed_key,snp_cert_table}/*.cc \
      common/attested_tls/{hello_guard,wire}.cc common/http/{header_line,http_head,media_type,problem,query,router}.cc services/verifier/formats/*.cc |
      grep -vE '_(test|fuzz|benchmark)\.cc$|test_vectors|snp_builder|tpm_builder')
    # For the generated headers. Files that include OpenSSL's headers stay out: beside BoringSSL's they cannot be parsed.
    bazel build -- //common/{attestation_results,config,crypto,grant,http,jose,sealed_key}/... //services/verifier/formats/... > /dev/null 2>&1
    out=$(bazel info bazel-bin 2> /dev/null) base=$(bazel info output_base 2> /dev/null)
    flags=(-std=c++17 -I. -I"$out" -isystem "$base/external/boringssl/src/include" -isystem "$out/external/boringssl/prefix" -DBORINGSSL_PREFIX=twi_bssl -Wno-everything)
    export flags_text="${flags[*]}"
    # shellcheck disable=SC2016
    printf '%s\n' "${files[@]}" | xargs -P 2 -n 1 sh -c 'clang-tidy-14 --quiet "$1" -- $flags_text 2> /dev/null || { echo "tidy: $1" >&2; exit 1; }' tidy ;;
  *) sed -n '2,3p' "$0" >&2; exit 2 ;;
esac
