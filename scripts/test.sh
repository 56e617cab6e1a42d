#!/usr/bin/env bash
# Every test, from the quick to the slow. The unit tests need Go, and a C
# compiler for the race detector; the conformance tests Python 3 with venv and
# Node 20 with npm, whose SDKs they install into the user's cache folder.
#
#   scripts/test.sh              all steps
#   scripts/test.sh unit fuzz    only these: unit fuzz conformance crash cluster
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

steps=("$@")
[ ${#steps[@]} -gt 0 ] || steps=(unit fuzz conformance crash cluster)

race=(-race)
if ! { [ "$(go env CGO_ENABLED)" = 1 ] && command -v "$(go env CC)" >/dev/null; }; then
  echo "No C compiler: the unit tests run without the race detector."
  race=()
fi

# packages of the unit tests: all but the end-to-end ones, which have steps of their own
units() { go list ./... | grep -v '/test/\(conformance\|crash\|cluster\)'; }

for step in "${steps[@]}"; do
  echo "== $step"
  start=$SECONDS
  case $step in
    unit) units | xargs go test "${race[@]}" -timeout 10m ;;
    fuzz) scripts/fuzz.sh "${FUZZ_SECONDS:-3}" ;;
    conformance | crash | cluster) go test -count=1 -timeout 10m "./test/$step/..." ;;
    *) echo "there is no step $step" >&2; exit 2 ;;
  esac
  echo "== $step: ok, $((SECONDS - start)) s"
done
