#!/bin/sh
# fetch.sh PACKAGE VERSION: the orig tarball, from this machine's own apt sources read as deb-src in a private
# apt state: needs no root (ran as nobody), changes nothing under /etc, names no host. 1.1 to 1.8 s.
set -eu
pkg=$1 ver=$2 t=$(mktemp -d "${TMPDIR:-/tmp}/aptsrc.XXXXXX"); trap 'rm -rf "$t"' EXIT
mkdir -p "$t/parts" "$t/lists/partial" "$t/cache/archives/partial"; : > "$t/list"
for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
  [ ! -f "$f" ] || sed -n 's/^deb[[:space:]]/deb-src /p' "$f" >> "$t/list"; done
for f in /etc/apt/sources.list.d/*.sources; do
  [ ! -f "$f" ] || sed 's/^Types:.*/Types: deb-src/' "$f" > "$t/parts/${f##*/}"; done
set -- -qq -o Dir::Etc::sourcelist="$t/list" -o Dir::Etc::sourceparts="$t/parts" -o Dir::State::lists="$t/lists" \
  -o Dir::Cache="$t/cache" -o APT::Sandbox::User= -o Acquire::Languages=none -o Debug::NoLocking=1
apt-get "$@" update && apt-get "$@" source --download-only --tar-only "$pkg=$ver"
