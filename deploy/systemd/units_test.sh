#!/usr/bin/env bash
# units_test.sh UNIT...: the units of the services differ in names alone; each unit has the settings listed here and no others; systemd-analyze finds nothing wrong in the units, and rates a service at
# most 1.3 and the agent 1.7 (0 best, 10 a unit without any hardening). Mutants of the units show that each check bites.
set -euo pipefail
export LC_ALL=C
failed=0
fail() { echo "$*"; failed=1; }
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/units.XXXXXX")
trap 'rm -rf "$work"' EXIT
service_of() { local name; name=$(basename "$1" .service); echo "${name#twi-}"; }

# The settings of every unit, those of its kind, and "NUMBER" where any number will do. The rating alone says little: much of this it does not weigh, or DynamicUser= implies it.
demanded() {  # demanded SERVICE
  printf '%s=yes\n' NoNewPrivileges Protect{Home,Clock,Hostname,KernelLogs,KernelModules,KernelTunables,ControlGroups} PrivateTmp Restrict{Namespaces,Realtime,SUIDSGID} \
    LockPersonality MemoryDenyWriteExecute RemoveIPC
  printf '%s\n' StartLimitIntervalSec=0 Type=notify NotifyAccess=main 'ExecReload=/bin/kill -HUP $MAINPID' Restart=on-failure {RestartSec,TimeoutStopSec,LimitNOFILE}=NUMBER LimitCORE=0 UMask=0077 \
    CapabilityBoundingSet= AmbientCapabilities= ProtectSystem=strict ProtectProc=invisible ProcSubset=pid KeyringMode=private 'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK' \
    SystemCallArchitectures=native SystemCallFilter={@system-service,'~@privileged @resources'} SystemCallErrorNumber=EPERM
  local start file
  case "$1" in
    workload-agent@)
      start='/usr/sbin/twi-workload-agent --config /etc/twi/agents/%i.yaml'
      printf '%s\n' User=%i SupplementaryGroups=tss TimeoutStartSec=infinity RuntimeDirectory=twi-%i RuntimeDirectoryMode=0700 RuntimeDirectoryPreserve=yes DevicePolicy=closed 'DeviceAllow=/dev/tpmrm0 rw' ;;
    *)
      start="/usr/sbin/twi-$1 --config /etc/twi/${1//-/_}.yaml"
      printf '%s\n' {DynamicUser,PrivateDevices,PrivateUsers}=yes "StateDirectory=twi/$1" StateDirectoryMode=0700
      for file in tls.pem tls.key.pem ca.pem storage.root; do echo "LoadCredential=$file:/etc/twi/$1/$file"; done ;;
  esac
  printf '%s\n' "ExecStartPre=$start --check-config" "ExecStart=$start"
}
settings() {  # settings UNIT: those of [Service], and how often it is tried again, as systemd reads them (blanks, comments)
  sed -E 's/^[[:blank:]]+//; s/[[:blank:]]+$//; /^([#;]|$)/d; s/[[:blank:]]*=[[:blank:]]*/=/; s/^(RestartSec|TimeoutStopSec|LimitNOFILE)=[0-9]+$/\1=NUMBER/' "$1" |
    awk '/^\[/ { section = $0; next } section == "[Service]" || (section == "[Unit]" && /^StartLimit/)'
}
by_name() { sort -s -t= -k1,1; }  # Of one setting the order counts.
as_demanded() { diff <(demanded "$2" | by_name) <(settings "$1" | by_name); }  # as_demanded UNIT SERVICE

