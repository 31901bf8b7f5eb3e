#!/usr/bin/env bash
# Starts the service that SERVICE_TYPE names: api (default), huey_logs, huey_content, or all three in one instance.
# core/startup/run_service.py checks the settings and starts it. `exec` passes signals on.
set -eu
CDPATH='' cd -P -- "$(dirname -- "$0")" # the target of a link, which an upgrade may change while this runs

if [ -x .venv/bin/python ]; then PATH="$PWD/.venv/bin:$PATH"; fi
export SERVICE_TYPE="${SERVICE_TYPE:-api}" PYTHONUNBUFFERED=1
export MALLOC_ARENA_MAX=1 # of glibc: one for each thread keeps memory that no other may use
exec python -m core.startup.run_service
