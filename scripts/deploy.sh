#!/usr/bin/env bash
# Checks what is in deploy/ and the Dockerfile as far as that goes without an engine or a
# cluster: Kubernetes' schemas, the schema of compose files, systemd's own check, and the
# build step of the image. Not checked: the image itself, and the resources of KEDA.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cache=${XDG_CACHE_HOME:-$HOME/.cache}/waystation/deploy
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

echo "-- Kubernetes"
version=1.37.0
if [ ! -x "$cache/$version/bin/kubernetes-validate" ]; then
  python3 -m venv "$cache/$version"
  "$cache/$version/bin/pip" --quiet install "kubernetes-validate==$version"
fi
for file in deploy/kubernetes/*.yaml; do
  # An unknown field is an error, and so is a file in which nothing was recognised.
  out=$("$cache/$version/bin/kubernetes-validate" --strict "$file" 2>&1) || { echo "$out"; exit 1; }
  grep -q 'passed for resource' <<<"$out" || { echo "$out"; echo "$file: nothing was checked"; exit 1; }
done

echo "-- compose"
mkdir "$scratch/compose"
cat >"$scratch/compose/main.go" <<'GO'
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	for _, file := range os.Args[1:] {
		options, err := cli.NewProjectOptions([]string{file}, cli.WithName("waystation"))
		if err == nil {
			_, err = options.LoadProject(context.Background())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, file+":", err)
			os.Exit(1)
		}
	}
}
GO
root=$PWD
(cd "$scratch/compose" && {
  go mod init check && go get github.com/compose-spec/compose-go/v2@v2.9.1 && go mod tidy
} >/dev/null 2>&1 && GOFLAGS=-mod=mod go run . "$root"/deploy/compose/*-node*.yaml)

echo "-- systemd"
if command -v systemd-analyze >/dev/null; then
  # The binary is not installed where the unit expects it; anything else it says counts.
  said=$(systemd-analyze verify deploy/systemd/waystation.service 2>&1 | grep -v 'is not executable: No such file' || true)
  [ -z "$said" ] || { echo "$said"; exit 1; }
else
  echo "systemd-analyze is not here: the unit is not checked"
fi

echo "-- image: its build step"
step=$(sed -n 's/^RUN CGO_ENABLED=0 go build \(.*\) -o .*$/\1/p' Dockerfile)
[ -n "$step" ] || { echo "the Dockerfile has no build step that could be checked"; exit 1; }
eval "CGO_ENABLED=0 go build $step -o '$scratch/waystation' ./cmd/waystation"
"$scratch/waystation" version
