#!/bin/bash
# sh_test over every shipped binary: no name of its own may be one that its OpenSSL libraries export.
set -euo pipefail; export LC_ALL=C
names() { awk '{print $NF}' | sed 's/@.*//' | sort -u; }
for l in $(ldd "$1" | awk '/lib(ssl|crypto)[.]so/ {print $3}'); do nm -D --defined-only "$l"; done | names > "$TEST_TMPDIR/o"
{ nm --defined-only "$1" | awk '$2 ~ /[A-TV-Z]/'; nm -D --defined-only "$1"; } | names > "$TEST_TMPDIR/b"
[ -s "$TEST_TMPDIR/o" ]; bad=$(comm -12 "$TEST_TMPDIR/o" "$TEST_TMPDIR/b"); [ -z "$bad" ] || { echo "$bad" | head; exit 1; }
