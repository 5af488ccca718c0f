#!/bin/sh
# The recipe of deploy/README.md ("systemd and Debian packages") for the four services, on the machine that has their packages, and its check "before a restart".
#   place_samples.sh PKI        PKI: what `twictl dev-pki` wrote
set -eu
pki=$1
for service in verifier claims-mapper credential-authority key-store; do
  config=$(echo "$service" | tr - _).yaml
  install -d -m 0700 "/etc/twi/$service"
  install -m 0600 "$pki/tls/$service.pem" "/etc/twi/$service/tls.pem"
  install -m 0600 "$pki/tls/$service.key.pem" "/etc/twi/$service/tls.key.pem"
  install -m 0600 "$pki/tls/ca.pem" "/etc/twi/$service/ca.pem"
  install -m 0600 "$pki/keys/$service.root" "/etc/twi/$service/storage.root"
  (cd "/usr/share/doc/twi-$service/examples" && find . -name '*.yaml' -exec install -D -m 0644 {} /etc/twi/{} \;)
  install -D -m 0644 "$pki/owners/payroll.pub.pem" /etc/twi/owners/payroll.pub.pem
  install -d -m 0700 /run/twi-check
  sed "s#/run/credentials/twi-$service.service/#/etc/twi/$service/#; s#/var/lib/twi/$service/#/run/twi-check/#" "/etc/twi/$config" > "/run/twi-check/$config"
  "twi-$service" --config "/run/twi-check/$config" --check-config
  rm -r /run/twi-check
done
