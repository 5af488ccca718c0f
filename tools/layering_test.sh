#!/bin/bash
# sh_test over the source tree: which room may include what, who may read a clock, and that every step of the
# mechanisms stands in the code. Rooms are also kept apart by visibility; this is for what visibility cannot say.
# Then each check is shown a copy of the tree that breaks its rule, and must find it. Called with a folder: checks that.
set -uo pipefail; export LC_ALL=C
self=$(readlink -f "$0")  # the runfile is a symlink into the workspace
cd "${1:-$(dirname "$self")/..}" || exit 1
[ -f WORKSPACE ] && [ -d common ] && [ -d services ] || { echo "not the workspace: $PWD"; exit 1; }
failures=0
fail() { echo "FAIL: $*"; failures=$((failures + 1)); }

# --- 1 each library with an interface of its own stays in its room ---
only_in() {  # include pattern, path patterns of the rooms
  local found
  found=$(grep -rnE "^ *#include [<\"]$1" --include=*.h --include=*.cc common services integration_tests | grep -vE "^($2)")
  [ -z "$found" ] || fail "only $2 may include $1:"$'\n'"$found"
}
only_in 'yaml-cpp' 'common/config/'
only_in 'spdlog' 'common/log/'
only_in 'prometheus/' 'common/metrics/'
only_in '(soci|sqlite3)' 'common/storage/'
only_in 'openssl/' 'common/(crypto|secret|attested_tls|http|testing)/'
only_in '(boost|curl)/' 'common/http/'
only_in '(grpc|grpcpp)/' 'common/(server|client|testing)/|services/[a-z_]+/[a-z_]+_service(_test)?[.]|integration_tests/'
only_in 'tss2' 'services/workload_agent/(attester_tpm2|tpm_|testing/)'

