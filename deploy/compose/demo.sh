#!/usr/bin/env bash
# Builds the images, starts TWI as containers (docker-compose.yml), waits until everything is healthy, shows the credentials that four workloads got by mechanisms A, B, C and D and use for mutual
# TLS, shows who cannot reach whom and which keys each container sees, and takes everything down again.
#   deploy/compose/demo.sh           leaves nothing behind but the images
#   deploy/compose/demo.sh --keep    leaves everything running and prints how to talk to it
#   deploy/compose/demo.sh --down    takes down what --keep left running, with its keys, stores and credentials
# Where a deployment of the same project (TWI_PROJECT, default twi) is there already it touches nothing and says so.
# TWI_SKIP_BUILD=1: the images are there already. TWI_OPT_BIN: the programs for them are (deploy/images/build.sh). Exit: 77 where docker-compose is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
keep=no down=no
case "$*" in
  "") ;;
  --keep) keep=yes ;;
  --down) down=yes ;;
  *) sed -n '2,8p' "$0" >&2; exit 2 ;;
esac
source deploy/compose/lib.sh
docker version > /dev/null 2>&1 || fail "Docker does not run here; deploy/demo.sh shows the same as plain processes"
if [ "$down" = yes ]; then "${compose[@]}" down --volumes --timeout 5; exit 0; fi
ours="label=com.docker.compose.project=$TWI_PROJECT"
if [ -n "$(docker ps --all --quiet --filter "$ours")$(docker volume ls --quiet --filter "$ours")" ]; then
  fail "a deployment of the project $TWI_PROJECT is there already (--keep left it, or a run that was killed). To take it down, with its keys and stores: TWI_PROJECT=$TWI_PROJECT $0 --down"
fi
services=(verifier claims-mapper credential-authority key-store)
agents=(agent-a agent-b agent-c agent-d)
workloads=(workload-a workload-b workload-c workload-d)

started=$SECONDS
finished=no  # an interrupted script ends with status 0 here
cleanup() {
  status=$?
  if [ "$keep" = yes ] && [ "$finished" = yes ]; then return; fi
  if [ "$status" -ne 0 ]; then "${compose[@]}" ps --all 2> /dev/null || "${compose[@]}" ps || true; fi
  "${compose[@]}" down --volumes --timeout 5 > /dev/null 2>&1 || true
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -z "${TWI_SKIP_BUILD:-}" ]; then
  step "Building the images (the first build takes minutes)"
  deploy/images/build.sh
fi
built=$SECONDS

for image in $(grep -oE 'image: twi/[a-z-]+' deploy/compose/docker-compose.yml | cut -d ' ' -f 2 | sort -u); do  # else Compose 1.29 asks a registry for somebody's image of this name
  docker image inspect "$image:$TWI_VERSION" > /dev/null 2>&1 || fail "there is no image $image:$TWI_VERSION: deploy/images/build.sh makes it"
done
step "Starting: keys and policies, the software TPM, four services, four agents, four workloads"
chmod -R go-w,a+rX deploy/compose/config  # user 65532 reads it, whatever the umask of the clone was, and refuses a configuration that others may write to
mkdir -p out
"${compose[@]}" up --detach > /dev/null 2> out/compose-up.log || { tail -n 30 out/compose-up.log >&2; fail "it does not start"; }
wait_healthy 60 "${services[@]}" "${agents[@]}" "${workloads[@]}"

