#!/usr/bin/env bash
# The units under a running systemd: a Debian 12 in a container, with systemd as its first process and without a network, where the packages are installed and the four services run with the samples
# of their packages and keys of `twictl dev-pki`, then an agent that acquires a credential from them (development Evidence: there is no TEE). Seen by systemd's own word: ready when the daemon says so,
# reload, stop, restart after a crash, what is let in, upgrade, removal. Where root, Docker or debootstrap is missing the last line says "skipped: WHY".
#   deploy/systemd/boot_test.sh DIR        DIR: what deploy/package.sh wrote
# TWI_BARE_DEBIAN: a folder with a bare Debian 12, else debootstrap makes one. Takes three to five minutes on two busy cores. Tried on a host with cgroup v1; v2 is not tried.
set -euo pipefail
directory=$(cd "${1:?a folder with packages}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
source "$here/bare_debian.sh"
skipped() { echo "skipped: $*"; exit 0; }
fail() { echo "boot_test: $*" >&2; in_machine journalctl --no-pager -n 60 >&2 || true; exit 1; }
[ "$(id -u)" -eq 0 ] || skipped "a machine to boot needs root"
docker version > /dev/null 2>&1 || skipped "Docker does not run here"
work=$(mktemp -d "${TMPDIR:-/tmp}/twi-boot.XXXXXX")
name=$(basename "$work" | tr 'A-Z' 'a-z' | tr . -)-test
image=$name:local
cleanup() { docker rm -f "$name" > /dev/null 2>&1 || true; docker rmi -f "$image" > /dev/null 2>&1 || true; rm -rf "$work"; }
trap cleanup EXIT
why=$(bare_debian "$work/root") || skipped "$why"
bare_install "$work/root" "$directory"/*.deb systemd-sysv dbus procps
[ ! -e "$work/root/etc/systemd/system/multi-user.target.wants/twi-verifier.service" ] || fail "the installation enabled a service"

# Keys, policies and reference values of a development deployment; the services' configurations are those of the packages.
install -m 0755 "$here/place_samples.sh" "$here/../dev_deployment.sh" "$work/root/usr/local/bin/"
chroot "$work/root" sh -c 'dev_deployment.sh /usr/bin/twictl /srv/dev 127.0.0.1 && place_samples.sh /srv/dev && useradd --system payroll' > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
tar -C "$work/root" --numeric-owner -c . | docker import - "$image" > /dev/null
# Mounts are shared, as systemd has them on a machine (in a container it leaves them as they are): LoadCredential= needs it. All capabilities but one that a container on a container's host may not have, and that no unit needs.
docker run --detach --name "$name" --hostname twi-boot --network none --cap-add ALL --cap-drop SYS_RESOURCE --security-opt seccomp=unconfined --security-opt apparmor=unconfined --cgroupns host \
  --volume /sys/fs/cgroup:/sys/fs/cgroup:rw --tmpfs /run --tmpfs /run/lock --tmpfs /tmp:exec --env container=docker "$image" /bin/sh -c "mount --make-rshared / && exec /sbin/init" > /dev/null 2> "$work/log" ||
  skipped "Docker cannot start such a container here: $(tail -n 1 "$work/log")"
in_machine() { docker exec "$name" "$@"; }
shell() { docker exec -i "$name" sh -eu -c "$1"; }
property() { in_machine systemctl show --value -p "$2" "$1"; }
# await SECONDS WHAT COMMAND...
await() {
  local end=$((SECONDS + $1)) what=$2; shift 2
  until "$@" > /dev/null 2>&1; do [ "$SECONDS" -lt "$end" ] || fail "waited in vain: $what"; sleep 0.2; done
}
# said UNIT TEXT: a journal line of the unit since the last `mark`.
mark() { sleep 1; since=$(in_machine date '+%Y-%m-%d %H:%M:%S'); }
said() { in_machine journalctl --no-pager -o cat -u "$1" --since "$since" | grep -- "$2" > /dev/null; }
active() { [ "$(in_machine systemctl is-active "$1")" = active ]; }
milliseconds() { date +%s%3N; }
booted() { case "$(in_machine systemctl is-system-running 2> /dev/null)" in running | degraded) ;; *) return 1 ;; esac; }
await 60 "the machine's start" booted
shell 'for service in verifier claims-mapper credential-authority key-store; do echo "127.0.0.1 $service.example.org"; done >> /etc/hosts'
echo "booted: $(in_machine systemctl --version | head -n 1), $(in_machine systemctl is-system-running)"

services=(twi-verifier twi-claims-mapper twi-credential-authority twi-key-store)
mark
began=$(milliseconds)
in_machine systemctl --quiet enable --now "${services[@]}" || fail "the services do not start with the samples of their packages"
echo "systemctl enable --now: $(($(milliseconds) - began)) ms for four"
for service in "${services[@]}"; do
  active "$service" || fail "$service is not active"
  [ "$(property "$service" Type)/$(property "$service" NotifyAccess)" = notify/main ] || fail "$service is not Type=notify"
  pid=$(property "$service" MainPID)
  # Its own user, no capability, no new privileges, a filter of system calls; and no other reads its memory, its keys or its store.
  shell "awk '/^Uid:/ { uid = \$2 } /^CapEff:/ { capabilities = \$2 } /^CapBnd:/ { bounds = \$2 } /^NoNewPrivs:/ { privileges = \$2 } /^Seccomp:/ { filter = \$2 }
    END { exit !(uid >= 61184 && uid <= 65519 && capabilities ~ /^0+\$/ && bounds ~ /^0+\$/ && privileges == 1 && filter == 2) }' /proc/$pid/status" || fail "$service has more rights than its unit gives"
  shell "! setpriv --reuid payroll --clear-groups ls /run/credentials/$service.service /var/lib/private/twi 2> /dev/null" || fail "another user sees credentials of $service"
  config=${service#twi-}; config=/etc/twi/${config//-/_}.yaml
  in_machine "$service" --config "$config" --probe ready > "$work/log" || fail "$service: $(cat "$work/log")"
  echo "$service: $(in_machine systemctl is-active "$service"), ready; $(in_machine systemd-analyze security --no-pager "$service" | sed -n 's/^→ //p')"
done

# What comes from outside, by reload: the development chain's anchor and reference values (Verifier), the owner's policy (Claims Mapper).
mark
pid=$(property twi-verifier MainPID)
shell 'install -m 0644 /srv/dev/dev-snp/ark.pem /etc/twi/dev-ark.pem
  install -m 0644 /srv/dev/config/evidence_policy.yaml /etc/twi/evidence_policy.yaml
  install -m 0644 /srv/dev/config/reference_values.yaml /etc/twi/reference_values/payroll.yaml
  sed -i "s#^appraisal:#appraisal:\n  insecure_dev_snp_anchor_files: [/etc/twi/dev-ark.pem]#" /etc/twi/verifier.yaml
  install -m 0644 /srv/dev/config/payroll-worker.jws /etc/twi/payroll-worker.jws
  sed -i "s#^policy_files: .*#policy_files: [/etc/twi/payroll-worker.jws]#" /etc/twi/claims_mapper.yaml
  systemctl reload twi-verifier twi-claims-mapper' || fail "systemctl reload"
await 60 "the Verifier's reload" said twi-verifier '"event":"reloaded"'
await 60 "the Claims Mapper's reload" said twi-claims-mapper '"event":"reloaded"'
[ "$(property twi-verifier MainPID)" = "$pid" ] || fail "a reload is a restart"
shell 'cp /etc/twi/verifier.yaml /root/verifier.yaml; echo "nonsense: 1" >> /etc/twi/verifier.yaml; systemctl reload twi-verifier'
await 60 "a bad configuration's refusal" said twi-verifier '"event":"reload_refused"'
active twi-verifier || fail "a refused reload ended the Verifier"
echo "reload: applied in the running process (pid $pid); a bad configuration is refused, and it goes on"

# Restarted with it, the Verifier stays away, is tried again, and comes back by itself once it is mended.
mark
in_machine systemctl restart twi-verifier > /dev/null 2>&1 && fail "a bad configuration starts"
said twi-verifier nonsense || fail "the journal does not say what is wrong with the configuration"
shell 'cat /root/verifier.yaml > /etc/twi/verifier.yaml'
await 60 "the Verifier's return" active twi-verifier
echo "a bad configuration: not started, the journal says why; active again once mended ($(property twi-verifier NRestarts) restarts)"

mark
before=$(property twi-credential-authority NRestarts) pid=$(property twi-credential-authority MainPID) began=$(milliseconds)
in_machine kill -9 "$pid"
back() { active twi-credential-authority && [ "$(property twi-credential-authority MainPID)" != "$pid" ]; }
await 60 "the Credential Authority's return" back
took=$(($(milliseconds) - began))
[ "$(property twi-credential-authority NRestarts)" = "$((before + 1))" ] || fail "NRestarts: $(property twi-credential-authority NRestarts)"
echo "kill -9: active again after $took ms, NRestarts=$(property twi-credential-authority NRestarts)"

for service in "${services[@]}"; do
  mark
  began=$(milliseconds)
  in_machine systemctl stop "$service"
  took=$(($(milliseconds) - began))
  [ "$(property "$service" ActiveState)/$(property "$service" Result)/$(property "$service" ExecMainStatus)" = inactive/success/0 ] || fail "$service did not stop in good order"
  said "$service" '"event":"drained"' && said "$service" '"event":"stopped"' || fail "$service says nothing of its end"
  [ "$took" -lt 10000 ] || fail "$service took $took ms to stop"  # drain_timeout
  echo "stop: $service drained and ended with 0 after $took ms"
done

# The agent: an instance per user. Not ready before its first credential, however long the services are away.
shell 'install -d -m 0755 /etc/twi/agents
  install -d -o payroll -m 0700 /etc/twi/payroll
  cp -r /srv/dev/dev-snp /srv/dev/images /srv/dev/tls/ca.pem /etc/twi/payroll/
  install -m 0644 /srv/dev/config/twictl.yaml /root/twictl.yaml
  chown -R payroll: /etc/twi/payroll
  sed "s#/srv/dev/tls/ca.pem#/etc/twi/payroll/ca.pem#; s#/srv/dev/run/credential-bundle.pem#/etc/twi/payroll/bundle.pem#; s#/srv/dev/out/B-snp#/run/twi-payroll/credential#; s#/srv/dev/#/etc/twi/payroll/#
    s#^log: .*#listen: \"unix:/run/twi-payroll/agent.sock\"\nmetrics: {listen: \"unix:/run/twi-payroll/metrics.sock\", peers: [\"uid:$(id -u payroll)\"]}#" /srv/dev/config/agent-B-snp.yaml > /etc/twi/agents/payroll.yaml
  printf "\nrenewal: {retry_max: 2s}\n" >> /etc/twi/agents/payroll.yaml
  install -m 0440 /dev/null /root/event-log; echo measured > /root/event-log
  mkdir -p /etc/systemd/system/twi-workload-agent@payroll.service.d
  printf "[Service]\nLoadCredential=event-log:/root/event-log\nExecStartPre=/bin/grep -q measured /run/credentials/twi-workload-agent@payroll.service/event-log\n" \
    > /etc/systemd/system/twi-workload-agent@payroll.service.d/event-log.conf
  printf "[Unit]\nRequires=twi-workload-agent@payroll.service\nAfter=twi-workload-agent@payroll.service\n[Service]\nType=oneshot\nRemainAfterExit=yes\nUser=payroll\nExecStart=/bin/sh -c \"test -s /run/twi-payroll/credential/key.pem\"\n" \
    > /etc/systemd/system/payroll.service
  systemctl start twi-credential-authority
  twictl trust-bundle --config /root/twictl.yaml --out /etc/twi/payroll/bundle.pem > /dev/null
  chown payroll: /etc/twi/payroll/bundle.pem
  systemctl stop twi-credential-authority
  systemctl daemon-reload
  systemctl --quiet enable twi-workload-agent@payroll
  systemctl --no-block start payroll twi-workload-agent@payroll' > "$work/log" 2>&1 || { cat "$work/log" >&2; fail "the agent's files"; }
agent=twi-workload-agent@payroll
mark
await 60 "the agent's first attempt" said "$agent" '"event":"credential_not_acquired"'
[ "$(in_machine systemctl is-active "$agent")/$(in_machine systemctl is-active payroll)" = activating/inactive ] || fail "the agent is $(in_machine systemctl is-active "$agent") without a credential"
in_machine systemctl start "${services[@]}"
await 60 "the agent's credential" active "$agent"
await 60 "the workload, which waits for the agent" active payroll
shell 'test "$(stat -Lc "%U %a" /run/twi-payroll/credential/key.pem)" = "payroll 600" && ! setpriv --reuid nobody --clear-groups ls /run/twi-payroll 2> /dev/null' || fail "others see the credential"
in_machine setpriv --reuid payroll --clear-groups twi-workload-agent --config /etc/twi/agents/payroll.yaml --probe ready > "$work/log" || fail "$agent: $(cat "$work/log")"
echo "$agent: activating while the services are away, active with its credential, and only then what requires it; $(in_machine systemd-analyze security --no-pager "$agent" | sed -n 's/^→ //p')"
pid=$(property "$agent" MainPID)
in_machine kill -9 "$pid"
again() { active "$agent" && [ "$(property "$agent" MainPID)" != "$pid" ]; }
await 60 "the agent's return" again
echo "$agent: kill -9: active again with a new credential, NRestarts=$(property "$agent" NRestarts)"

# An upgrade restarts what runs and starts nothing else; a removal leaves neither process nor link, and all of the operator's files.
in_machine systemctl --quiet disable --now twi-key-store
declare -A pids
for unit in twi-verifier "$agent"; do pids[$unit]=$(property "$unit" MainPID); done
shell 'dpkg -i /packages/*.deb' > "$work/log" 2>&1 || { cat "$work/log" >&2; fail "dpkg -i"; }
for unit in "${!pids[@]}"; do
  await 60 "$unit after the upgrade" active "$unit"
  [ "$(property "$unit" MainPID)" != "${pids[$unit]}" ] || fail "$unit still runs as it was before the upgrade"
done
[ "$(in_machine systemctl is-active twi-key-store)" = inactive ] || fail "the upgrade started a service that was stopped"
shell 'dpkg -r twi-verifier twi-claims-mapper twi-credential-authority twi-key-store twi-workload-agent' > "$work/log" 2>&1 || { cat "$work/log" >&2; fail "dpkg -r"; }
shell 'for program in /proc/[0-9]*/exe; do case "$(readlink "$program")" in /usr/sbin/twi-*) exit 1 ;; esac; done; test -z "$(find /etc/systemd/system -xtype l -name "*twi*")" && test -s /etc/twi/verifier.yaml && test -d /var/lib/private/twi/verifier' ||
  fail "the removal left a process or a link, or took an operator's file: $(in_machine find /etc/systemd/system -xtype l)"
in_machine systemctl is-active --quiet twi-verifier && fail "twi-verifier is active without its package"
echo "upgrade: what ran was restarted, what was stopped stayed so; removal: no process, no enable link, /etc/twi and /var/lib/twi still there"
echo "boot: good"
