#!/usr/bin/env bash
# Style and analysis: formatting, go.mod, build, vet, golangci-lint (.golangci.yml says what
# and why).
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
echo "== golangci-lint"
go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run ./...
