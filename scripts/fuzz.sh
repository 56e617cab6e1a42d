#!/usr/bin/env bash
# Runs every fuzz test for a moment: scripts/fuzz.sh [SECONDS] [PACKAGE…]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-3}
shift || true
packages=("$@")
[ ${#packages[@]} -gt 0 ] || packages=(./...)

while read -r package name; do
  echo "-- $package $name"
  if ! out=$(go test -run '^$' -fuzz "^${name}\$" -fuzztime "${seconds}s" "$package" 2>&1); then
    echo "$out"
    exit 1
  fi
done < <(
  go list -f '{{$p := .ImportPath}}{{$d := .Dir}}{{range .TestGoFiles}}{{$p}} {{$d}}/{{.}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$p}} {{$d}}/{{.}}{{"\n"}}{{end}}' "${packages[@]}" |
    while read -r package file; do
      [ -n "$file" ] || continue
      { grep -oE '^func Fuzz[A-Za-z0-9_]*' "$file" || true; } | while read -r _ name; do echo "$package $name"; done
    done
)
