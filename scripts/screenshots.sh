#!/usr/bin/env bash
# Takes the pictures of docs/img in a real Chromium.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."
.venv/bin/python -m pip install --quiet --disable-pip-version-check "playwright~=1.65"
exec .venv/bin/python -m scripts.screenshots
