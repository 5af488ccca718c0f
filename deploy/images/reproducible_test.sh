#!/usr/bin/env bash
# Builds the images of one commit in two clones, in folders of different names, at different depths, with different umask, time zone and day of the files, each with its own Bazel output and no
# shared cache; then compares every digest. An identity system whose own measurements cannot be reproduced cannot be attested. Takes two whole builds: run it by hand, CI does not.
#   deploy/images/reproducible_test.sh [IMAGE...]
# TWI_FIRST_CACHE: a disk cache of Bazel's that the first clone may use (what is in it was built in yet another folder, earlier); the second never uses one.
set -euo pipefail
cd "$(dirname "$0")/../.."
source=$PWD
work=$(mktemp -d "${TMPDIR:-/tmp}/twi-reproducible.XXXXXX")
cleanup() {
  for clone in "$work/one" "$work/two/deeper/another-name"; do
    [ ! -d "$clone" ] || (cd "$clone" && bazel --output_base="$work/base-$(basename "$clone")" shutdown > /dev/null 2>&1) || true
  done
  chmod -R u+w "$work" && rm -rf "$work"
}
trap cleanup EXIT

build() {  # build FOLDER UMASK ZONE DAY CACHE IMAGE...: the digests stand in FOLDER/images/digests.json
  local clone=$1 base day=$4 cache=$5; base=$work/base-$(basename "$1")
  umask "$2"; export TZ=$3; shift 5
  mkdir -p "$(dirname "$clone")"
  git clone --quiet "$source" "$clone"
  cd "$clone"
  git ls-files -z | xargs -0 touch -d "$day"
  bazel --output_base="$base" build -c opt "--disk_cache=$cache" --show_result=0 ${TWI_BAZEL_JOBS:+--jobs=$TWI_BAZEL_JOBS} --symlink_prefix=/ //services/verifier //services/claims_mapper \
    //services/credential_authority //services/key_store //services/workload_agent //services/twictl //integration_tests/containers:workload
  TWI_OPT_BIN=$(bazel --output_base="$base" info -c opt bazel-bin 2> /dev/null) deploy/images/build.sh --no-load --out "$clone/images" "$@"
}
(build "$work/one" 022 UTC 2026-01-02 "${TWI_FIRST_CACHE:-}" "$@")
(build "$work/two/deeper/another-name" 077 Asia/Kathmandu 2001-02-03 "" "$@")
python3 "$source/deploy/images/check_images.py" "$work/one/images" "$@" --no-start --forbidden "$work" --forbidden "$source" --forbidden execroot
if cmp "$work/one/images/digests.json" "$work/two/deeper/another-name/images/digests.json"; then
  echo "the same digests from two clones: $(python3 -c 'import json,sys; print(len(json.load(open(sys.argv[1]))), "images")' "$work/one/images/digests.json")"
else
  diff "$work/one/images/digests.json" "$work/two/deeper/another-name/images/digests.json" || true
  echo "reproducible_test: the digests differ" >&2
  exit 1
fi
