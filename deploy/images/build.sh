#!/usr/bin/env bash
# Builds the container images: one per daemon, twictl, and what deploy/compose needs. Each is FROM scratch: the stripped program, the shared libraries that it loads, their licences, an
# SPDX document; no shell, no package manager, user 65532. The same commit gives the same digests in any folder, on any day (with the same Debian packages installed).
#   deploy/images/build.sh [--out DIR] [--no-load] [IMAGE...]
# Writes DIR/IMAGE.oci.tar (default out/images; for `ctr images import`, `skopeo copy oci-archive:`, `docker load`), IMAGE.spdx.json and digests.json (with IMAGE... only theirs is written anew);
# loads the images where Docker runs.
# TWI_OPT_BIN: the folder of programs that are built already, with `bazel build -c opt` (default: they are built). Others do for a look, and it is said that they are others: here, and in the
# images, whose label org.opencontainers.image.revision ends in -fastbuild (-dbg) then. It ends in -dirty when the folder holds what is not committed.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=out/images load=yes images=()
while [ $# -gt 0 ]; do
  case "$1" in
    --out) out=$2; shift ;;
    --no-load) load=no ;;
    -*) sed -n '4,8p' "$0" >&2; exit 2 ;;
    *) images+=("$1") ;;
  esac
  shift
done

source deploy/programs.sh
epoch=$(git log -1 --format=%ct)

programs //services/verifier //services/claims_mapper //services/credential_authority //services/key_store //services/workload_agent //services/twictl //integration_tests/containers:workload
python3 deploy/images/make_images.py --bin "$TWI_OPT_BIN" --boringssl "$boringssl" --out "$out" --version "$TWI_VERSION" --revision "$revision" --epoch "$epoch" "${images[@]}"

if [ "$load" = no ]; then exit 0; fi
if ! docker version > /dev/null 2>&1; then
  echo "Docker does not run here: the archives in $out are all there is ('ctr images import $out/verifier.oci.tar', 'skopeo copy oci-archive:...')"
  exit 0
fi
for archive in "$out"/*.oci.tar; do
  name=$(basename "$archive" .oci.tar)
  [ ${#images[@]} -eq 0 ] || [[ " ${images[*]} " == *" $name "* ]] || continue
  docker load --quiet --input "$archive"
done