# --- 2 domain files: plain functions over values, also through what they include ---
domain=$(ls services/verifier/{appraise_evidence,evidence_policy,reference_values,make_results}.{h,cc} \
            services/verifier/formats/*.{h,cc} services/claims_mapper/{map_claims,mapping_policy,match_release_policy}.{h,cc} \
            services/key_store/release_policy.{h,cc} \
            services/credential_authority/{sign,validate}_credential.{h,cc} | grep -vE '_(test|fuzz|benchmark)[.]')
[ "$(wc -l <<<"$domain")" -ge 40 ] || fail "the list of domain files has shrunk: a file was renamed?"
closure() {  # every header of ours that a file includes, over any number of steps
  local seen="$1" next
  while :; do
    next=$(printf '%s\n%s\n' "$seen" "$(grep -hoE '^#include "(common|services)/[^"]+"' $seen | cut -d'"' -f2 |
      grep -v '[.]pb[.]h$')" | sort -u | grep .)
    [ "$next" = "$seen" ] && break
    seen=$next
  done
  echo "$seen"
}
forbidden='^ *#include ([<"](grpc|grpcpp|spdlog|yaml-cpp|soci|fstream)|".*[.]grpc[.]pb[.]h|"common/(log|storage|server|client)/|"common/config/read_file)'
for file in $domain; do
  found=$(grep -nE "$forbidden" $(closure "$file"))
  [ -z "$found" ] || fail "$file is a domain file, and includes:"$'\n'"$found"
  found=$(grep -nE 'absl::Now\(|_clock::now|"common/time/clock' "$file")
  [ -z "$found" ] || fail "$file is a domain file, and reads a clock:"$'\n'"$found"
done

# --- 3 time is passed in: who may read the system's clock ---
# Of common: the clock itself, the log's time stamps, gRPC's deadlines, when this process was started (metrics.cc). Of services: mains and daemons, the commands of twictl.
found=$(grep -rnE 'absl::Now\(|system_clock|time\(nullptr|gettimeofday|clock_gettime' --include=*.h --include=*.cc common services |
  grep -vE '^[^:]*(_test|_benchmark|_fuzz|_fixture|main|_daemon)[.](cc|h):|^[^:]*/testing/|^common/(time|log|server|client)/|^common/metrics/metrics[.]cc:|^services/twictl/')
[ -z "$found" ] || fail "time is passed in, never read:"$'\n'"$found"

# --- 4 every step of the four mechanisms stands in the code ---
sources=$(find services -name '*.h' -o -name '*.cc' | grep -vE '_test[.]cc|/testing/')
for step in A{1..10} B{1..11} C{1..11} D{1..8} P{1..8}; do
  grep -qw "$step" $sources && continue
  # A range names its inner steps: "B4..B6", "A1-A4".
  letter=${step:0:1}; number=${step:1}
  grep -hoE "\b$letter[0-9]+([.][.]|-)$letter[0-9]+" $sources | sed -E 's/[A-Z]//g; s/[.][.]|-/ /' |
    awk -v n="$number" '$1 <= n && n <= $2 { found = 1 } END { exit !found }' || fail "step $step stands nowhere in services/"
done

# --- 5 the verdicts must be looked at, and nothing sends people to a place that others do not have ---
here=$(printf '%s/|%s/shared/' "$PWD" "$(dirname "$PWD")" | sed 's/[.+]/\\&/g')
found=$(grep -rnE "$here"'|\b(TODO|FIXME|XXX)\b' --include=*.h --include=*.cc --include=*.proto common services proto)
[ -z "$found" ] || fail "paths of one machine, or unfinished work:"$'\n'"$found"

[ "$failures" = 0 ] || { echo "$failures failed"; exit 1; }
[ $# = 0 ] || exit 0

# --- the checks themselves: a copy that breaks one rule must fail, and for that rule ---
copy=$(mktemp -d "${TEST_TMPDIR:-/tmp}/layering.XXXXXX"); trap 'rm -rf "$copy"' EXIT
cp -r WORKSPACE common services integration_tests proto "$copy" || exit 1
must_fail() {  # what breaks it; file to break; sed program; words that the failure must say
  local kept="$copy/kept" said
  cp "$copy/$2" "$kept"
  sed -i "$3" "$copy/$2"
  if cmp -s "$kept" "$copy/$2"; then fail "$1: the sed program changes nothing in $2"; fi
  if said=$("$self" "$copy"); then fail "not found by its check: $1"
  elif ! grep -qE "$4" <<<"$said"; then fail "$1: found, but the failure says: $said"; fi
  mv "$kept" "$copy/$2"
}
"$self" "$copy" >"$copy/said" || { echo "the unbroken copy fails:"; cat "$copy/said"; exit 1; }
must_fail 'yaml-cpp outside its room' services/verifier/verify_request.cc '1i #include "yaml-cpp/yaml.h"' 'only common/config/ may include yaml-cpp'
must_fail 'gRPC in a domain file' services/claims_mapper/map_claims.cc '1i #include "grpcpp/grpcpp.h"' 'map_claims.cc is a domain file, and includes'
must_fail 'the log behind a header of a domain file' services/claims_mapper/map_claims.h '1i #include "common/log/log.h"' 'map_claims.cc is a domain file, and includes'
must_fail 'a clock in a domain file' services/key_store/release_policy.cc '$a absl::Time t = absl::Now();' 'release_policy.cc is a domain file, and reads a clock'
must_fail 'the time read where it is passed in' services/key_store/release_key.cc '$a absl::Time t = absl::Now();' 'time is passed in, never read'
must_fail 'unfinished work' common/binding/binding.cc '$a // TO'DO 'unfinished work'
must_fail 'a path of one machine' common/binding/binding.cc "\$a // $copy/common" 'paths of one machine'
for file in $(grep -rlwE 'D7' "$copy/services"); do sed -i -E 's/\bD7\b/Dseven/g' "$file"; done
if said=$("$self" "$copy"); then fail "not found by its check: a step that stands nowhere"
elif ! grep -q 'step D7 stands nowhere' <<<"$said"; then fail "a step that stands nowhere: found, but the failure says: $said"; fi
[ "$failures" = 0 ] || { echo "$failures failed"; exit 1; }
