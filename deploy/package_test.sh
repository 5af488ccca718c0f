#!/usr/bin/env bash
# Packages: owners and modes; the samples, put where deploy/README.md says, are good for the packages' own programs; lintian without errors; and an installation on a bare Debian 12 (a debootstrap
# chroot) in which every program starts. What is missing here (lintian: deploy/setup.sh --packages; debootstrap, root, a Debian mirror) is not tried, and the last line says so.
#   deploy/package_test.sh DIR        DIR: what package.sh wrote
set -euo pipefail
directory=$(cd "${1:?a folder with packages}" && pwd)
packages=("$directory"/*.deb)
[ ${#packages[@]} -eq 6 ] || { echo "package_test: expected 6 packages in $directory, found ${#packages[@]}" >&2; exit 1; }
work=$(mktemp -d "${TMPDIR:-/tmp}/twi-bare.XXXXXX")
cleanup() { umount "$work/root/proc" 2> /dev/null || true; rm -rf "$work"; }
trap cleanup EXIT
untried=()

for package in "${packages[@]}"; do
  contents=$(dpkg-deb --contents "$package")
  # Nothing that others may write to, nothing setuid, everything root's.
  if grep -vE '^(d|-)rw[x-]r-[x-]r-[x-] root/root ' <<< "$contents"; then echo "package_test: $package: the lines above" >&2; exit 1; fi
  dpkg-deb --extract "$package" "$work/files"
done
echo "6 packages: owners and modes good"

# The recipe of deploy/README.md below a folder: the samples, keys where LoadCredential= puts them, and --check-config as ExecStartPre= runs it.
pki=$work/pki files=$work/files
"$files/usr/bin/twictl" dev-pki --out "$pki" > /dev/null
for service in verifier claims-mapper credential-authority key-store; do
  program=twi-$service config=${service//-/_}.yaml examples=$files/usr/share/doc/twi-$service/examples
  credentials=$files/run/credentials/$program.service
  install -d -m 0700 "$credentials" "$files/var/lib/twi/$service"
  install -m 0600 "$pki/tls/$service.pem" "$credentials/tls.pem"
  install -m 0600 "$pki/tls/$service.key.pem" "$credentials/tls.key.pem"
  install -m 0600 "$pki/tls/ca.pem" "$credentials/ca.pem"
  install -m 0600 "$pki/keys/$service.root" "$credentials/storage.root"
  (cd "$examples" && find . -name '*.yaml' -exec install -D -m 0644 {} "$files/etc/twi/{}" \;)
  install -D -m 0644 "$pki/owners/payroll.pub.pem" "$files/etc/twi/owners/payroll.pub.pem"
  sed -i -E "s#(/etc/twi|/var/lib/twi|/run/credentials)/#$files\\1/#g" "$files/etc/twi/$config"
  good() { "$files/usr/sbin/$program" --config "$1" --check-config > "$work/said" 2>&1 || { cat "$work/said" >&2; echo "package_test: $1 is not good for $program" >&2; exit 1; }; }
  good "$files/etc/twi/$config"
  # "Before a restart": with the files that LoadCredential= will read, and no store.
  mkdir -p "$files/etc/twi/$service" "$files/run/twi-check"
  cp --preserve=mode "$credentials"/* "$files/etc/twi/$service/"
  sed "s#/run/credentials/$program.service/#/etc/twi/$service/#; s#/var/lib/twi/$service/#/run/twi-check/#" "$files/etc/twi/$config" > "$files/run/twi-check/$config"
  rm "$credentials"/*
  good "$files/run/twi-check/$config"
done
echo "the samples are good where the units look"

if command -v lintian > /dev/null; then
  lintian --allow-root --fail-on error "${packages[@]}"
  echo "lintian: no errors"
else
  untried+=("lintian is not installed")
fi

# bare_debian: an empty Debian 12 in $work/root; says why there is none.
bare_debian() {
  local sources=() file mirror
  if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap > /dev/null; then echo "the installation needs root and debootstrap"; return 1; fi
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do [ ! -f "$file" ] || sources+=("$file"); done
  if [ ${#sources[@]} -gt 0 ]; then
    mirror=$(sed -nE 's#^deb(-src)? (\[[^]]*\] )?(https?://[^ ]+) bookworm main.*#\3#p; s#^URIs: (https?://[^ ]+).*#\1#p' "${sources[@]}" | sed -n 1p)
  fi
  if [ -z "${mirror:-}" ]; then echo "no Debian mirror is configured here"; return 1; fi
  debootstrap --variant=minbase bookworm "$work/root" "$mirror" > "$work/log" 2>&1 || { echo "no Debian 12 can be bootstrapped here: $(tail -n 1 "$work/log")"; return 1; }
}
if why=$(bare_debian); then
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
else
  untried+=("$why")
fi
if [ ${#untried[@]} -gt 0 ]; then printf 'packages: good; not tried here:'; printf ' %s;' "${untried[@]}"; echo; else echo "packages: good"; fi
