#!/usr/bin/env bash
# Makes Debian packages from programs built with `-c opt`: twi-verifier, twi-claims-mapper, twi-credential-authority, twi-key-store, twi-workload-agent (program, hardened unit, sample
# configuration that fits the unit, man page) and twictl. They install on a bare Debian 12; nothing is started or enabled, because a sample configuration is no configuration.
#   deploy/package.sh [--out DIR]       default out/packages
# TWI_OPT_BIN: the folder of programs that are built already, with `bazel build -c opt` (default: they are built). Others do for a look, and it is said that they are others.
set -euo pipefail
cd "$(dirname "$0")/.."
out=out/packages
case "${1:-}" in
  "") ;;
  --out) out=${2:?--out needs a folder} ;;
  *) sed -n '2,6p' "$0" >&2; exit 2 ;;
esac
command -v dpkg-shlibdeps > /dev/null || { echo "package: dpkg-dev is not installed (deploy/setup.sh)" >&2; exit 1; }
source deploy/programs.sh
version=$TWI_VERSION
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
umask 022
programs //services/verifier //services/claims_mapper //services/credential_authority //services/key_store //services/workload_agent //services/twictl
work=$(mktemp -d "${TMPDIR:-/tmp}/twi-package.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
maintainer="TWI Maintainers <maintainers@twi.invalid>"
date=$(date -u -R -d "@$SOURCE_DATE_EPOCH")

# man NAME SECTION TITLE PROGRAM: a man page out of what --help says, where the program calls itself by its name in Bazel (verifier), with the name that the package installs it by (twi-verifier).
man_page() {
  local help; help=$("$4" --help | sed -e "s/^${1#twi-}: /$1: /" -e "s/^usage: ${1#twi-} /usage: $1 /")
  case "$help" in *"usage: $1 "*) ;; *) echo "package: $4 --help has no usage line of ${1#twi-}" >&2; return 1 ;; esac
  printf '.TH %s %s "%s" "TWI %s" "Trustworthy Workload Identity"\n' "$(tr 'a-z' 'A-Z' <<< "$1" | sed 's/-/\\-/g')" "$2" "$(date -u +%Y-%m-%d -d "@$SOURCE_DATE_EPOCH")" "$version"
  printf '.SH NAME\n%s \\- %s\n.SH DESCRIPTION\n.nf\n' "${1//-/\\-}" "$3"
  # roff's own characters are escaped.
  sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^\\([.']\\)/\\\\\\&\\1/" <<< "$help"
  printf '.fi\n.SH SEE ALSO\n'
  if [ "$1" = twictl ]; then printf '.BR twi\\-verifier (8),\n.BR twi\\-credential\\-authority (8)\n'; else printf '.BR twictl (1)\n'; fi
}

# sample PACKAGE BINARY: the documented sample, with the paths that the package's unit gives: keys where LoadCredential= puts them, the credential of the agent of user payroll.
sample() {
  local credentials=/run/credentials/$1.service service=${1#twi-}
  sed -e "s#/etc/twi/tls/$service\.pem#$credentials/tls.pem#; s#/etc/twi/tls/$service\.key\.pem#$credentials/tls.key.pem#; s#/etc/twi/keys/$service\.root#$credentials/storage.root#" \
    -e "s#: $2 --config#: $1 --config#" "config/$2.yaml" |
    if [ "$1" = twi-workload-agent ]; then sed "s#/run/twi/#/run/twi-payroll/#"; else sed "s#/etc/twi/tls/ca\.pem#$credentials/ca.pem#"; fi
}

# maintainer_scripts PACKAGE: what dh_installsystemd does of a unit that is neither enabled nor started by installing: an upgrade restarts what runs, a removal stops it. A removal also disables it:
# its link would point at nothing. Nothing of an administrator's (/etc/twi, /var/lib/twi) is touched, also by a purge: keys and stores are there.
maintainer_scripts() {
  local unit=$1.service units=$1.service restart='try-restart'
  # The agent is an instance per user, and is up with its first credential, which may take as long as its services are away: dpkg does not wait for that.
  if [ -e "deploy/systemd/$1@.service" ]; then unit=$1@.service units="$1@*.service" restart='-- try-restart --no-block'; fi
  cat > "$work/$1/DEBIAN/postinst" <<SCRIPT
#!/bin/sh
set -e
case "\$1" in
  configure | abort-upgrade | abort-deconfigure | abort-remove)
    if [ -d /run/systemd/system ]; then
      systemctl --system daemon-reload > /dev/null || true
      if [ -n "\${2:-}" ] && command -v deb-systemd-invoke > /dev/null; then
        deb-systemd-invoke $restart '$units' > /dev/null || echo "$1: does not run after the upgrade: see journalctl -u '$units'" >&2
      fi
    fi
    ;;
esac
SCRIPT
  cat > "$work/$1/DEBIAN/prerm" <<SCRIPT
#!/bin/sh
set -e
if [ "\$1" = remove ]; then
  if [ -d /run/systemd/system ] && command -v deb-systemd-invoke > /dev/null; then
    deb-systemd-invoke stop '$units' > /dev/null || true
  fi
  if command -v systemctl > /dev/null; then
    systemctl --no-reload --quiet disable '$unit' || true
  fi
fi
SCRIPT
  cat > "$work/$1/DEBIAN/postrm" <<'SCRIPT'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload > /dev/null || true
fi
SCRIPT
  chmod 0755 "$work/$1/DEBIAN/postinst" "$work/$1/DEBIAN/prerm" "$work/$1/DEBIAN/postrm"
}

# licence PACKAGE NAME: the text of one licence out of a Debian package's copyright file.
licence() {
  awk -v start="License: $2" 'inside && /^ / { print; found = 1; next } inside { exit } before && /^ / { inside = found = 1; print; next } { before = ($0 == start) } END { exit !found }' \
    "/usr/share/doc/$1/copyright"
}

# copyright: of our own programs, and of what is compiled into them.
copyright() {
  cat <<'TEXT'
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: twi

Files: *
Copyright: the TWI authors
License: none-published
 This project has no licence file yet. Without one nobody but its owners may
 copy, change or pass on these programs: do not distribute this package.

Files: BoringSSL (compiled in)
Copyright: the BoringSSL authors
License: BoringSSL
TEXT
  sed 's/^[[:space:]]*$/./; s/^/ /' "$boringssl/NOTICE"
  printf '\nFiles: Boost (headers, compiled in)\nCopyright: Boost project contributors\nLicense: BSL-1.0\n'
  licence "$boost" BSL-1.0
  printf '\nFiles: nlohmann-json (headers, compiled in)\nCopyright: 2013-2022 Niels Lohmann\n 2009 Florian Loitsch\n 2008-2009 Bjoern Hoehrmann <bjoern@hoehrmann.de>\nLicense: Expat\n'
  licence nlohmann-json3-dev Expat
}
boost=$(dpkg-query --search /usr/include/boost/version.hpp | cut -d: -f1)  # libboost1.74-dev

# package NAME SECTION-OF-MAN PROGRAM-PATH BINARY SUMMARY LONG-TEXT
package() {
  local name=$1 section=$2 installed=$3 binary=$TWI_OPT_BIN/services/$4/$4 summary=$5 text=$6 root=$work/$1 doc depends
  [ -x "$binary" ] || { echo "package: $binary is missing" >&2; exit 1; }
  doc=$root/usr/share/doc/$name
  mkdir -p "$root/DEBIAN" "$root$(dirname "$installed")" "$doc/examples" "$root/usr/share/man/man$section"
  strip --strip-all --remove-section=.comment --remove-section=.note -o "$root$installed" "$binary"
  man_page "$name" "$section" "$summary" "$binary" | gzip -9n > "$root/usr/share/man/man$section/$name.$section.gz"
  if [ "$section" = 8 ]; then
    mkdir -p "$root/lib/systemd/system"
    cp deploy/systemd/"$name"*.service "$root/lib/systemd/system/"
    sample "$name" "$4" > "$doc/examples/$4.yaml"
    maintainer_scripts "$name"
  else
    cp config/twictl.yaml config/attested_tls_*.yaml config/policies/*.yaml "$doc/examples/"
  fi
  if [ "$name" = twi-verifier ]; then cp -r config/evidence_policy.yaml config/reference_values "$doc/examples/"; fi  # the sample names both
  copyright > "$doc/copyright"
  printf '%s (%s) unstable; urgency=medium\n\n  * Built from commit %s.\n\n -- %s  %s\n' "$name" "$version" "$revision" "$maintainer" "$date" | gzip -9n > "$doc/changelog.gz"
  # dpkg-shlibdeps wants a source package's control file.
  mkdir -p "$work/source/debian"
  printf 'Source: twi\nMaintainer: %s\n\nPackage: %s\nArchitecture: amd64\n' "$maintainer" "$name" > "$work/source/debian/control"
  depends=$(cd "$work/source" && dpkg-shlibdeps -O "$root$installed" 2> "$work/shlibdeps.log" | sed -n 's/^shlibs:Depends=//p')
  [ -n "$depends" ] || { cat "$work/shlibdeps.log" >&2; exit 1; }
  cat > "$root/DEBIAN/control" <<CONTROL
Package: $name
Source: twi
Version: $version
Architecture: amd64
Maintainer: $maintainer
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Depends: $depends
Section: admin
Priority: optional
Description: $summary
$(fold -s -w 76 <<< "$text" | sed 's/[[:space:]]*$//; s/^/ /')
CONTROL
  (cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\n' | LC_ALL=C sort | xargs md5sum > DEBIAN/md5sums)
  dpkg-deb --root-owner-group --build "$root" "$out" > /dev/null
  printf '%-24s %s\n' "$name" "$(du -h "$out/${name}_${version}_amd64.deb" | cut -f1)"
}

package twi-verifier 8 /usr/sbin/twi-verifier verifier "appraises Evidence for Trustworthy Workload Identity" \
  "The Verifier (RFC 9334): is this Evidence of a TEE genuine, and what does it say. It signs Attestation Results and knows no business word."
package twi-claims-mapper 8 /usr/sbin/twi-claims-mapper claims_mapper "maps Attestation Results to identities and claims" \
  "The Claims Mapper: which identity and which claims a Workload Owner's signed policy gives to an attested composition. Its answer is a signed, single-use grant."
package twi-credential-authority 8 /usr/sbin/twi-credential-authority credential_authority "issues Workload Credentials to attested workloads" \
  "The Credential Authority: is this request entitled to a credential (an X.509 certificate and a Workload Identity Token); if so, sign it, and keep a record of why."
package twi-key-store 8 /usr/sbin/twi-key-store key_store "releases Credential Keys to attested workloads" \
  "The Key Store: keeps Credential Keys that Workload Owners had made, and releases each only to a workload whose Attestation Results meet the key's release policy."
package twi-workload-agent 8 /usr/sbin/twi-workload-agent workload_agent "acquires and renews a workload's credential" \
  "The Workload Agent runs beside a workload in its TEE: it makes Evidence, acquires the workload's credential by the mechanism that its configuration names, and renews it."
package twictl 1 /usr/bin/twictl twictl "command line tool of Trustworthy Workload Identity" \
  "Appraises Evidence offline, signs and loads policies, provisions keys, explains refusals and issued credentials, and makes development PKIs."
