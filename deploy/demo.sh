#!/usr/bin/env bash
# Sets up, builds, and shows TWI at work: a software TPM and the five daemons as separate processes on loopback, each with its own certificate and SQLite file; a workload
# acquires its credential by mechanisms A, B, C and D; an unauthorized image is refused; an authorized update keeps the identifier.
#   deploy/demo.sh           runs and leaves no process behind
#   deploy/demo.sh --keep    leaves everything running and prints how to talk to it
set -euo pipefail
cd "$(dirname "$0")/.."
keep=no
case "${1:-}" in
  "") ;;
  --keep) keep=yes ;;
  *) sed -n '2,6p' "$0" >&2; exit 2 ;;
esac

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
fail() { printf 'demo: %s\n' "$*" >&2; exit 1; }

if [ -n "${TWI_BIN:-}" ]; then  # binaries that are built already (tests)
  bin=$TWI_BIN
else
  step "Setting up and building (the first build takes minutes)"
  deploy/setup.sh
  bazel build --show_progress --show_progress_rate_limit=20 --show_result=0 //services/verifier //services/claims_mapper //services/credential_authority \
    //services/key_store //services/workload_agent //services/twictl
  bin=$(bazel info bazel-bin 2>/dev/null)/services
fi
twictl=$bin/twictl/twictl

