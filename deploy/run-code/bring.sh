#!/usr/bin/env bash
# Brings Pyodide and sql.js from npm into web/run, as package-lock.json names them by hash; the pages of lessons then run their
# Python and SQL in the browser. NOT RUN where npm cannot bring them; with --must that is an error.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/../.."
HERE=deploy/run-code INTO=web/run

not_run() {
    echo "NOT RUN: the code of lessons in the page: $1"
    [ "${must:-}" != --must ] || exit 1
    exit 0
}

must=${1:-}
version=$(sha256sum "$HERE/package-lock.json" "$HERE/bring.sh" | sha256sum | cut -c 1-64)
if [ "$(cat "$INTO/version" 2>/dev/null)" != "$version" ]; then
    command -v npm >/dev/null || not_run "there is no npm"
    brought=$(mktemp -d)
    trap 'rm -rf "$brought"' EXIT
    cp "$HERE/package.json" "$HERE/package-lock.json" "$brought"
    npm ci --silent --no-fund --no-audit --ignore-scripts --prefix "$brought" >/dev/null 2>&1 ||
        not_run "npm could not bring what $HERE/package-lock.json names"
    cd "$brought/node_modules"
    mkdir run
    cp pyodide/pyodide.mjs pyodide/pyodide.asm.mjs pyodide/pyodide.asm.wasm pyodide/python_stdlib.zip run
    # Of the packages that Pyodide offers none is brought, so none is listed.
    node -p 'JSON.stringify({ info: require("./pyodide/pyodide-lock.json").info, packages: {} })' >run/pyodide-lock.json
    cp sql.js/dist/sql-wasm.js sql.js/dist/sql-wasm.wasm run
    cp sql.js/LICENSE run/sql.js.LICENSE.txt
    # Pyodide's package has no licence file; MPL-2.0 asks for a notice, and for the place of the source.
    node -p '`Pyodide ${require("./pyodide/package.json").version}, unchanged: Mozilla Public License 2.0 (https://mozilla.org/MPL/2.0/).
It contains CPython: PSF License 2 (https://docs.python.org/3/license.html).
Source: https://github.com/pyodide/pyodide/tree/${require("./pyodide/package.json").version}`' >run/pyodide.LICENSE.txt
    gzip --best --keep --no-name run/*.mjs run/*.js run/*.wasm
    echo "$version" >run/version
    cd - >/dev/null
    rm -rf "$INTO"
    mv "$brought/node_modules/run" "$INTO"
    chmod -R u=rwX,go=rX "$INTO"
fi
echo "Code of lessons runs in the page: Pyodide and sql.js are in $INTO"
