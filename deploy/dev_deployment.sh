#!/usr/bin/env bash
# Writes a whole DEVELOPMENT deployment into a new folder: keys and certificates, one YAML per daemon, signed policies, reference values. The demo and the integration tests
# start from it. Nothing is started here.
#   deploy/dev_deployment.sh TWICTL DIR HOST
#     TWICTL  path of the twictl binary      DIR  folder to make      HOST  address to listen on, e.g. 127.0.0.1
# Ports: verifier 8441, claims-mapper 8442, credential-authority 8443, key-store 8444.
# TWI_EXTRA_AK: file of a TPM attestation key to enroll (PEM, or TPMT_PUBLIC); TWI_TCTI: how the agent reaches that TPM; TWI_AK_HANDLE: its persistent handle.
set -euo pipefail
[ $# -eq 3 ] || { sed -n '2,7p' "$0" >&2; exit 2; }
twictl=$1 dir=$2 host=$3
umask 077
[ ! -e "$dir" ] || { echo "$dir exists" >&2; exit 1; }
mkdir -p "$(dirname "$dir")"
# `node`: a platform certificate (platform_certificate of the agent); no allow-list here has it.
"$twictl" dev-pki --out "$dir" --service verifier --service claims-mapper --service credential-authority --service key-store --service node \
  --owner payroll --owner ledger > /dev/null
mkdir "$dir/config" "$dir/store" "$dir/log" "$dir/images" "$dir/out" "$dir/run"
for service in verifier claims-mapper credential-authority key-store; do mkdir "$dir/store/$service"; done

# The "images" that the development attester measures: SHA-384 of the file is the measurement.
printf 'payroll worker 1.2.0\n' > "$dir/images/payroll-1.2.0"
printf 'payroll worker 1.3.0\n' > "$dir/images/payroll-1.3.0"
printf 'something else\n' > "$dir/images/unauthorized"
sha384() { sha384sum "$1" | cut -d' ' -f1; }

tls() {  # tls SERVICE: the tls section of a server
  cat <<YAML
  tls:
    certificate_file: $dir/tls/$1.pem
    key_file: $dir/tls/$1.key.pem
    trust_bundle_file: $dir/tls/ca.pem
YAML
}
storage() {
  cat <<YAML
storage:
  database_file: $dir/store/$1/$1.db
  root_key_file: $dir/keys/$1.root
YAML
}
peer() {  # peer INDENT SERVICE PORT
  printf '%saddress: %s:%s\n%sspiffe_id: spiffe://example.org/twi/%s\n' "$1" "$host" "$3" "$1" "$2"
}

cat > "$dir/config/evidence_policy.yaml" <<YAML
id: development
sev_snp: {}
tpm2:
  pcrs: [0, 1, 2, 3, 4, 5, 7]
YAML

cat > "$dir/config/reference_values.yaml" <<YAML
reference_values:
  - name: payroll-worker
    version: 1.2.0
    vendor: spiffe://example.org/owner/payroll
    valid_until: "2099-01-01T00:00:00Z"
    sev_snp_measurement: "$(sha384 "$dir/images/payroll-1.2.0")"
YAML
if [ -n "${TWI_PCRS_YAML:-}" ]; then  # the PCR values of the TPM, as lines "      - {index: N, value: HEX}"
  cat >> "$dir/config/reference_values.yaml" <<YAML
  - name: payroll-worker
    version: 1.2.0-tpm
    vendor: spiffe://example.org/owner/payroll
    valid_until: "2099-01-01T00:00:00Z"
    tpm2_pcrs:
      bank: sha256
      pcrs:
$(cat "$TWI_PCRS_YAML")
YAML
fi

cat > "$dir/config/verifier.yaml" <<YAML
log: {file: $dir/log/verifier.log}
server:
  listen: $host:8441
$(tls verifier)
  allow:
    - {rpc: NewChallenge, peers: [attested_key]}
    - {rpc: Appraise, peers: [attested_key]}
    - {rpc: RequestCredential, peers: [attested_key]}
    - {rpc: AppraiseForRelyingParty, peers: [spiffe://example.org/twi/credential-authority]}
    - rpc: GetVerifierKeys
      peers: [attested_key, spiffe://example.org/twi/claims-mapper, spiffe://example.org/twi/credential-authority, spiffe://example.org/twi/key-store]
$(storage verifier)
issuer: spiffe://example.org/twi/verifier
appraisal:
  policy_file: $dir/config/evidence_policy.yaml
  reference_value_files: [$dir/config/reference_values.yaml]
  # DEVELOPMENT ONLY: reports of the development chain are accepted.
  insecure_dev_snp_anchor_files: [$dir/dev-snp/ark.pem]
$([ -z "${TWI_EXTRA_AK:-}" ] || printf '  endorsed_attestation_keys:\n    - {name: development TPM, public_key_file: %s}\n' "$TWI_EXTRA_AK")
relying_parties:
  - {rp_id: "https://credential-authority.example.org", spiffe_id: spiffe://example.org/twi/credential-authority}
  - {rp_id: "https://key-store.example.org"}
claims_mapper:
$(peer '  ' claims-mapper 8442)
credential_authority:
$(peer '  ' credential-authority 8443)
YAML

cat > "$dir/config/claims_mapper.yaml" <<YAML
log: {file: $dir/log/claims_mapper.log}
server:
  listen: $host:8442
$(tls claims-mapper)
  allow:
    - {rpc: MapClaims, peers: [spiffe://example.org/twi/verifier, spiffe://example.org/twi/credential-authority]}
    - {rpc: PlanClaims, peers: [spiffe://example.org/owner/payroll, spiffe://example.org/owner/ledger]}
    - {rpc: PutPolicy, peers: [spiffe://example.org/owner/payroll, spiffe://example.org/owner/ledger]}
    - {rpc: ListPolicies, peers: [spiffe://example.org/owner/payroll]}
    - {rpc: GetPolicyVersions, peers: [spiffe://example.org/twi/credential-authority]}
    - {rpc: GetGrantKeys, peers: [spiffe://example.org/twi/credential-authority]}
$(storage claims-mapper)
issuer: spiffe://example.org/twi/claims-mapper
trust_domain: example.org
verifier_keys:
  peer:
$(peer '    ' verifier 8441)
relying_parties: ["https://credential-authority.example.org"]
verifiers: [spiffe://example.org/twi/verifier]
credential_authorities: [spiffe://example.org/twi/credential-authority]
owners:
  - spiffe_id: spiffe://example.org/owner/payroll
    public_key_file: $dir/owners/payroll.pub.pem
    identifier_prefixes: ["spiffe://example.org/payroll/"]
    dns_suffixes: [.payroll.example.org]
  - spiffe_id: spiffe://example.org/owner/ledger
    public_key_file: $dir/owners/ledger.pub.pem
    identifier_prefixes: ["spiffe://example.org/ledger/"]
policy_files: [$dir/config/payroll-worker.jws, $dir/config/payroll-worker-provisioned.jws]
YAML

cat > "$dir/config/credential_authority.yaml" <<YAML
log: {file: $dir/log/credential_authority.log}
server:
  listen: $host:8443
$(tls credential-authority)
  allow:
    - {rpc: IssueForVerifier, peers: [spiffe://example.org/twi/verifier]}
    - {rpc: IssueFromResults, peers: [attested_key]}
    - {rpc: NewChallenge, peers: [attested_key]}
    - {rpc: IssueFromEvidence, peers: [attested_key]}
    - {rpc: IssueForOwner, peers: [spiffe://example.org/owner/payroll, spiffe://example.org/owner/ledger]}
    - {rpc: GetIssuance, peers: [spiffe://example.org/owner/payroll]}
    - {rpc: GetTrustBundle, peers: [attested_key, spiffe://example.org/owner/payroll]}
$(storage credential-authority)
rp_id: https://credential-authority.example.org
trust_domain: example.org
issuer: https://credential-authority.example.org
targets: ["https://db.example.org"]
mechanisms: [A, B, C, D]
verifier_issuer: spiffe://example.org/twi/verifier
verifier_keys:
  peer:
$(peer '    ' verifier 8441)
verifier:
$(peer '  ' verifier 8441)
grant_keys:
  peer:
$(peer '    ' claims-mapper 8442)
claims_mapper:
$(peer '  ' claims-mapper 8442)
key_store_issuer: spiffe://example.org/twi/key-store
key_store_keys:
  peer:
$(peer '    ' key-store 8444)
YAML

cat > "$dir/config/key_store.yaml" <<YAML
log: {file: $dir/log/key_store.log}
server:
  listen: $host:8444
$(tls key-store)
  allow:
    - {rpc: ReleaseKey, peers: [attested_key]}
    - {rpc: GetKeyStoreKeys, peers: [attested_key, spiffe://example.org/twi/credential-authority, spiffe://example.org/owner/payroll]}
    - {rpc: ProvisionKey, peers: [spiffe://example.org/owner/payroll]}
    - {rpc: ListKeys, peers: [spiffe://example.org/owner/payroll]}
$(storage key-store)
rp_id: https://key-store.example.org
issuer: spiffe://example.org/twi/key-store
verifier_issuer: spiffe://example.org/twi/verifier
verifier_keys:
  peer:
$(peer '    ' verifier 8441)
owners: [spiffe://example.org/owner/payroll]
YAML

cat > "$dir/config/payroll-worker.yaml" <<YAML
name: payroll-worker
version: 1
owner: spiffe://example.org/owner/payroll
workload_identifier: spiffe://example.org/payroll/worker
accepts: [evidence, attestation_results]
match:
  - name: software
    expression: results.software.name == "payroll-worker"
  - name: hardware  # 2: genuine; -2: the development chain
    expression: results.trustworthiness.hardware in [2, -2]
claims:
  - {name: team, constant: payroll}
  - {name: software_version, expression: results.software.version}
limits:
  max_lifetime: 1h
  dns_names: [worker.payroll.example.org]
YAML
# Mechanism D: the same identity, and no claim of what changes while the key lives.
sed -e 's/^name: .*/name: payroll-worker-provisioned/' -e 's/^accepts: .*/accepts: [anticipated]/' -e '/software_version/d' "$dir/config/payroll-worker.yaml" \
  > "$dir/config/payroll-worker-provisioned.yaml"
for policy in payroll-worker payroll-worker-provisioned; do
  "$twictl" policy sign --policy "$dir/config/$policy.yaml" --key "$dir/owners/payroll.key.pem" --out "$dir/config/$policy.jws" > /dev/null
done

cat > "$dir/config/release_policy.yaml" <<YAML
description: the payroll worker, on hardware that the Verifier found genuine
conditions:
  - name: software
    expression: results.software.name == "payroll-worker"
  - name: status
    expression: results.status == "affirming"
YAML

# What the Workload Owner is expected to run: the anticipated Attestation Results of mechanism D.
cat > "$dir/config/anticipated_results.json" <<JSON
{"status": "affirming", "trustworthiness": {"hardware": -2, "executables": 3, "configuration": 2},
 "software": {"name": "payroll-worker", "version": "1.2.0", "vendor": "spiffe://example.org/owner/payroll"},
 "policy_ids": [], "audience": "https://key-store.example.org", "target": "https://db.example.org",
 "issuer": "spiffe://example.org/twi/verifier", "attester": {"format": "sev-snp", "insecure": true}}
JSON

cat > "$dir/config/twictl.yaml" <<YAML
tls:
  certificate_file: $dir/owners/payroll.pem
  key_file: $dir/owners/payroll.key.pem
  trust_bundle_file: $dir/tls/ca.pem
claims_mapper:
$(peer '  ' claims-mapper 8442)
credential_authority:
$(peer '  ' credential-authority 8443)
key_store:
$(peer '  ' key-store 8444)
credential_authority_rp_id: https://credential-authority.example.org
YAML

# agent NAME MECHANISM ATTESTER-YAML: one config per mechanism and attester.
agent() {
  local rp=https://credential-authority.example.org
  [ "$2" != D ] || rp=https://key-store.example.org
  cat > "$dir/config/agent-$1.yaml" <<YAML
log: {file: $dir/log/agent-$1.log}
mechanism: $2
attester:
$3
attested_key: {}
trust_bundle_file: $dir/tls/ca.pem
credential_trust_bundle_file: $dir/run/credential-bundle.pem
$([ "$2" != A ] || echo "credential_wit_bundle_file: $dir/run/credential-wit-bundle.json")
verifier:
$(peer '  ' verifier 8441)
credential_authority:
$(peer '  ' credential-authority 8443)
$([ "$2" != D ] || printf 'key_store:\n%s\nprovisioned:\n  key_id: %s\n  credential_file: %s\n  wit_file: %s\n  wit_bundle_file: %s\n' "$(peer '  ' key-store 8444)" "$(cat "$dir/run/provisioned/key-id" 2>/dev/null || echo KEY_ID)" "$dir/run/provisioned/chain.pem" "$dir/run/provisioned/wit.jwt" "$dir/run/provisioned/wit-bundle.json")
rp_id: $rp
target: https://db.example.org
workload_identifier: spiffe://example.org/payroll/worker
output:
  directory: $dir/out/$1
YAML
}
snp() { printf '  insecure_dev_snp:\n    chain_directory: %s\n    image_file: %s\n' "$dir/dev-snp" "$dir/images/$1"; }
tpm() { printf '  tpm2:\n    tcti: "%s"\n    ak_handle: %s\n    pcrs: [0, 1, 2, 3, 4, 5, 7]\n' "$TWI_TCTI" "$TWI_AK_HANDLE"; }
for m in A B C D; do
  agent "$m-snp" "$m" "$(snp payroll-1.2.0)"
  agent "$m-snp-1.3.0" "$m" "$(snp payroll-1.3.0)"
  agent "$m-snp-unauthorized" "$m" "$(snp unauthorized)"
  agent "$m-snp-debug" "$m" "$(snp payroll-1.2.0)
    debug: true"
  [ -z "${TWI_TCTI:-}" ] || agent "$m-tpm" "$m" "$(tpm)"
done