started=$SECONDS
work=$(mktemp -d /tmp/twi-demo.XXXXXX)
dir=$work/twi
host=127.77.$((RANDOM % 200 + 1)).$((RANDOM % 200 + 1))  # a loopback address of its own: two demos do not meet
pids=()
finished=no  # an interrupted script ends with status 0 here
cleanup() {
  status=$?
  if [ "$keep" = no ] || [ "$finished" = no ]; then
    [ ${#pids[@]} -eq 0 ] || kill -TERM "${pids[@]}" 2> /dev/null || true
    wait 2> /dev/null || true
    if [ "$status" -eq 0 ]; then rm -rf "$work"; else echo "demo: failed; its folder is left for you: $work" >&2; fi
  fi
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
  local until=$((SECONDS + $1)); shift
  until "$@" > /dev/null 2>&1; do [ "$SECONDS" -lt "$until" ] || fail "timed out waiting for: $*"; sleep 0.1; done
}

step "A software TPM, with an attestation key that the Verifier's operator enrolls"
mkdir "$work/tpm"
swtpm socket --tpm2 --tpmstate dir="$work/tpm" --ctrl type=unixio,path="$work/tpm.sock.ctrl" --server type=unixio,path="$work/tpm.sock" --flags not-need-init,startup-clear \
  > "$work/swtpm.log" 2>&1 &
pids+=($!)
wait_for 10 test -S "$work/tpm.sock"
export TPM2TOOLS_TCTI="swtpm:path=$work/tpm.sock"
tpm2_createprimary -Q -C e -G ecc256:ecdsa-sha256:null -c "$work/tpm/ak.ctx" -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign|noda'
tpm2_evictcontrol -Q -C o -c "$work/tpm/ak.ctx" 0x81010002
tpm2_flushcontext -t
tpm2_readpublic -Q -c 0x81010002 -f pem -o "$work/tpm/ak.pem"
chmod 0644 "$work/tpm/ak.pem"  # the Verifier refuses files that others may write
# What firmware and boot loader do on a real machine: measure what is started.
tpm2_pcrextend "4:sha256=$(printf 'payroll worker 1.2.0\n' | sha256sum | cut -d' ' -f1)"
tpm2_pcrread -Q -o "$work/tpm/pcrs" sha256:0,1,2,3,4,5,7
for pcr in 0 1 2 3 4 5 7; do
  printf '        - {index: %s, value: "%s"}\n' "$pcr" "$(tpm2_pcrread sha256:$pcr | sed -n 's/.*0x\([0-9A-Fa-f]\{64\}\)$/\1/p')"
done > "$work/tpm/pcrs.yaml"
echo "AK enrolled; PCR 4 holds the measurement of the workload's image"

step "Keys, certificates and configs (development only)"
TWI_EXTRA_AK=$work/tpm/ak.pem TWI_TCTI=$TPM2TOOLS_TCTI TWI_AK_HANDLE=0x81010002 TWI_PCRS_YAML=$work/tpm/pcrs.yaml \
  deploy/dev_deployment.sh "$twictl" "$dir" "$host"
ls "$dir/config"/*.yaml | grep -v /agent- | sed 's/^/  /'

step "Five daemons: verifier, claims-mapper, credential-authority, key-store; and a workload-agent per acquisition"
start() { "$bin/$1/$1" --config "$dir/config/$1.yaml" --port-file "$dir/run/$1.port" 2> "$dir/log/$1.err" & pids+=($!); eval "$1_pid=$!"; }
for daemon in verifier claims_mapper credential_authority key_store; do start "$daemon"; done
for daemon in verifier claims_mapper credential_authority key_store; do
  pid_name=${daemon}_pid
  wait_for 20 sh -c "test -s '$dir/run/$daemon.port' || ! kill -0 ${!pid_name}"
  [ -s "$dir/run/$daemon.port" ] || { cat "$dir/log/$daemon.err" >&2; fail "$daemon did not start"; }
  echo "  $daemon listens on $host:$(cat "$dir/run/$daemon.port") (TLS 1.3, both sides authenticated)"
done
"$twictl" trust-bundle --config "$dir/config/twictl.yaml" --out "$dir/run/credential-bundle.pem" --jwks "$dir/run/credential-wit-bundle.json"

acquire() { "$bin/workload_agent/workload_agent" --config "$dir/config/agent-$1.yaml" --once; }
acquire_and_show() {
  local identifier
  identifier=$(acquire "$1") || fail "no credential by agent-$1.yaml"
  echo "  identifier: $identifier"
  show "$1"
}
show() {
  openssl x509 -in "$dir/out/$1/chain.pem" -noout -ext subjectAltName,extendedKeyUsage -enddate | sed 's/^/    /'
  openssl verify -CAfile "$dir/run/credential-bundle.pem" "$dir/out/$1/chain.pem" | sed 's/^.*: /    chain to the trust bundle: /'
  [ ! -s "$dir/out/$1/wit.jwt" ] || "$twictl" inspect --jwks "$dir/out/$1/wit-bundle.json" "$dir/out/$1/wit.jwt" | sed 's/^/    /'
}

step "Mechanism A: the Verifier is the front door (SEV-SNP report, development chain)"
acquire_and_show A-snp
step "Mechanism B: passport (TPM quote of the software TPM)"
acquire_and_show B-tpm
step "Mechanism C: background check, Evidence encrypted to the Verifier (SEV-SNP)"
acquire_and_show C-snp
step "Mechanism D: the Workload Owner provisions, the workload is released the key (TPM quote)"
"$twictl" provision --config "$dir/config/twictl.yaml" --anticipated "$dir/config/anticipated_results.json" --release-policy "$dir/config/release_policy.yaml" \
  --target https://db.example.org --out "$dir/run/provisioned" | sed 's/^/  /'
sed -i "s/KEY_ID/$(cat "$dir/run/provisioned/key-id")/" "$dir"/config/agent-D-*.yaml
acquire_and_show D-tpm

step "An unauthorized image is refused; the peer learns the reason's name, the operator everything"
if acquire B-snp-unauthorized > "$work/refused" 2>&1; then fail "the unauthorized image got a credential"; fi
echo "  the workload sees:"; sed 's/^/    /' "$work/refused"
echo "  the Verifier's log says:"
grep '"event":"refused"' "$dir/log/verifier.log" | tail -n 1 | sed 's/.*"reason":"\([^"]*\)".*"detail":"\([^"]*\)".*/    \1: \2/'
"$twictl" explain MEASUREMENT_UNKNOWN | sed 's/^/  /'

step "An authorized update: a new reference value in, the identifier stays"
cat >> "$dir/config/reference_values.yaml" <<YAML
  - name: payroll-worker
    version: 1.3.0
    vendor: spiffe://example.org/owner/payroll
    valid_until: "2099-01-01T00:00:00Z"
    sev_snp_measurement: "$(sha384sum "$dir/images/payroll-1.3.0" | cut -d' ' -f1)"
YAML
kill -HUP "$verifier_pid"
wait_for 10 sh -c "grep '\"event\":\"appraisal rules in force\"' '$dir/log/verifier.log' | wc -l | grep -qx 2"
after=$(acquire B-snp-1.3.0)
echo "  version 1.3.0 gets $after"
[ "$after" = "$(acquire B-snp)" ] || fail "the identifier changed with the update"
echo "  the same identifier as version 1.2.0"
sed -i '0,/version: 1.2.0$/s//version: 1.2.0\n    withdrawn: true/' "$dir/config/reference_values.yaml"
kill -HUP "$verifier_pid"
wait_for 10 sh -c "grep '\"event\":\"appraisal rules in force\"' '$dir/log/verifier.log' | wc -l | grep -qx 3"
if acquire B-snp > "$work/refused" 2>&1; then fail "the withdrawn version got a credential"; fi
echo "  the old version, withdrawn:"; sed 's/^/    /' "$work/refused"

step "Why does this credential exist?"
serial=$(openssl x509 -in "$dir/out/B-snp-1.3.0/chain.pem" -noout -serial | cut -d= -f2 | tr 'A-F' 'a-f')
"$twictl" issuance --config "$dir/config/twictl.yaml" --serial "$serial" | sed 's/^/  /'

step "Done in $((SECONDS - started)) s (without building)"
if [ "$keep" = yes ]; then
  disown -a
  cat <<TEXT
Everything is left running (folder $work). Talk to it:
  $twictl policy list --config $dir/config/twictl.yaml
  $twictl issuance --config $dir/config/twictl.yaml --serial $serial
  $bin/workload_agent/workload_agent --config $dir/config/agent-C-snp.yaml --once
  tail -f $dir/log/*.log
Stop it:
  kill ${pids[*]}; rm -rf $work
TEXT
fi
finished=yes
