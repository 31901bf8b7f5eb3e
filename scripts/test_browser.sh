#!/usr/bin/env bash
# Runs tests/browser in a real Chromium. PyPI cannot bring one: Debian's is installed where that is possible.
set -eu
cd "$(dirname "$0")/.."

not_run() {
    echo "NOT RUN: $1"
    exit 0
}

if [ -z "${ROADMAP_TEST_CHROMIUM:-}" ] && ! command -v chromium >/dev/null; then
    command -v apt-get >/dev/null || not_run "there is no chromium, and no apt-get to install it; ROADMAP_TEST_CHROMIUM may name one"
    [ "$(id -u)" = 0 ] || not_run "there is no chromium, and installing it needs root: apt-get install chromium"
    echo "Installing chromium (once) ..."
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } \
        >/dev/null 2>&1 || not_run "apt-get could not install chromium"
fi
.venv/bin/python -m pip install --quiet --disable-pip-version-check "playwright~=1.65"
exec .venv/bin/python -m pytest tests/browser