# The four services run under one set of rules: what is mended in one unit is mended in all.
plain() {  # plain UNIT SERVICE: with the service's names taken out
  sed -e "s#^Description=.*#Description=#" -e "s#$2#SERVICE#g; s#${2//-/_}#SERVICE#g" "$1"
}
# What must not pass: a setting missing, of another value, given twice, added, or in a section where systemd does not read it.
mutants=(
  /^{Type,ExecStartPre,Restart,ProtectSystem,NoNewPrivileges,MemoryDenyWriteExecute,LimitCORE,SystemCallFilter,UMask,StartLimitIntervalSec}=/d
  's/^Type=.*/Type=simple/' 's/^Restart=.*/Restart=no/' 's/ --check-config$//' 's/^ExecStartPre=/&-/' 's/^ExecStart=/&+/' 's/^ProtectSystem=.*/ProtectSystem=no/' 's/^NoNewPrivileges=.*/NoNewPrivileges=no/'
  's/^LimitCORE=.*/LimitCORE=infinity/' 's/^SystemCallFilter=~.*/SystemCallFilter=@privileged/' 's/^NoNewPrivileges=.*/&\n NoNewPrivileges = no/' 's/^RestartSec=.*/&\n&/' 's/^SystemCallFilter=~.*/&\nSystemCallFilter=/'
  's/^Type=.*/&\nReadWritePaths=\//' 's/^Type=.*/&\nExecStartPost=+\/bin\/true/' 's/^NoNewPrivileges=/#&/' 's/^NoNewPrivileges=/[Install]\n&/'
)
mutants_of_services=(/^{DynamicUser,LoadCredential,PrivateUsers}=/d '/^LoadCredential=ca.pem:/d' 's/^DynamicUser=.*/DynamicUser=no/' 's/^DynamicUser=.*/User=root/' 's/^DynamicUser=.*/&\nUser=root/')
mutants_of_agent=(/^{User,DevicePolicy,TimeoutStartSec}=/d 's/^User=.*/User=root/' 's/^User=.*/&\nUser=root/' 's/^#LoadCredential=/LoadCredential=/')
refused=0
for unit in "$@"; do
  service=$(service_of "$unit")
  as_demanded "$unit" "$service" || fail "$service: its unit is not as demanded (<: demanded, >: found)"
  case "$service" in
    workload-agent@) agent=$unit of_kind=("${mutants_of_agent[@]}") ;;
    *)
      if [ -z "${first:-}" ]; then first=$unit first_service=$service; fi
      diff <(plain "$first" "$first_service") <(plain "$unit" "$service") || fail "$service: its unit differs from that of $first_service in more than names"
      of_kind=("${mutants_of_services[@]}") ;;
  esac
  for mutant in "${mutants[@]}" "${of_kind[@]}"; do
    sed "$mutant" "$unit" > "$work/mutant"
    if cmp -s "$unit" "$work/mutant"; then fail "$service: $mutant changes nothing"; fi
    if as_demanded "$work/mutant" "$service" > /dev/null; then fail "$service: passes with $mutant"; else refused=$((refused + 1)); fi
  done
done
[ -n "${first:-}" ] && [ -n "${agent:-}" ] || fail "no unit of a service, or none of the agent"
echo "the settings of $# units; $refused mutants refused"

if ! command -v systemd-analyze > /dev/null; then
  echo "skipped: systemd-analyze verify and security: systemd is not installed here"
  exit $failed
fi
rated() { systemd-analyze security --offline=true --threshold="$2" --no-pager "$1" 2>&1; }  # rated UNIT TENTHS: fails above them
for unit in "$@"; do
  name=$(basename "$unit")
  case "$name" in *@.service) most=17 ;; *) most=13 ;; esac
  # The programs are not installed here: verified is everything but that they are there.
  sed 's#=/usr/sbin/twi-[a-z-]*#=/bin/true#' "$unit" > "$work/$name"
  if ! said=$(systemd-analyze verify --man=no "$work/$name" 2>&1) || [ -n "$said" ]; then fail "$name: systemd-analyze verify says: $said"; fi
  rating=$(rated "$work/$name" $most) || fail "$name: exposed more than $most tenths: $rating"
  echo "$rating" | grep Overall
  # One of the lightest settings less must not pass: the rating means something.
  sed -i '/^ProtectClock=/d' "$work/$name"
  if rating=$(rated "$work/$name" $most); then fail "$name: without ProtectClock= its rating passes"; fi
  grep -q 'Overall exposure' <<< "$rating" || fail "$name: without ProtectClock= it is not rated: $rating"
done
exit $failed
