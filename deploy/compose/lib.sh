# What demo.sh and stores_test.sh share: which Compose there is, the project's name, the version of the images (TWI_VERSION). To be sourced in the repository's root.
source deploy/programs.sh
# `docker compose` (v2) where it is there, else docker-compose 1.29. Without Docker itself the scripts say so.
if docker compose version > /dev/null 2>&1; then
  compose=(docker compose)
elif command -v docker-compose > /dev/null || ! docker version > /dev/null 2>&1; then
  compose=(docker-compose)
else
  echo "skipped: docker-compose is not installed"
  exit 77
fi
compose+=(--project-name "${TWI_PROJECT:=twi}" --file deploy/compose/docker-compose.yml)
fail() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }
step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

# container SERVICE: the id of its container, also one that has ended.
container() { docker ps --all --quiet --filter "label=com.docker.compose.project=$TWI_PROJECT" --filter "label=com.docker.compose.service=$1"; }

# log_has SERVICE PATTERN [SINCE]: its log has such a line. Reads all of it: `grep -q` would end early, and `docker logs` with it.
log_has() { docker logs ${3:+--since "$3"} "$(container "$1")" 2>&1 | grep -- "$2" > /dev/null; }

# said WORKLOAD: its last line of standard output.
said() { docker logs --tail 20 "$(container "$1")" 2> /dev/null | tail -n 1; }

# wait_healthy SECONDS SERVICE...: waits until each container is healthy; names the one that is not, with its last words.
wait_healthy() {
  local until=$((SECONDS + $1)) service state; shift
  for service in "$@"; do
    while :; do
      state=$(docker inspect --format '{{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}' "$(container "$service")" 2> /dev/null || echo missing)
      [ "$state" != healthy ] || break
      if [ "$SECONDS" -ge "$until" ]; then
        docker logs --tail 20 "$(container "$service")" >&2 || true
        fail "$service is $state, not healthy"
      fi
      sleep 0.5
    done
    printf '  %-22s healthy\n' "$service"
  done
}
