#!/usr/bin/env bash
# Style and analysis: formatting, build, vet, staticcheck.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

echo "== gofmt"
unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
  echo "not formatted:"
  echo "$unformatted"
  exit 1
fi
echo "== build"
go build ./...
echo "== vet"
go vet ./...
echo "== staticcheck"
go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
