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
attested_tls() {  # attested_tls serve|connect SAMPLE
  services/twictl/twictl attested-tls "$1" --config "$root/etc/twi/$2.yaml" "$([ "$1" = serve ] && echo --listen || echo --to)" 127.0.0.1:8443 --check-config
}
for end in server client; do
  placed attested_tls_$end
  attested_tls "$([ $end = server ] && echo serve || echo connect)" attested_tls_$end || fail "config/attested_tls_$end.yaml is not good"
done
for policy in config/policies/*.yaml; do
  services/twictl/twictl policy check --policy "$policy" || fail "$policy is not good"
done

# That this finds something: a key that is not there, at its place.
rm "$root/etc/twi/tls/verifier.key.pem"
if said=$(check verifier 2>&1); then fail "a missing key was not found"; fi
grep -q "verifier.yaml:11:15: server.tls.key_file: .*No such file" <<< "$said" || fail "a missing key: $said"
mv "$root/etc/twi/keys/key-store.root" "$root/var/lib/twi/key-store/"
sed -i "s#$root/etc/twi/keys/key-store.root#$root/var/lib/twi/key-store/key-store.root#" "$root/etc/twi/key_store.yaml"
if said=$(check key_store 2>&1); then fail "a root key beside the database was not found"; fi
grep -q "key_store.yaml:29:18: storage.root_key_file: .*in or below the folder of the database" <<< "$said" || fail "a root key beside the database: $said"

# What parses and means nothing: each is refused at its place.
refused() {  # refused SAMPLE "SAID" COMMAND...
  local sample=$1 expected=$2 said; shift 2
  if said=$("$@" 2>&1); then fail "accepted: $expected"; fi
  grep -qE "/$sample.yaml:$expected" <<< "$said" || fail "expected $expected, got: $said"
  placed "$sample"
}
edit() { sed -i -E "$2" "$root/etc/twi/$1.yaml"; }
edit attested_tls_server '/^peer:/,$d'
refused attested_tls_server "[0-9]+:3: relying_party: expected nothing without peer" attested_tls serve attested_tls_server
edit attested_tls_client 's#rp_id: .*#rp_id: ":"#'
refused attested_tls_client "[0-9]+:10: relying_party.rp_id: expected an absolute URI" attested_tls connect attested_tls_client
edit workload_agent 's#rp_id: https://payroll.*#rp_id: ":"#'
refused workload_agent "[0-9]+:12: attested_tls.relying_party.rp_id: expected an absolute URI" check workload_agent
edit workload_agent "s#rp_id: https://payroll.*#rp_id: https://$(printf 'a%.0s' {1..2041})#"
refused workload_agent "[0-9]+:12: attested_tls.relying_party.rp_id: expected an absolute URI of at most 2048 bytes" check workload_agent
edit workload_agent 's#appraisal_timeout: 5s#appraisal_timeout: 11s#'
refused workload_agent "[0-9]+:[0-9]+: attested_tls.ingress.0..limits.appraisal_timeout: expected at most handshake_timeout" check workload_agent
edit workload_agent '/^    client:/,/^      workload_identifiers:/d; /^  egress:/,$d'
refused workload_agent "[0-9]+:5: attested_tls.relying_party: expected nothing" check workload_agent
[ "$failures" = 0 ] || { echo "$failures failed"; exit 1; }
