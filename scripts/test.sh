#!/usr/bin/env bash
# Every test. What it needs beside Go (a C compiler for the race detector, Python 3 with
# venv and Node with npm for the SDKs of those languages) it installs on Debian, or names
# in one line. Steps that don't touch each other run side by side: those that compute in
# one lane, those that start servers in another.
#
#   scripts/test.sh              all steps
#   scripts/test.sh unit fuzz    only these, one after another
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

computing=(unit simulation fuzz)
serving=(conformance crash cluster hostile)

race=(-race)
if ! { [ "$(go env CGO_ENABLED)" = 1 ] && command -v "$(go env CC)" >/dev/null; }; then
  [ $# -gt 0 ] || scripts/prepare.sh
  command -v "$(go env CC)" >/dev/null || { echo "No C compiler: without the race detector."; race=(); }
elif [ $# = 0 ]; then
  scripts/prepare.sh
fi

# packages of the unit tests: all but those that have steps of their own
units() { go list "$@" ./... | grep -v '/test/\(simulation\|conformance\|crash\|cluster\|hostile\)'; }

# The packages whose files start no goroutine and import no package sync have nothing to
# race, and some of the longest tests: they run without the detector, eight times as fast.
alone() {
  units -f '{{.Dir}}|{{.ImportPath}}' | while IFS='|' read -r dir package; do
    grep -qE '^\s*go |"sync|\.Go\(|"testing/synctest"' "$dir"/*.go || echo "$package"
  done
}

run() {
  case $1 in
    unit)
      local rest=0
      units | grep -vxFf <(alone) | xargs go test "${race[@]}" -timeout 15m || rest=1
      alone | xargs go test -timeout 15m && return $rest
      ;;
    simulation) go test -count=1 ./test/simulation/mutants && go test -count=1 -timeout 15m ./test/simulation -seeds "${SIMULATION_SEEDS:-2000}" ;;
    fuzz) scripts/fuzz.sh "${FUZZ_TIME:-3000x}" ;;
    # With WAYSTATION_TEST_RACE=-race, as in a job of the workflow's own, the server that all
    # the SDKs speak to has the race detector too; the gate has no time for that.
    conformance) go test -count=1 -timeout 15m ./test/conformance/... ;;
    crash | cluster | hostile) go test -count=1 -timeout 15m "./test/$1/..." ;;
    *) echo "there is no step $1" >&2; exit 2 ;;
  esac
}

step() {
  [ ! -d "test/$1" ] && [[ " simulation conformance crash cluster hostile " == *" $1 "* ]] && return 0
  local start=$SECONDS
  if run "$1"; then
    echo "== $1: ok, $((SECONDS - start)) s"
  else
    echo "== $1: FAILED after $((SECONDS - start)) s"
    return 1
  fi
}

if [ $# -gt 0 ]; then
  for s in "$@"; do step "$s"; done
  exit
fi

# A lane goes on after a failure, so that one run shows all that is wrong.
lane() {
  local code=0 s
  for s in "$@"; do step "$s" || code=1; done
  return $code
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
lane "${serving[@]}" >"$scratch/serving" 2>&1 &
serving_lane=$!
code=0
lane "${computing[@]}" || code=1
wait "$serving_lane" || code=1
cat "$scratch/serving"
exit $code
