#!/usr/bin/env bash
# Holds the pattern package against event-ruler, the field's published matcher, on
# generated rules and events. It counts the differences that docs/patterns.md tells
# and fails on any other. Run by hand.
#
#   test/oracle/run.sh [CASES]
#
# Needs Go, Java 17 or later and Maven, which fetches event-ruler from Maven Central
# into ~/.cache/waystation-bench.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version=${RULER_VERSION:-2.1.0}
peer=${XDG_CACHE_HOME:-$HOME/.cache}/waystation-bench/event-ruler-$version
if [[ ! -d $peer/lib ]]; then
  mkdir -p "$peer"
  cat >"$peer/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>oracle</groupId><artifactId>peer</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>software.amazon.event.ruler</groupId><artifactId>event-ruler</artifactId><version>$version</version>
    </dependency>
  </dependencies>
</project>
POM
  mvn -q -B -f "$peer/pom.xml" dependency:copy-dependencies -DoutputDirectory="$peer/lib.new"
  mv "$peer/lib.new" "$peer/lib"
fi

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
javac -cp "$peer/lib/*" -d "$dir" test/oracle/ruler/Ruler.java
WAYSTATION_ORACLE="java -cp $dir:$peer/lib/* Ruler" WAYSTATION_ORACLE_CASES=${1:-20000} \
  go test -tags oracle -count=1 -v -run '^TestAgainstRuler$' ./internal/pattern
