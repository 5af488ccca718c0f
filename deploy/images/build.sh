#!/usr/bin/env bash
# Builds the container images: one per daemon, twictl, and what deploy/compose needs. Each is FROM scratch: the stripped program, the shared libraries that it loads, their licences, an
# SPDX document; no shell, no package manager, user 65532. The same commit gives the same digests in any folder, on any day (with the same Debian packages installed).
#   deploy/images/build.sh [--out DIR] [--no-load] [IMAGE...]
# Writes DIR/IMAGE.oci.tar (default out/images; for `ctr images import`, `skopeo copy oci-archive:`, `docker load`), IMAGE.spdx.json and digests.json; loads the images where Docker runs.
# TWI_OPT_BIN: the folder of programs built with `bazel build -c opt` (default: they are built).
set -euo pipefail
cd "$(dirname "$0")/../.."
out=out/images load=yes images=()
while [ $# -gt 0 ]; do
  case "$1" in
    --out) out=$2; shift ;;
    --no-load) load=no ;;
    -*) sed -n '4,6p' "$0" >&2; exit 2 ;;
    *) images+=("$1") ;;
  esac
  shift
done

version=$(sed -n 's/.*kTwiVersion\[\] = "\(.*\)".*/\1/p' common/server/daemon_flags.h)
revision=$(git rev-parse HEAD)
[ -z "$(git status --porcelain --untracked-files=no)" ] || revision=$revision-dirty
epoch=$(git log -1 --format=%ct)

if [ -z "${TWI_OPT_BIN:-}" ]; then
  bazel build -c opt --show_result=0 //services/verifier //services/claims_mapper //services/credential_authority //services/key_store //services/workload_agent \
    //services/twictl //integration_tests/containers:workload
  TWI_OPT_BIN=$(bazel info -c opt bazel-bin 2> /dev/null)
fi
external=$TWI_OPT_BIN/../../../../../external
[ -d "$external/boringssl" ] || external=${TWI_OPT_BIN%%/execroot/*}/external
python3 deploy/images/make_images.py --bin "$TWI_OPT_BIN" --boringssl "$external/boringssl" --out "$out" --version "$version" --revision "$revision" --epoch "$epoch" "${images[@]}"

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
