#!/usr/bin/env bash
# The unit tests of the packages that differ from main (or from the commit given), and of
# those that import them directly: scripts/quick.sh [COMMIT]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

base=$(git merge-base HEAD "${1:-main}")
changed=$({ git diff --name-only "$base"; git ls-files --others --exclude-standard; } | { grep '\.go$' || true; } | xargs -r -n1 dirname | sort -u)
[ -n "$changed" ] || { echo "No Go file differs from ${1:-main}."; exit 0; }
module=$(go list -m)
pattern=$(sed "s|^\.$|$module|; t; s|^|$module/|" <<<"$changed")
go list -f '{{.ImportPath}} {{join .Imports " "}} {{join .TestImports " "}} {{join .XTestImports " "}} ' ./... |
  grep -v '/test/\(simulation\|conformance\|crash\|cluster\|hostile\)' |
  awk -v changed="$pattern" 'BEGIN { n = split(changed, c, "\n") } { for (i = 1; i <= n; i++) if ($1 == c[i] || index($0 " ", " " c[i] " ")) { print $1; next } }' |
  xargs -r go test
