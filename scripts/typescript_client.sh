#!/usr/bin/env bash
# Writes dist/roadmap-service-client-VERSION.tgz: a TypeScript client of web/openapi.json, generated and
# compiled by @hey-api/openapi-ts and tsc in the versions that tests/generators/package-lock.json pins.
# Another folder can be given. npm brings both; without it the script ends with 1.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."
mkdir -p "${1:-dist}"
there=$(cd -- "${1:-dist}" && pwd)
root=$PWD

reported=$(scripts/lint_openapi.sh --bring)
[ -z "$reported" ] || { echo "$reported" >&2 && exit 1; }
PATH="$root/.venv/generators/node_modules/.bin:$PATH"
version=$(python3 -c 'from core.version import NUMBER; print(NUMBER)')

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp LICENSE "$work"
cd "$work"
cat >openapi-ts.config.mjs <<END_OF_CONFIG
export default {
  input: "$root/web/openapi.json",
  output: { path: "src", module: { extension: ".js" } },
};
END_OF_CONFIG
cat >tsconfig.json <<'END_OF_CONFIG'
{
  "compilerOptions": {
    "strict": true, "noUncheckedIndexedAccess": true, "declaration": true,
    "module": "nodenext", "target": "es2022", "lib": ["es2022", "dom", "dom.iterable"], "types": [],
    "rootDir": "src", "outDir": "dist"
  }
}
END_OF_CONFIG
cat >package.json <<END_OF_CONFIG
{
  "name": "roadmap-service-client",
  "version": "$version",
  "description": "Client of the Roadmap API, generated from its OpenAPI description",
  "license": "MIT",
  "type": "module",
  "exports": "./dist/index.js",
  "files": ["dist"]
}
END_OF_CONFIG
openapi-ts --silent --no-log-file --file openapi-ts.config.mjs
echo 'export { client } from "./client.gen.js";' >>src/index.ts
tsc
npm pack --silent --ignore-scripts --pack-destination "$there"
