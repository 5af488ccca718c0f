#!/bin/bash
# Every sample, whole, as config/README.md says to check one: the files that it names are put below a folder, and the paths point there.
set -euo pipefail
root=$TEST_TMPDIR/root failures=0
fail() { echo "FAIL: $*"; failures=$((failures + 1)); }
umask 077
mkdir -p "$root/etc" "$root/var/lib/twi" "$root/run/twi"
services/twictl/twictl dev-pki --out "$root/etc/twi" --service verifier --service claims-mapper --service credential-authority --service key-store \
  --service relying-party > /dev/null
mkdir "$root/etc/twi/reference_values" "$root/etc/twi/credentials"
for service in verifier claims-mapper credential-authority key-store; do mkdir "$root/var/lib/twi/$service"; done
cp config/evidence_policy.yaml "$root/etc/twi/"
cp config/reference_values/payroll.yaml "$root/etc/twi/reference_values/"
cp "$root/etc/twi/tls/ca.pem" "$root/etc/twi/credentials/bundle.pem"
placed() { sed -E "s#(/etc/twi|/var/lib/twi|/run/twi)/#$root\\1/#g" "config/$1.yaml" > "$root/etc/twi/$1.yaml"; }
check() { services/$1/$1 --config "$root/etc/twi/$1.yaml" --check-config; }

for daemon in verifier claims_mapper credential_authority key_store workload_agent; do
  placed $daemon
  check $daemon || fail "config/$daemon.yaml is not good"
  [ -z "$(find "$root/var" -type f)" ] || fail "$daemon --check-config made a file"
done
placed twictl
services/twictl/twictl check-config --config "$root/etc/twi/twictl.yaml" || fail "config/twictl.yaml is not good"
services/twictl/twictl policy check --policy config/policies/payroll.yaml || fail "config/policies/payroll.yaml is not good"

# That this finds something: a key that is not there, at its place.
rm "$root/etc/twi/tls/verifier.key.pem"
if said=$(check verifier 2>&1); then fail "a missing key was not found"; fi
grep -q "verifier.yaml:11:15: server.tls.key_file: .*No such file" <<< "$said" || fail "a missing key: $said"
mv "$root/etc/twi/keys/key-store.root" "$root/var/lib/twi/key-store/"
sed -i "s#$root/etc/twi/keys/key-store.root#$root/var/lib/twi/key-store/key-store.root#" "$root/etc/twi/key_store.yaml"
if said=$(check key_store 2>&1); then fail "a root key beside the database was not found"; fi
grep -q "key_store.yaml:29:18: storage.root_key_file: .*in or below the folder of the database" <<< "$said" || fail "a root key beside the database: $said"
[ "$failures" = 0 ] || { echo "$failures failed"; exit 1; }
