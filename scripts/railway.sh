#!/usr/bin/env bash
# Checks .railway/railway.ts: its types against those that Railway publishes (npm package `railway`), its graph by Railway's own
# SDK, and that both are what the tests deploy (tests/railway/graph.json). --write puts the graph there; --bring only fetches
# what that needs, which other tests may run beside.
set -eu
unset ROADMAP_REPOSITORY # a deployer's setting; the graph that is compared has none
CDPATH='' cd -- "$(dirname -- "$0")/.."
GRAPH=tests/railway/graph.json
writing=${1:-}

not_run() {
    echo "NOT RUN: .railway against Railway's published types: $1"
    [ "${writing:-}" != --write ] || exit 1
    exit 0
}

command -v npm >/dev/null || not_run "there is no npm"
if ! cmp --silent .railway/package-lock.json .railway/node_modules/brought; then
    # Without building anything and without running install scripts.
    npm ci --silent --no-fund --no-audit --ignore-scripts --prefix .railway >/dev/null 2>&1 ||
        not_run "npm could not bring what .railway/package-lock.json names"
    cp .railway/package-lock.json .railway/node_modules/brought
fi
[ "${1:-}" != --bring ] || exit 0

npm run --silent --prefix .railway check
# An unknown property must be an error: otherwise nothing has been checked.
wrong=$(mktemp -d .railway/wrong-XXXXXX)
trap 'rm -rf "$wrong" "${found:-}"' EXIT
sed 's/overlapSeconds/overlapSecond/' .railway/railway.ts >"$wrong/railway.ts"
sed 's/"include": .*/"include": ["railway.ts"]/' .railway/tsconfig.json >"$wrong/tsconfig.json"
if errors=$(.railway/node_modules/.bin/tsc --project "$wrong") || ! grep -q overlapSecond <<<"$errors"; then
    echo "error: the type check accepts a property that Railway does not have: ${errors:-}" >&2
    exit 1
fi

found=$(mktemp)
npm run --silent --prefix .railway graph >"$found"
if [ "${1:-}" = --write ]; then
    cp "$found" "$GRAPH"
elif ! diff "$GRAPH" "$found"; then
    echo "error: $GRAPH differs from .railway/railway.ts: run scripts/railway.sh --write" >&2
    exit 1
fi
if ! ROADMAP_REPOSITORY=you/roadmap npm run --silent --prefix .railway graph | grep -q '"repo": "you/roadmap"'; then
    echo "error: ROADMAP_REPOSITORY does not become the source of a service" >&2
    exit 1
fi
echo "PASSED: .railway/railway.ts, against railway $(node -p 'require("./.railway/node_modules/railway/package.json").version')"
