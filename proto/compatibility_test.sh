#!/usr/bin/env bash
# deploy/check_proto_compatibility.sh passes on proto/ as it is, and fails on copies in which one thing is broken. Skips, saying so, without Go or its modules.
set -euo pipefail
check=deploy/check_proto_compatibility.sh
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/compatibility.XXXXXX")
trap 'rm -rf "$work"' EXIT
export TWI_BUF=$work/buf  # built by the first check
code=0
"$check" || code=$?
if [ "$code" -eq 77 ]; then echo "SKIPPED: see the line above"; exit 0; fi
[ "$code" -eq 0 ]

# broken NAME FILE SED EXPECTED: a copy of proto/ with FILE edited is refused by the rule EXPECTED.
broken() {
  local name=$1 file=$2 edit=$3 expected=$4 copy=$work/$1
  mkdir "$copy"
  cp -rL proto "$copy/proto"
  chmod -R u+w "$copy"
  sed -i -e "$edit" "$copy/proto/$file"
  ! cmp -s "proto/$file" "$copy/proto/$file" || { echo "$name: the edit changed nothing"; exit 1; }
  if "$check" "$copy" > "$work/out" 2>&1; then echo "$name: was not noticed"; exit 1; fi
  grep -q -- "$expected" "$work/out" || { echo "$name: not for the expected reason ($expected):"; cat "$work/out"; exit 1; }
  echo "noticed: $name: $(grep -m1 -- "$expected" "$work/out")"
}
broken "a field's number" twi/v1/evidence.proto 's/^  bytes quote = 1;/  bytes quote = 15;/' 'field "1"'
broken "a field's type" twi/v1/evidence.proto 's/^  bytes nonce = 2;/  uint64 nonce = 2;/' 'changed type'
broken "a field's name" twi/config/v1/verifier.proto 's/^  string issuer = 4;/  string iss = 4;/' 'name'
broken "a field deleted" twi/v1/verifier.proto '/bytes channel_key_sha256 = 3;/d' 'field "3"'
broken "repeated no more" twi/v1/workload_credential.proto 's/^  repeated bytes x509_chain = 1;/  bytes x509_chain = 1;/' 'x509_chain'
broken "a refusal's number" twi/v1/deny_reason.proto 's/DENY_REASON_CHALLENGE_EXPIRED = 32/DENY_REASON_CHALLENGE_EXPIRED = 999/' '32'
broken "an RPC deleted" twi/v1/key_store.proto '/rpc ListKeys(/d' 'ListKeys'
broken "an RPC's request" twi/v1/verifier.proto 's/rpc Appraise(AppraiseRequest)/rpc Appraise(RequestCredentialRequest)/' 'Appraise'
# Adding is allowed.
mkdir "$work/added"
cp -rL proto "$work/added/proto"
chmod -R u+w "$work/added"
sed -i 's/^  bytes enc = 2;/  string added = 9;\n  bytes enc = 2;/' "$work/added/proto/twi/v1/evidence.proto"
"$check" "$work/added"
