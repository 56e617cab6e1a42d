#!/usr/bin/env bash
# Runs every fuzz test for a moment: scripts/fuzz.sh [TIME] [PACKAGE…]
# TIME is go test's -fuzztime: 3000x (inputs) or 30s. A count is for the gate: a time that
# ends on a busy machine can fail a test that found nothing (go.dev/issue/75804), and so few
# inputs need no guidance by coverage, for which everything would be built once more.
# An input that fails is left in the package's testdata/fuzz, as by go test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

time=${1:-3000x}
shift || true
packages=("$@")
guide=(-fuzz=.) # instrumented, as go test -fuzz does
[[ $time == *x ]] && guide=()
[ ${#packages[@]} -gt 0 ] || packages=(./...)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

files='{{range .TestGoFiles}} {{.}}{{end}}{{range .XTestGoFiles}} {{.}}{{end}}'
go list -f "{{.Dir}}|{{.ImportPath}}|$files" "${packages[@]}" >"$scratch/packages"

while IFS='|' read -r dir package tests; do
  names=$(cd "$dir" && for f in $tests; do grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$f" || true; done | awk '{print $2}')
  [ -n "$names" ] || continue
  # One build for all fuzz tests of the package.
  go test -c "${guide[@]}" -o "$scratch/fuzz.test" "$package"
  for name in $names; do
    echo "-- $package $name"
    if ! out=$(cd "$dir" && "$scratch/fuzz.test" -test.run='^$' -test.fuzz="^$name\$" \
      -test.fuzztime="$time" -test.fuzzcachedir="$scratch/cache" 2>&1); then
      echo "$out"
      exit 1
    fi
  done
done <"$scratch/packages"
