#!/usr/bin/env bash
# Sets up, builds, and runs every test.
#   deploy/test.sh [bazel test options or targets]     e.g. deploy/test.sh --config=asan //common/...
set -euo pipefail
cd "$(dirname "$0")/.."
deploy/setup.sh
targets=()
options=()
for word in "$@"; do
  case "$word" in //*) targets+=("$word") ;; *) options+=("$word") ;; esac
done
[ ${#targets[@]} -gt 0 ] || targets=(//...)
echo "test: building and running ${targets[*]} (the first build takes minutes: BoringSSL is compiled from Debian's source)"
exec bazel test --build_tests_only=false "${options[@]}" -- "${targets[@]}"
