#!/usr/bin/env bash
# Builds the documentation site into site/ and fails at a dead link; `serve` shows it on loopback and follows changes.
# npm brings what draws the diagrams; where it cannot, they stay text.
set -euo pipefail
CDPATH='' cd -- "$(dirname -- "$0")/.."
DOCS=.venv-docs MERMAID=11.17.2
FILES="README.md README.zh-CN.md CHANGELOG.md LICENSE docs compose.yaml
    .github/CONTRIBUTING.md .github/SECURITY.md .github/CODE_OF_CONDUCT.md examples/client.py examples/receiver.py .railway/railway.ts .railway/template.md"

rm -rf $DOCS/tree
for file in $FILES; do
    mkdir -p "$DOCS/tree/$(dirname "$file")"
    ln -s "$PWD/$file" "$DOCS/tree/$file"
done
ln -s "$PWD/web/static/icon.svg" $DOCS/tree/icon.svg
ln -s "$PWD/scripts/docs.css" $DOCS/tree/site.css
if ! grep -qs "\"$MERMAID\"" $DOCS/package/package.json; then # not yet, or another version
    { packed=$(npm pack --silent --pack-destination $DOCS "@mermaid-js/tiny@$MERMAID") && tar -xzf "$DOCS/$packed" -C $DOCS; } 2>/dev/null ||
        echo "NOT RUN: diagrams, for npm could not bring mermaid"
fi
[ ! -e $DOCS/package ] || ln -s "$PWD/$DOCS/package/dist/mermaid.tiny.js" $DOCS/tree/mermaid.js

export NO_MKDOCS_2_WARNING=1 # what requirements/docs.txt says
[ "${1:-}" != serve ] || exec $DOCS/bin/mkdocs serve --config-file docs/mkdocs.yml --dev-addr 127.0.0.1:8080
$DOCS/bin/mkdocs build --config-file docs/mkdocs.yml --strict 2>&1 | { grep -v '^INFO' || true; } # with --quiet, mkdocs counts no warning
grep -rhoE '<a [^>]*href="https?://[^"#]+' site --include='*.html' | sed 's/.*href="//' | sort -u >site/links.txt
echo "Built: site/, $(find site -name '*.html' | wc -l) pages. $(wc -l <site/links.txt) links to other hosts were not visited: site/links.txt"