step "The credentials, as the workloads hold them"
for workload in "${workloads[@]}"; do
  agent=agent-${workload#workload-}
  said "$workload" |
    sed -E 's/.*"serial":"([^"]*)".*"spiffe_id":"([^"]*)".*/\2  serial \1/; s/^/  '"${workload#workload-} mechanism "'/' | sed "s/^  \(.\) mechanism/  mechanism \U\1\E:/"
  log_has "$agent" '"event":"credential_acquired"' || fail "$agent has no credential"
done

step "Mutual TLS between the workloads: A and C, B and D, each in both directions"
for workload in "${workloads[@]}"; do
  until=$((SECONDS + 20))
  until said "$workload" | grep '"call":"OK"' > /dev/null; do
    [ "$SECONDS" -lt "$until" ] || { docker logs --tail 3 "$(container "$workload")" >&2; fail "$workload cannot call its peer"; }
    sleep 0.5
  done
  echo "  $workload calls its peer: OK"
done

step "Attested TLS: workload C's plaintext reaches workload A through their agents, each of which has had the other's key attested by the Verifier"
until=$((SECONDS + 20))
until said workload-c | grep '"attested_call":"OK"' > /dev/null; do
  [ "$SECONDS" -lt "$until" ] || { docker logs --tail 5 "$(container agent-c)" >&2; docker logs --tail 3 "$(container workload-c)" >&2; fail "workload-c gets no greeting through the tunnel"; }
  sleep 0.5
done
log_has agent-a '"event":"attested_tls_opened"' || fail "agent-a has opened no attested TLS"
echo "  workload-c greets workload-a: OK"

step "An agent cannot reach the Claims Mapper, whatever key it has; a Workload Owner can"
config=${TWI_CONFIG:-$PWD/deploy/compose/config}
ask() {  # ask NETWORK MAPPER-ADDRESS: the Workload Owner's own key and command, from another network
  docker run --rm --read-only --cap-drop ALL --security-opt no-new-privileges --user 65532:65532 --network "${TWI_PROJECT}_$1" --add-host "claims-mapper:$2" \
    --volume "${TWI_PROJECT}_owner:/owner:ro" --volume "$config:/etc/twi:ro" "twi/twictl:$TWI_VERSION" policy list --config /etc/twi/twictl.yaml
}
reaches=$(docker inspect --format '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}' "$(container claims-mapper)")
[ "$reaches" = "${TWI_PROJECT}_owner ${TWI_PROJECT}_services " ] || fail "the Claims Mapper is on the networks $reaches"
address() { docker inspect --format "{{(index .NetworkSettings.Networks \"${TWI_PROJECT}_$2\").IPAddress}}" "$(container "$1")"; }
ask owner "$(address claims-mapper owner)" | sed 's/^/  from the network owner:  /'
for network in agents workloads tpm; do
  for side in services owner; do
    if ask "$network" "$(address claims-mapper "$side")" > out/ask.log 2>&1; then fail "the Claims Mapper answers on the network $network"; fi
    grep -q DEPENDENCY_UNAVAILABLE out/ask.log || { cat out/ask.log >&2; fail "refused on the network $network, but not for want of a connection"; }
  done
  echo "  from the network $network: $(sed -n 's/.*refused: //p' out/ask.log)"
done

step "Each container is locked down, and no network leads out"
for service in "${services[@]}" "${agents[@]}" "${workloads[@]}" tpm; do
  is=$(docker inspect --format '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Privileged}} {{.HostConfig.CapDrop}} {{.HostConfig.CapAdd}} {{.HostConfig.SecurityOpt}} {{.Config.User}}' "$(container "$service")")
  [ "${is//<no value>/[]}" = "true false [ALL] [] [no-new-privileges:true] 65532:65532" ] || fail "$service runs with (read-only root, privileged, capabilities dropped and added, options, user): $is"
done
for network in $(docker network ls --quiet --filter "$ours"); do
  [ "$(docker network inspect --format '{{.Internal}}' "$network")" = true ] || fail "the network $(docker network inspect --format '{{.Name}}' "$network") leads out"
done
echo "  read-only root, no capabilities, no new privileges, user 65532; $(docker network ls --quiet --filter "$ours" | wc -l) networks, all internal"

step "Each container sees its own keys, and no other's"
# private CONTAINER: "SHA-256 FILE" of each file of its volumes that only one user may read, and of each private key whoever may read it. Except stores: each volume of a store stands once in docker-compose.yml, beside `files`; and what a
# credential has besides its key (an agent gives the whole folder to one user).
private() {
  local folder
  docker inspect --format '{{range .Mounts}}{{if eq .Type "volume"}}{{println .Destination}}{{end}}{{end}}' "$1" | grep -vE '^(/store|/tunnel)?$' | while read -r folder; do
    docker cp "$1:$folder/." - < /dev/null | tar -x --to-command='content=$(base64 -w 0)  # whole, whatever bytes
      say() { echo "$(printf %s "$content" | base64 -d | sha256sum | cut -c 1-64) ${TAR_FILENAME##*/}"; }
      if printf %s "$content" | base64 -d | grep -q "PRIVATE KEY-----"; then say; exit; fi
      case "$TAR_MODE ${TAR_FILENAME##*/}" in *" "*bundle.* | *" chain.pem" | *" wit.jwt" | *" ..lock") ;; *"00 "*) say ;; esac'
  done | sort -u
}
declare -A seen_by=() file_of=()
for service in "${services[@]}" "${agents[@]}" "${workloads[@]}"; do
  names=()
  while read -r sum file; do seen_by[$sum]+="$service "; file_of[$sum]=$file; names+=("$file"); done < <(private "$(container "$service")")
  printf '  %-22s %s\n' "$service" "${names[*]}"
done
chips=0
for sum in "${!seen_by[@]}"; do
  seen=${seen_by[$sum]% }
  case "${file_of[$sum]}: $seen" in
    "vcek.key.pem: agent-a agent-c agent-d") chips=$((chips + 1)) ;;  # on the machine with that chip
    "key.pem: agent-"?" workload-"?) [ "${seen: -1}" = "${seen:6:1}" ] || fail "$seen see one credential's key" ;;
    "key.pem: "* | "vcek.key.pem: "*) fail "${file_of[$sum]} is seen by: $seen" ;;
    *" "*" "*) fail "${file_of[$sum]} is seen by more than one: $seen" ;;
  esac
done
[ "$chips" -eq 1 ] && [ "${#seen_by[@]}" -eq 15 ] || fail "expected a chip's key, four credentials' keys, and of each service and each relying party its own: ${file_of[*]}"

step "Why does this credential exist?"
serial=$(said workload-a | sed -E 's/.*"serial":"([^"]*)".*/\1/')
"${compose[@]}" run --rm --no-deps trust-bundle issuance --config /etc/twi/twictl.yaml --serial "$serial" 2> /dev/null | sed 's/^/  /'

step "Done in $((SECONDS - built)) s (and $((built - started)) s for the images)"
if [ "$keep" = yes ]; then
  cat <<TEXT
Everything is left running. Talk to it:
  ${compose[*]} ps
  ${compose[*]} logs -f workload-a
  ${compose[*]} run --rm --no-deps trust-bundle policy list --config /etc/twi/twictl.yaml
Take it down, with its keys and stores:
  $([ "$TWI_PROJECT" = twi ] || echo "TWI_PROJECT=$TWI_PROJECT ")deploy/compose/demo.sh --down
TEXT
fi
finished=yes
