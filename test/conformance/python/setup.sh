#!/bin/sh
# Makes the virtual environments of the Python tests and prints their folders,
# a line each: the one with a boto3 that speaks JSON, the one with a boto3 that
# speaks Query, and the one with the AWS command line, which needs a botocore of
# its own. They are kept in the user's cache folder
# under a name made of their requirements, and used again.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/waystation-tests
python=${PYTHON:-python3}

command -v "$python" >/dev/null 2>&1 || {
	echo "setup.sh: $python is missing: install Python 3.10 or later with venv, or set PYTHON" >&2
	exit 1
}

# Several tests ask at the same time: one of them makes what is missing.
mkdir -p "$cache"
exec 9>"$cache/lock"
if command -v flock >/dev/null 2>&1; then flock 9; fi

for kind in new old cli; do
	requirements=$here/requirements-$kind.txt
	sum=$({ "$python" --version; cat "$requirements"; } | cksum | tr ' ' -)
	venv=$cache/python-$kind-$sum
	if [ ! -f "$venv/complete" ]; then
		# Made under another name first: an interrupted installation is never used.
		making=$(mktemp -d "$cache/making-XXXXXX")
		trap 'rm -rf "$making"' EXIT
		"$python" -m venv "$making/venv" >&2
		"$making/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements" >&2
		touch "$making/venv/complete"
		# A virtual environment works from where it is started by its own python. If
		# somebody else has made it meanwhile, it is in use.
		if [ ! -f "$venv/complete" ]; then
			rm -rf "$venv"
			mv "$making/venv" "$venv"
		fi
		rm -rf "$making"
		trap - EXIT
	fi
	echo "$venv"
done
