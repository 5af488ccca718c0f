#!/usr/bin/env bash
# Packages: lintian without errors, and an installation on a bare Debian 12 (a debootstrap chroot) in which every program starts. What is missing here (lintian, debootstrap, root, a Debian mirror)
# is skipped, and said.
#   deploy/package_test.sh DIR        DIR: what package.sh wrote
set -euo pipefail
directory=$(cd "${1:?a folder with packages}" && pwd)
packages=("$directory"/*.deb)
[ ${#packages[@]} -eq 6 ] || { echo "package_test: expected 6 packages in $directory, found ${#packages[@]}" >&2; exit 1; }
for package in "${packages[@]}"; do
  contents=$(dpkg-deb --contents "$package")
  # Nothing that others may write to, nothing setuid, everything root's.
  if grep -vE '^(d|-)rw[x-]r-[x-]r-[x-] root/root ' <<< "$contents"; then echo "package_test: $package: the lines above" >&2; exit 1; fi
done
echo "6 packages: owners and modes good"

if command -v lintian > /dev/null; then
  lintian --allow-root --fail-on error "${packages[@]}"
  echo "lintian: no errors"
else
  echo "skipped: lintian is not installed"
fi

if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap > /dev/null; then echo "skipped: the installation needs root and debootstrap"; exit 0; fi
mirror=$(sed -nE 's#^deb(-src)? (\[[^]]*\] )?(https?://[^ ]+) bookworm main.*#\3#p; s#^URIs: (https?://[^ ]+).*#\1#p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2> /dev/null | head -n 1)
work=$(mktemp -d "${TMPDIR:-/tmp}/twi-bare.XXXXXX")
cleanup() { umount "$work/root/proc" 2> /dev/null || true; rm -rf "$work"; }
trap cleanup EXIT
if [ -z "$mirror" ] || ! debootstrap --variant=minbase bookworm "$work/root" "$mirror" > "$work/log" 2>&1; then
  tail -n 3 "$work/log" 2> /dev/null || true
  echo "skipped: no Debian 12 can be bootstrapped here"
  exit 0
fi
mkdir "$work/root/packages"
cp "${packages[@]}" "$work/root/packages/"
chroot "$work/root" sh -c 'export DEBIAN_FRONTEND=noninteractive; apt-get -qq update && apt-get -qq -y install --no-install-recommends /packages/*.deb' > "$work/install.log" 2>&1 ||
  { tail -n 20 "$work/install.log" >&2; exit 1; }
for program in twi-verifier twi-claims-mapper twi-credential-authority twi-key-store twi-workload-agent; do
  chroot "$work/root" "$program" --version
  chroot "$work/root" test -s "/lib/systemd/system/$program.service" -o -s "/lib/systemd/system/$program@.service"
done
chroot "$work/root" twictl dev-pki --out /tmp/pki > /dev/null
chroot "$work/root" sh -c 'test -s /tmp/pki/tls/ca.pem && apt-get -qq -y purge "twi*" > /dev/null && ! ls /usr/sbin/twi-* 2> /dev/null'
echo "installed on a bare Debian 12, started, and removed again"
