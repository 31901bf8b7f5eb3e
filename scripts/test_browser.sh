#!/usr/bin/env bash
# Runs tests/browser in a real Chromium. PyPI cannot bring one: Debian's is installed where that is possible, the one
# without windows (chromium-headless-shell) where there is such a package: a page costs a third in it.
# From npm: axe-core, which looks for barriers, and a validator of HTML: vnu where there is Java, else html-validate.
# With --bring it only brings those that are not of Python, which other tests may run beside.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."
AXE=axe-core@4.14.1 VNU=vnu-jar@26.9.27 HTML_VALIDATE=html-validate@10

not_run() {
    echo "NOT RUN: $1"
    exit 0
}

install() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --no-remove "$1" >/dev/null 2>&1
}

if [ -z "${ROADMAP_TEST_CHROMIUM:-}" ] && ! command -v chromium-headless-shell >/dev/null; then
    if command -v chromium >/dev/null; then # which does as well
        [ "$(id -u)" != 0 ] || ! apt-cache show chromium-headless-shell >/dev/null 2>&1 || install chromium-headless-shell || true
    else
        command -v apt-get >/dev/null || not_run "there is no chromium, and no apt-get to install it; ROADMAP_TEST_CHROMIUM may name one"
        [ "$(id -u)" = 0 ] || not_run "there is no chromium, and installing it needs root: apt-get install chromium"
        echo "Installing chromium (once) ..."
        { apt-get update -qq >/dev/null 2>&1 && { install chromium-headless-shell || install chromium; }; } ||
            not_run "apt-get could not install chromium"
    fi
fi
command -v java >/dev/null && validator=$VNU || validator=$HTML_VALIDATE
if ! grep -qsxF "$AXE $validator" .venv/npm/brought; then
    if ! command -v npm >/dev/null; then
        echo "NOT RUN, of these tests: barriers (axe-core) and the validity of HTML, for want of npm"
    elif npm install --silent --no-fund --no-audit --ignore-scripts --prefix .venv/npm "$AXE" "$validator" >/dev/null; then
        echo "$AXE $validator" >.venv/npm/brought
    else
        echo "NOT RUN, of these tests: barriers (axe-core) and the validity of HTML; npm could not bring $AXE and $validator"
    fi
fi
deploy/run-code/bring.sh
.venv/bin/python -m pip install --quiet --disable-pip-version-check "playwright~=1.65"
[ "${1:-}" != --bring ] || exit 0
exec .venv/bin/python -m pytest --numprocesses "${TESTERS:-3}" --dist loadfile -rs tests/browser "$@"
