#!/usr/bin/env bash
# Style and analysis that take a moment: formatting, go.mod, build, vet. More of it does
# scripts/lint.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

echo "== gofmt"
unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
  echo "not formatted:"
  echo "$unformatted"
  exit 1
fi
echo "== go.mod"
go mod tidy -diff
echo "== build"
go build ./...
echo "== vet"
go vet ./...
