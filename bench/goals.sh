#!/usr/bin/env bash
# Measures every figure of docs/performance.md, in about five minutes:
#
#   bench/goals.sh [DIR]
#
# DIR is where the data goes; it has to lie on a real disk, since fsync is part
# of what is measured. Nothing else should run on the machine meanwhile.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

dir=$(mktemp -d -p "${1:-${TMPDIR:-/tmp}}")
server=
finish() {
  if [[ -n $server ]]; then kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true; fi
  rm -rf "$dir"
}
trap finish EXIT

go build -o "$dir/waystation" ./cmd/waystation
go build -o "$dir/inprocess" ./bench/inprocess
printf 'keys:\n  - {key: BENCHKEY, secret: bench-secret, account: "000000000000", user: bench}\n' >"$dir/keys.yaml"
chmod 600 "$dir/keys.yaml"
export AWS_ACCESS_KEY_ID=BENCHKEY AWS_SECRET_ACCESS_KEY=bench-secret

url=http://127.0.0.1:4599
serve() { # a fresh server with signatures checked
  if [[ -n $server ]]; then kill "$server"; wait "$server" || true; rm -rf "$dir/data"; fi
  "$dir/waystation" serve --data "$dir/data" --listen 127.0.0.1:4599 --keys "$dir/keys.yaml" --log-level warn >/dev/null &
  server=$!
  until curl -sf "$url/readyz" >/dev/null; do
    kill -0 "$server" # it ended: so do we
    sleep 0.1
  done
}
bench() { "$dir/waystation" bench --endpoint "$url" --pid "$server" "$@"; }

echo "== the machine: $(nproc) CPUs, $(uname -sr), $(go version | cut -d' ' -f3), load $(cut -d' ' -f1-3 /proc/loadavg)"
echo "== partition API in process"
for scenario in throughput depth memory; do "$dir/inprocess" -dir "$dir" "$scenario"; done
echo "== SendMessage and SendMessageBatch against a bare net/http handler"
serve
bench send batch --bare -d 20s --rounds 10
echo "== the usual scenarios over HTTP"
bench receive-delete end-to-end fifo
echo "== receive at different depths over HTTP"
serve
bench depth --depths 1000,1000000
echo "== a million waiting messages, 10,000 idle long polls"
serve
bench idle-polls --polls 10000
