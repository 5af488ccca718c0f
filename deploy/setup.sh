#!/usr/bin/env bash
# Installs everything that a bare Debian 12 lacks to build, run and test TWI. Idempotent: when all is there it only looks. Needs root only when something is missing.
#   deploy/setup.sh          what building, the demo and the tests need
#   deploy/setup.sh --lint   clang-format, clang-tidy and libFuzzer's runtime besides
#   deploy/setup.sh --monitoring   prometheus with promtool, and socat, besides (Debian's package prometheus; on a host with systemd that also starts a Prometheus)
#   deploy/setup.sh --images       skopeo besides, for deploy/images/check_images.py
#   deploy/setup.sh --packages     lintian and debootstrap besides, for deploy/package_test.sh and deploy/systemd/boot_test.sh
set -euo pipefail

build=(bazel-bootstrap bazel-rules-cc bazel-rules-java bazel-rules-proto clang-14 g++ pkg-config python3 python-is-python3 dpkg-dev xz-utils git ca-certificates
  libgrpc++-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev libabsl-dev libre2-dev libspdlog-dev libfmt-dev libyaml-cpp-dev nlohmann-json3-dev
  libgtest-dev libgmock-dev libbenchmark-dev libssl-dev libboost-dev libcurl4-openssl-dev libsqlite3-dev libsoci-dev libcbor-dev prometheus-cpp-dev libtss2-dev)
run=(swtpm swtpm-tools tpm2-tools sqlite3 curl openssl tzdata procps python3-grpcio python3-protobuf python3-cryptography)
monitoring=(prometheus socat)
images=(skopeo)
packaging=(lintian debootstrap)
lint=(clang-tidy-14 clang-format-14 libclang-rt-14-dev)

packages=("${build[@]}" "${run[@]}")
case "${1:-}" in
  "") ;;
  --lint) packages+=("${lint[@]}") ;;
  --monitoring) packages+=("${monitoring[@]}") ;;
  --images) packages+=("${images[@]}") ;;
  --packages) packages+=("${packaging[@]}") ;;
  *) echo "usage: deploy/setup.sh [--lint | --monitoring | --images | --packages]" >&2; exit 2 ;;
esac

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -x installed > /dev/null || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "setup: all ${#packages[@]} packages are installed"
  exit 0
fi
echo "setup: installing ${#missing[@]} packages: ${missing[*]}"
if [ "$(id -u)" -ne 0 ]; then
  echo "setup: this needs root: run 'sudo deploy/setup.sh ${1:-}' once" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -qq -o DPkg::Lock::Timeout=600 update
apt-get -qq -y -o DPkg::Lock::Timeout=600 install --no-install-recommends "${missing[@]}" > /dev/null
echo "setup: done"
