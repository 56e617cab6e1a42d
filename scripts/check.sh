#!/usr/bin/env bash
# Formatting, go.mod, and that everything builds. go test vets what it tests, and
# scripts/lint.sh analyses everything.
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
