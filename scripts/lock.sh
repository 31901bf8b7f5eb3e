#!/usr/bin/env bash
# Writes requirements/service.lock from requirements.txt: every package with what it needs, for every platform and Python from 3.11 on,
# with the hashes of all its files. Versions of the present lock stay while they fit; --upgrade takes the newest that
# requirements.txt allows. One version serves every Python (--fork-strategy fewest), so that what is tested is what runs.
# In the same way requirements/mcp.lock and requirements/s3.lock (the extras, in versions that fit requirements/service.lock) and
# requirements/build.lock (what pyproject.toml's [build-system] asks for).
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"${PYTHON:-python3}" -m venv "$tools"
"$tools/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir "uv~=0.13.9" # Apache-2.0 or MIT
# uv does not read pip's configuration. Neither an address nor a path of this machine gets into the lock.
index=${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$("$tools/bin/python" -m pip config get global.index-url 2>/dev/null || true)}}
if [ -n "$index" ]; then export UV_DEFAULT_INDEX="$index"; fi
if [ -n "${PIP_CERT:-}" ]; then export SSL_CERT_FILE="$PIP_CERT"; fi
lock() {
    "$tools/bin/uv" --no-config --no-cache pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
        --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" "$@"
}
lock "$@" --output-file requirements/service.lock requirements.txt
for extra in mcp s3; do
    lock "$@" --output-file "requirements/$extra.lock" --constraints requirements/service.lock "requirements/$extra.txt"
done
"$tools/bin/python" -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])' |
    lock "$@" --output-file requirements/build.lock -
