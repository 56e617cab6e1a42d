#!/usr/bin/env bash
# Runs the same scenarios against Waystation and ElasticMQ, in alternating
# rounds on this machine, and prints the ratios (above 1: Waystation carries
# more). Takes about four minutes.
#
#   bench/peers.sh [FLAGS and SCENARIOS of waystation bench]
#
# Needs Go, Java 11 or later and Maven, which fetches ElasticMQ from Maven
# Central into ~/.cache/waystation-bench. What is compared is not the same
# promise: ElasticMQ keeps messages in memory, Waystation answers when they are
# on disk (fsync).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=${ELASTICMQ_VERSION:-1.6.12}
peer=${XDG_CACHE_HOME:-$HOME/.cache}/waystation-bench/elasticmq-$version
if [[ ! -d $peer/lib ]]; then
  mkdir -p "$peer"
  cat >"$peer/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>bench</groupId><artifactId>peer</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.elasticmq</groupId><artifactId>elasticmq-server_2.13</artifactId><version>$version</version>
    </dependency>
  </dependencies>
</project>
POM
  mvn -q -B -f "$peer/pom.xml" dependency:copy-dependencies -DoutputDirectory="$peer/lib.new"
  mv "$peer/lib.new" "$peer/lib"
fi

dir=$(mktemp -d)
ours= theirs=
finish() {
  for p in $ours $theirs; do kill "$p" 2>/dev/null && wait "$p" 2>/dev/null || true; done
  rm -rf "$dir"
}
trap finish EXIT

cat >"$dir/elasticmq.conf" <<'CONF'
include classpath("application.conf")
node-address { protocol = http, host = "127.0.0.1", port = 4598, context-path = "" }
rest-sqs { enabled = true, bind-port = 4598, bind-hostname = "127.0.0.1", sqs-limits = strict }
rest-stats { enabled = false }
CONF
java -Xmx2g -Dconfig.file="$dir/elasticmq.conf" -cp "$peer/lib/*" org.elasticmq.server.Main >"$dir/elasticmq.log" 2>&1 &
theirs=$!
go build -o "$dir/waystation" ./cmd/waystation
"$dir/waystation" serve --data "$dir/data" --listen 127.0.0.1:4599 --log-level warn >/dev/null &
ours=$!
await() { # until process $1 answers at $2, for half a minute
  for _ in $(seq 300); do
    kill -0 "$1" # it ended: so do we
    if curl -s -o /dev/null "$2"; then return; fi
    sleep 0.1
  done
  echo "nothing answers at $2" >&2
  exit 1
}
await "$ours" http://127.0.0.1:4599/readyz
await "$theirs" http://127.0.0.1:4598/

# The Java machine compiles what runs often: give it the chance first.
"$dir/waystation" bench send batch receive-delete fifo --endpoint http://127.0.0.1:4598 -d 5s --fill 5000 >/dev/null

"$dir/waystation" bench --endpoint http://127.0.0.1:4599 --pid "$ours" \
  --compare http://127.0.0.1:4598 --compare-pid "$theirs" -d 15s --rounds 3 "$@"
