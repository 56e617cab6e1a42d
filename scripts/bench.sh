#!/usr/bin/env bash
# Builds the binary, starts a server on a free folder and puts load on it:
# scripts/bench.sh [SCENARIO…] [FLAGS of waystation bench]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

dir=$(mktemp -d)
go build -o "$dir/waystation" ./cmd/waystation
"$dir/waystation" serve --data "$dir/data" --listen 127.0.0.1:4599 --log-level warn >&2 &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT
until "$dir/waystation" status --json --url http://127.0.0.1:4599 2>/dev/null | grep -q '"state": "ready"'; do
  kill -0 "$server" # it ended: so do we
  sleep 0.1
done
"$dir/waystation" bench --endpoint http://127.0.0.1:4599 --pid "$server" "$@"
