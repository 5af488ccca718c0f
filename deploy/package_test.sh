#!/usr/bin/env bash
# Packages: owners and modes; the samples, put where deploy/README.md says, are good for the packages' own programs; lintian without errors; an installation on a bare Debian 12 (a debootstrap
# chroot) in which every program starts and finds its sample good; and the units under a running systemd (deploy/systemd/boot_test.sh). What is missing here (lintian, debootstrap: deploy/setup.sh
# --packages; root, a Debian mirror, Docker) is not tried, and the last line says so.
#   deploy/package_test.sh [--quick] DIR        DIR: what package.sh wrote; --quick: without the bare Debian and systemd
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/systemd/bare_debian.sh"
quick=no
if [ "${1:-}" = --quick ]; then quick=yes; shift; fi
directory=$(cd "${1:?a folder with packages}" && pwd)
packages=("$directory"/*.deb)
[ ${#packages[@]} -eq 6 ] || { echo "package_test: expected 6 packages in $directory, found ${#packages[@]}" >&2; exit 1; }
work=$(mktemp -d "${TMPDIR:-/tmp}/twi-bare.XXXXXX")
trap 'rm -rf "$work"' EXIT
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
"$files/usr/bin/twictl" dev-pki --out "$pki" --service verifier --service claims-mapper --service credential-authority --service key-store --service relying-party > /dev/null
# good PROGRAM CONFIG
good() { "$files/usr/sbin/$1" --config "$2" --check-config > "$work/said" 2>&1 || { cat "$work/said" >&2; echo "package_test: $2 is not good for $1" >&2; exit 1; }; }
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
  good "$program" "$files/etc/twi/$config"
  # "Before a restart": with the files that LoadCredential= will read, and no store.
  mkdir -p "$files/etc/twi/$service" "$files/run/twi-check"
  cp --preserve=mode "$credentials"/* "$files/etc/twi/$service/"
  sed "s#/run/credentials/$program.service/#/etc/twi/$service/#; s#/var/lib/twi/$service/#/run/twi-check/#" "$files/etc/twi/$config" > "$files/run/twi-check/$config"
  rm "$credentials"/*
  good "$program" "$files/run/twi-check/$config"
done
# The agent of user payroll. Its TPM is not looked at by --check-config; any anchor does for those of Workload Credentials.
install -D -m 0644 "$files/usr/share/doc/twi-workload-agent/examples/workload_agent.yaml" "$files/etc/twi/agents/payroll.yaml"
sed -i -E "s#(/etc/twi|/run/twi-payroll)/#$files\\1/#g" "$files/etc/twi/agents/payroll.yaml"
install -D -m 0600 "$pki/tls/relying-party.key.pem" "$files/etc/twi/tls/relying-party.key.pem"
install -m 0644 "$pki/tls/relying-party.pem" "$pki/tls/ca.pem" "$files/etc/twi/tls/"
install -D -m 0644 "$pki/tls/ca.pem" "$files/etc/twi/credentials/bundle.pem"
good twi-workload-agent "$files/etc/twi/agents/payroll.yaml"
echo "the samples are good where the units look"
# What a man page calls the program is what the package installs.
for page in "$files"/usr/share/man/man*/*.gz; do
  name=$(basename "$page" | cut -d. -f1)
  zcat "$page" | sed 's/\\-/-/g' | grep -q "^usage: $name " || { echo "package_test: $page has another name in its usage line" >&2; exit 1; }
done

if command -v lintian > /dev/null; then
  lintian --allow-root --fail-on error "${packages[@]}"
  echo "lintian: no errors"
else
  untried+=("lintian is not installed")
fi

if [ "$quick" = yes ]; then
  untried+=("by --quick: the installation on a bare Debian 12, and the units under a running systemd")
elif why=$(bare_debian "$work/bare"); then
  cp -a "$work/bare" "$work/root"
  bare_install "$work/root" "${packages[@]}"
  for program in twi-verifier twi-claims-mapper twi-credential-authority twi-key-store twi-workload-agent; do
    chroot "$work/root" "$program" --version
    chroot "$work/root" "$program" --help > /dev/null
    chroot "$work/root" test -s "/lib/systemd/system/$program.service" -o -s "/lib/systemd/system/$program@.service"
  done
  chroot "$work/root" twictl dev-pki --out /tmp/pki > /dev/null
  cp "$here/systemd/place_samples.sh" "$work/root/tmp/"
  chroot "$work/root" /tmp/place_samples.sh /tmp/pki
  chroot "$work/root" sh -c 'test -s /tmp/pki/tls/ca.pem && apt-get -qq -y -o Dpkg::Use-Pty=0 purge "twi*" > /dev/null && ! ls -d /usr/sbin/twi-* /usr/bin/twictl /lib/systemd/system/twi-* /usr/share/doc/twi* 2> /dev/null'
  echo "installed on a bare Debian 12, started with the samples, and removed again"
  export TWI_BARE_DEBIAN=$work/bare
  "$here/systemd/boot_test.sh" "$directory" > "$work/boot.log" 2>&1 || { cat "$work/boot.log" >&2; exit 1; }
  case "$(tail -n 1 "$work/boot.log")" in skipped:*) untried+=("the units under a running systemd: $(tail -n 1 "$work/boot.log" | sed 's/^skipped: //')") ;; *) cat "$work/boot.log" ;; esac
else
  untried+=("the installation on a bare Debian 12, and the units under a running systemd: $why")
fi
if [ ${#untried[@]} -gt 0 ]; then printf 'packages: good; not tried here:'; printf ' %s;' "${untried[@]}"; echo; else echo "packages: good"; fi
