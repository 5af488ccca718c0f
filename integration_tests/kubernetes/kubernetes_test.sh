#!/usr/bin/env bash
# deploy/kubernetes/test.sh on the runfiles of a Bazel test.
set -euo pipefail
TWI_ROOT=$PWD TWI_BIN=$PWD/services TMPDIR=${TEST_TMPDIR:-/tmp} exec deploy/kubernetes/test.sh
