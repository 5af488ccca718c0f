# To be sourced: bare_debian FOLDER makes an empty Debian 12 there, or says why there is none and fails. TWI_BARE_DEBIAN: a folder with one that is copied instead.
bare_debian() {
  local sources=() file mirror
  if [ "$(id -u)" -ne 0 ]; then echo "a bare Debian needs root"; return 1; fi
  if [ -n "${TWI_BARE_DEBIAN:-}" ]; then cp -a "$TWI_BARE_DEBIAN" "$1"; return; fi
  command -v debootstrap > /dev/null || { echo "debootstrap is not installed"; return 1; }
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do [ ! -f "$file" ] || sources+=("$file"); done
  if [ ${#sources[@]} -gt 0 ]; then
    mirror=$(awk '/^URIs:/ { uri = $2 } /^Suites:/ && / bookworm( |$)/ { print uri } /^deb / { sub(/\[[^]]*\] /, ""); if ($3 == "bookworm") print $2 }' "${sources[@]}" | grep -m 1 -E '^https?://')
  fi
  if [ -z "${mirror:-}" ]; then echo "no Debian mirror is configured here"; return 1; fi
  debootstrap --variant=minbase bookworm "$1" "$mirror" > "$1.log" 2>&1 || { echo "no Debian 12 can be bootstrapped here: $(tail -n 1 "$1.log")"; return 1; }
}

# bare_install FOLDER PACKAGE...: installs packages (files or names) there, from the mirror that it was made from. The log is FOLDER.log.
bare_install() {
  local root=$1 package names=(); shift
  mkdir -p "$root/packages"
  for package in "$@"; do
    case "$package" in
      *.deb) cp "$package" "$root/packages/"; names+=("/packages/${package##*/}") ;;
      *) names+=("$package") ;;
    esac
  done
  chroot "$root" sh -c 'export DEBIAN_FRONTEND=noninteractive; apt-get -qq update && apt-get -qq -y install --no-install-recommends "$@"' sh "${names[@]}" >> "$root.log" 2>&1 ||
    { tail -n 20 "$root.log" >&2; return 1; }
}
