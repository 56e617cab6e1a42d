#!/usr/bin/env bash
# Writes testdata/smithy.jsonl anew from the protocol tests that Smithy publishes on
# Maven Central (Apache-2.0). Needs Java, Maven and Go; the tests need none of them.
#
# The versions are pinned: raise them on purpose, and see what the tests say.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

cli=1.73.0    # smithy-cli and what it is made of
aws=1.74.1    # smithy-aws-protocol-tests and the traits that they use
rpc=1.54.0    # smithy-protocol-tests, of RPC v2

repository=${MAVEN_REPOSITORY:-$HOME/.m2/repository}
jar() { # ARTIFACT VERSION: its path, fetched if it is not there
  local path=$repository/software/amazon/smithy/$1/$2/$1-$2.jar
  [ -f "$path" ] || mvn -B -q -Dmaven.repo.local="$repository" dependency:get -Dartifact="software.amazon.smithy:$1:$2" -Dtransitive=false >&2
  echo "$path"
}

tool=()
for part in cli model utils build diff syntax; do tool+=("$(jar smithy-$part $cli)"); done
traits=("$(jar smithy-aws-traits $aws)" "$(jar smithy-protocol-test-traits $aws)"
  "$(jar smithy-protocol-traits $rpc)" "$(jar smithy-validation-model $rpc)")
classpath=$(IFS=:; echo "${tool[*]}:${traits[*]}")

ast=$(mktemp)
trap 'rm -f "$ast"' EXIT
java -cp "$classpath" software.amazon.smithy.cli.SmithyCli ast --quiet --flatten \
  "${traits[@]}" "$(jar smithy-protocol-tests $rpc)" "$(jar smithy-aws-protocol-tests $aws)" >"$ast"
go run extract.go <"$ast" >testdata/smithy.jsonl
