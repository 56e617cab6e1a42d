#!/usr/bin/env bash
# Has a real browser call the API from web pages (CORS). Takes Chromium or Chrome where
# there is one, and installs Chromium on Debian.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

find_browser() { command -v chromium || command -v google-chrome || command -v chromium-browser; }
if [ -z "${BROWSER:-}" ] && ! find_browser >/dev/null; then
  if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "Please install chromium, or name a browser of its kind by BROWSER: it can't be done from here." >&2
    exit 1
  fi
  echo "== installing chromium"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
fi
BROWSER=${BROWSER:-$(find_browser)} go test -count=1 -timeout 5m -tags browser ./test/browser
