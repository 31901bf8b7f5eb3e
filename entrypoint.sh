#!/bin/sh
# Starts the service that SERVICE_TYPE names: api (default), huey_logs, huey_content, or all three in one instance.
# cli/run_services.py checks the settings and starts it. `exec` passes signals on. ROADMAP_PYTHON names the
# interpreter, set by the commands that start this: installed in an environment of its own, `python` is another one.
set -eu
# The target of links: an upgrade may change one while this runs, and the image has one to the installed wheel.
CDPATH='' cd -P -- "$(dirname -- "$(readlink -f -- "$0")")"

if [ -x .venv/bin/python ]; then PATH="$PWD/.venv/bin:$PATH"; fi
export SERVICE_TYPE="${SERVICE_TYPE:-api}" PYTHONUNBUFFERED=1
export MALLOC_ARENA_MAX=1 # of glibc: one for each thread keeps memory that no other may use
export MALLOC_MMAP_THRESHOLD_=262144 # bytes; without it a freed password hash (19 MiB) stays in the heap
unset PYTHONSAFEPATH # modules of this folder come before others of the same name
exec "${ROADMAP_PYTHON:-python}" -m cli.run_services
