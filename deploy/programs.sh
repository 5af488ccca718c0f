# What build.sh and package.sh share, and what deploy/compose asks for the images by. To be sourced in the repository's root.
TWI_VERSION=$(sed -n 's/.*kTwiVersion\[\] = "\(.*\)".*/\1/p' common/server/daemon_flags.h)
export TWI_VERSION

# programs TARGET...: sets TWI_OPT_BIN, unless it is set, to the folder of the programs, built here with `-c opt`; boringssl, its sources of that build; and revision, the commit, with -dirty after it
# when the folder holds what is not committed, and -fastbuild (-dbg) when that is how the programs were built.
programs() {
  local real mode
  if [ -z "${TWI_OPT_BIN:-}" ]; then
    bazel build -c opt --show_result=0 "$@"
    TWI_OPT_BIN=$(bazel info -c opt bazel-bin 2> /dev/null)
  fi
  real=$(cd "$TWI_OPT_BIN" && pwd -P)
  case "$real" in
    *-opt/bin) ;;
    *) echo "NOTE: the programs of TWI_OPT_BIN ($(basename "$(dirname "$real")")) are not built with -c opt: for a look, not for a release; sizes and digests are others" ;;
  esac
  # shellcheck disable=SC2034
  boringssl=${real%%/execroot/*}/external/boringssl
  revision=$(git rev-parse HEAD)
  [ -z "$(git status --porcelain)" ] || revision=$revision-dirty
  mode=$(basename "$(dirname "$real")")  # k8-opt, k8-fastbuild
  # shellcheck disable=SC2034
  [ "${mode##*-}" = opt ] || revision=$revision-${mode##*-}
}
