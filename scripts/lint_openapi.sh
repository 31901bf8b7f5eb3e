#!/usr/bin/env bash
# Lints web/openapi.json by tests/generators/spectral.yaml and redocly.yaml; neither may report
# anything. npm brings both, and what tests/generators needs beside them; --bring only does that.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."
HERE=tests/generators THERE=.venv/generators

not_run() {
    echo "NOT RUN: Spectral and Redocly, which lint the description of the API: $1"
    exit 0
}

command -v npm >/dev/null || not_run "there is no npm"
if ! cmp --silent $HERE/package-lock.json $THERE/brought; then
    mkdir -p $THERE
    cp $HERE/package.json $HERE/package-lock.json $THERE
    # Without building anything and without running install scripts.
    npm ci --silent --no-fund --no-audit --ignore-scripts --prefix $THERE >/dev/null 2>&1 ||
        not_run "npm could not bring what $HERE/package-lock.json names"
    cp $HERE/package-lock.json $THERE/brought
fi
[ "${1:-}" != --bring ] || exit 0

export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true # it would call others
PATH="$PWD/$THERE/node_modules/.bin:$PATH"
spectral lint --fail-severity hint --ruleset $HERE/spectral.yaml web/openapi.json
redocly lint --format stylish --config $HERE/redocly.yaml web/openapi.json 2>/dev/null
