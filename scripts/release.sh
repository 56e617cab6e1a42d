#!/usr/bin/env bash
# Builds the binary for every system that a release is made for:
#   scripts/release.sh            checks that it builds, keeps nothing
#   scripts/release.sh DIR        leaves waystation-OS-ARCH and SHA256SUMS in DIR
#   TARGETS="windows/amd64 darwin/arm64" scripts/release.sh    only these
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

read -ra targets <<<"${TARGETS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64}"
out=${1:-}
scratch=
if [ -z "$out" ]; then
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
fi
dir=${out:-$scratch}
mkdir -p "$dir"
for target in "${targets[@]}"; do
  os=${target%/*} arch=${target#*/} suffix=
  [ "$os" = windows ] && suffix=.exe
  echo "-- $target"
  CGO_ENABLED=0 GOOS=$os GOARCH=$arch \
    go build -trimpath -ldflags '-s -w' -o "$dir/waystation-$os-$arch$suffix" ./cmd/waystation
done
if [ -n "$out" ]; then
  (cd "$out" && sha256sum waystation-* >SHA256SUMS)
fi
