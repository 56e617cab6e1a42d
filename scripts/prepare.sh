#!/usr/bin/env bash
# Installs what the tests need beside Go, where it is missing and can be
# installed: make and a C compiler (race detector), Python with venv and Node
# with npm (the SDKs of those languages).
set -euo pipefail

missing=()
command -v make >/dev/null || missing+=(make)
command -v gcc >/dev/null || missing+=(gcc libc6-dev)
# a trial run: on Debian python3 can be there without what makes environments
trial=$(mktemp -d)
trap 'rm -rf "$trial"' EXIT
python3 -m venv "$trial/venv" >/dev/null 2>&1 || missing+=(python3 python3-venv)
{ command -v node && command -v npm; } >/dev/null || missing+=(nodejs npm)

if [ ${#missing[@]} -gt 0 ]; then
  if ! command -v apt-get >/dev/null || { [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; }; then
    echo "Please install ${missing[*]} (the names are Debian's): the tests need them, and it can't be done from here." >&2
    exit 1
  fi
  echo "== installing ${missing[*]}"
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
