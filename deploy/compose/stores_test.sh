#!/usr/bin/env bash
# Backup, loss and restore of every store, and the disasters of deploy/README.md, on a running deployment (`deploy/compose/demo.sh --keep`): each is done with the commands that the page gives, and
# looked at. The Verifier's store is backed up while it runs, the others stopped. Needs root (it empties Docker's volumes) and sqlite3. Ends with "all tried".
set -euo pipefail
cd "$(dirname "$0")/../.."
source deploy/compose/lib.sh
[ "$(id -u)" -eq 0 ] || { echo "skipped: needs root"; exit 0; }
[ -n "$(container verifier)" ] || fail "nothing is running: deploy/compose/demo.sh --keep"
work=$(mktemp -d "${TMPDIR:-/tmp}/twi-stores.XXXXXX")
finished=no  # an interrupted script ends with status 0 here
lost=  # the root key that is set aside: $work/root is the only copy meanwhile
cleanup() {
  if [ -n "$lost" ]; then cp --preserve=all "$work/root" "$lost"; fi
  if [ "$finished" = yes ]; then rm -rf "$work"; else echo "stores_test.sh: the copies of the stores, and what was set aside, are left in $work" >&2; fi
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
volume() { docker volume inspect --format '{{.Mountpoint}}' "${TWI_PROJECT}_$1"; }
# Without a terminal (-T): what it says to standard error would come with the rest otherwise.
twictl() { "${compose[@]}" run --rm --no-deps -T trust-bundle "$@" --config /etc/twi/twictl.yaml 2> "$work/err"; }

backup() {  # backup SERVICE: a second without it (the fault table says what that costs)
  docker stop --time 15 "$(container "$1")" > /dev/null
  docker cp "$(container "$1"):/store/." - > "$work/$1.tar"
  docker start "$(container "$1")" > /dev/null
}
restore() {  # restore SERVICE: what is there is set aside, not overwritten
  docker stop --time 15 "$(container "$1")" > /dev/null
  mkdir -p "$work/aside"; find "$(volume "$1-store")" -mindepth 1 -exec mv -t "$work/aside" {} +
  docker cp - "$(container "$1"):/store" < "$work/$1.tar"
  docker start "$(container "$1")" > /dev/null
}
backup_live() {  # backup_live SERVICE: while it runs; the copy is one file
  mkdir -p "$work/$1-live"
  sqlite3 -readonly "$(volume "$1-store")/$1.db" ".backup '$work/$1-live/$1.db'"
}
restore_live() {
  docker stop --time 15 "$(container "$1")" > /dev/null
  find "$(volume "$1-store")" -mindepth 1 -delete
  install -m 0600 "$work/$1-live/$1.db" "$(volume "$1-store")/" && chown --reference="$(volume "$1-store")" "$(volume "$1-store")/$1.db"
  docker start "$(container "$1")" > /dev/null
}
empty() {  # empty SERVICE: its store is lost, and it starts without
  docker stop --time 15 "$(container "$1")" > /dev/null
  find "$(volume "$1-store")" -mindepth 1 -delete
  docker start "$(container "$1")" > /dev/null
}
# acquired LETTER: the agent acquires a credential now.
acquired() {
  local since until=$((SECONDS + 40))
  since=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
  while [ "$SECONDS" -lt "$until" ]; do
    docker kill --signal HUP "$(container "agent-$1")" > /dev/null
    sleep 2
    if log_has "agent-$1" '"event":"credential_acquired"' "$since"; then return 0; fi
  done
  docker logs --since "$since" "$(container "agent-$1")" 2>&1 | grep '"reason":"' | tail -n 3 >&2
  return 1
}
# refused REASON WHAT: the agent was refused for that reason, and no other.
refused() {
  local reasons
  reasons=$(grep -oE '"reason":"[A-Z_]*"' "$work/refused" | sort -u)
  [ "$reasons" = "\"reason\":\"$1\"" ] || fail "$2: expected $1, the agent's log says ${reasons:-nothing}"
  echo "  $2: $1"
}
# unknown SERIAL: the Credential Authority answers that it has no record of it. That it does not answer, or refuses for another reason, is not that.
unknown() { ! twictl issuance --serial "$1" > /dev/null && grep -qw "refused: ISSUANCE_UNKNOWN" "$work/err"; }
serial() { said workload-a | sed -E 's/.*"serial":"([^"]*)".*/\1/'; }

step "Verifier: backup while it runs; its store is lost, and it makes new keys, which the others fetch; restore"
verifier_key() { sqlite3 -readonly "$(volume verifier-store)/verifier.db" 'SELECT sealed_hex FROM encryption_key'; }
before=$(verifier_key)
backup_live verifier
empty verifier; wait_healthy 60 verifier
[ "$(verifier_key)" != "$before" ] || fail "the Verifier's keys survived the loss: nothing was tested"
for letter in a b c d; do acquired "$letter" || fail "agent $letter does not recover from a lost Verifier key"; echo "  agent $letter: acquired with results of the new key"; done
restore_live verifier; wait_healthy 60 verifier
[ "$(verifier_key)" = "$before" ] || fail "the Verifier has other keys after the restore"
for letter in a b c d; do acquired "$letter" || fail "agent $letter does not acquire after the restore"; done
echo "  restored: the old keys are there again, all agents acquire"

step "Credential Authority: backup, loss, restore; the issuance record is there again"
before=$(serial)
twictl issuance --serial "$before" > /dev/null || fail "no record before the backup"
backup credential-authority; wait_healthy 60 credential-authority
empty credential-authority; wait_healthy 60 credential-authority
unknown "$before" || fail "the record survived the loss, or who lost it does not say so: $(tail -n 3 "$work/err")"
echo "  store lost: $(sed -n 's/.*refused: //p' "$work/err")"
if acquired a 2> "$work/refused"; then fail "an agent took a credential of an authority that it does not know"; fi
refused CREDENTIAL_INVALID "with the new issuing key, an agent that has the old anchor"
[ "$(serial)" = "$before" ] || fail "the agent that has the old anchor holds another credential"
bundle=$(volume bundle)/credential-bundle.pem
cp --preserve=all "$bundle" "$work/old-anchor"
twictl trust-bundle --timeout 60 --out /bundle/new-anchor.pem > /dev/null || fail "no trust bundle: $(tail -n 3 "$work/err")"
cat "$work/old-anchor" "$(volume bundle)/new-anchor.pem" > "$bundle.new" && chown --reference="$bundle" "$bundle.new" && mv "$bundle.new" "$bundle"
for letter in a c; do acquired "$letter" || fail "agent $letter does not acquire with the new anchor beside the old one"; done
serving=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
until=$((SECONDS + 20))
until log_has workload-a '"call":"OK"' "$serving" && log_has workload-c '"call":"OK"' "$serving"; do
  [ "$SECONDS" -lt "$until" ] || fail "workloads with credentials of the new issuing key cannot call each other"
  sleep 0.5
done
echo "  lost issuing key: the new anchor beside the old one, agents a and c acquire, their workloads call each other"
mv "$(volume bundle)/new-anchor.pem" "$work/new-anchor"; cp --preserve=all "$work/old-anchor" "$bundle"
restore credential-authority; wait_healthy 60 credential-authority
twictl issuance --serial "$before" > /dev/null || fail "the record is not there after the restore"
acquired a || fail "no credential after the restore"
echo "  restored: the record and the issuing key are there, agent a acquires"

step "Key Store: backup, loss, restore; the provisioned key is released again"
backup key-store; wait_healthy 60 key-store
empty key-store; wait_healthy 60 key-store
if acquired d 2> "$work/refused"; then fail "a key was released that the store cannot have"; fi
refused KEY_UNKNOWN "store lost"
restore key-store; wait_healthy 60 key-store
acquired d || fail "the key is not released after the restore"
echo "  restored: agent d has its key"

step "Claims Mapper: backup, loss: its policies come again from their signed files, and it makes a new grant key; restore"
grant_key() { sqlite3 -readonly "$(volume claims-mapper-store)/claims-mapper.db" '.dump signing_keys'; }
backup claims-mapper; wait_healthy 60 claims-mapper
before=$(grant_key)
empty claims-mapper; wait_healthy 60 claims-mapper
[ "$(grant_key)" != "$before" ] || fail "the grant key survived the loss: nothing was tested"
acquired a || fail "no credential after the Claims Mapper's loss"
echo "  store lost: agent a acquires with a grant of the new key"
restore claims-mapper; wait_healthy 60 claims-mapper
[ "$(grant_key)" = "$before" ] || fail "the Claims Mapper has another grant key after the restore"
acquired a || fail "no credential after the restore of the Claims Mapper"
echo "  restored: the old grant key is there again, agent a acquires"

step "Lost root key: the daemon does not start, and does not touch its store"
for service in verifier claims-mapper credential-authority key-store; do
  root=$(volume "$service")/storage.root
  cp --preserve=all "$root" "$work/root"
  docker stop --time 15 "$(container "$service")" > /dev/null
  sums=$(find "$(volume "$service-store")" -name '*.db' -exec sha256sum {} +)
  lost=$root
  head -c 32 /dev/urandom > "$root"
  since=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
  docker start "$(container "$service")" > /dev/null
  until=$((SECONDS + 30))
  until log_has "$service" '"event":"could_not_start"' "$since"; do
    if log_has "$service" '"event":"listening"' "$since"; then fail "$service started with another root key"; fi
    [ "$SECONDS" -lt "$until" ] || fail "$service does not say why it does not start"
    sleep 0.2
  done
  echo "  $service: $(docker logs --since "$since" "$(container "$service")" 2>&1 | grep -oE '"event":"could_not_start".*' | head -n 1 | cut -c 1-220)"
  docker stop --time 5 "$(container "$service")" > /dev/null
  [ "$sums" = "$(find "$(volume "$service-store")" -name '*.db' -exec sha256sum {} +)" ] || fail "$service changed a store that it cannot open"
  cp --preserve=all "$work/root" "$root"; lost=
  docker start "$(container "$service")" > /dev/null; wait_healthy 60 "$service"
done
finished=yes
echo "all tried"
