#!/usr/bin/env bash
# Go for scripts and tests: where it is, and its modules. To be sourced, or run:
#   tools/go.sh fetch [MODULE...]    downloads the modules of the folder's go.mod
#   tools/go.sh ARGUMENT...          any other: go ARGUMENT...
# Exit 77, saying why, where Go is not installed or the modules cannot be fetched: who calls skips then. A module that is not what go.sum says is a failure (1), never a reason to skip.
PATH=$PATH:/usr/local/go/bin  # where Go's own archive puts it; a Bazel test has a short PATH

have_go() { command -v go > /dev/null; }

fetch_modules() {
  local said
  if said=$(go mod download "$@" 2>&1); then return 0; fi
  if grep -qE 'SECURITY ERROR|checksum mismatch|missing go\.sum entry|updates to go\.(mod|sum) needed' <<< "$said"; then
    printf '%s\n' "$said" >&2
    return 1
  fi
  echo "the modules cannot be fetched: $(tail -n 1 <<< "$said")"
  return 77
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  have_go || { echo "Go is not installed"; exit 77; }
  case "${1:-}" in
    fetch) shift; fetch_modules "$@" ;;
    *) exec go "$@" ;;
  esac
fi
