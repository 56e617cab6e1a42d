#!/usr/bin/env bash
# golangci-lint over everything (.golangci.yml says what and why). By itself, since the gate
# has no time for it: building it and its first look take four minutes of two processors.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run "${@:-./...}"
