#!/usr/bin/env bash
# Starts the service that SERVICE_TYPE names: api (default), huey_logs, huey_content, or all three in one instance.
# The check before each start says in one sentence what is missing: core/launch.py does it in the process of the service itself,
# and before several processes it is done once. `exec` hands the process over, signals included.
set -eu
cd "$(dirname "$0")"

if [ -x .venv/bin/python ]; then PATH="$PWD/.venv/bin:$PATH"; fi
export SERVICE_TYPE="${SERVICE_TYPE:-api}" PYTHONUNBUFFERED=1
export MALLOC_ARENA_MAX=1 # of glibc: one for each thread keeps memory that no other may use

# huey_consumer: -g TERM stops gracefully on SIGTERM, -t ends the grace; -q leaves the logging to core/logging_setup.py
grace="${SHUTDOWN_GRACE_SECONDS:-20}"
launch="python -m core.launch"
consumer="huey_consumer -q -g TERM -t $grace"

api() {
    local host="${HOST:-}" workers="${API_WORKERS:-1}"
    host="${host// /}"
    if [ -z "$host" ]; then # every address of both families: with several workers "::" serves both, with one only "" does
        if [ -z "${DATABASE_URL:-}" ]; then host=127.0.0.1; elif [ "$workers" -gt 1 ]; then host="::"; fi
    fi
    exec $launch uvicorn roadmap_app:app --host "$host" --port "${PORT:-8000}" --workers "$workers" \
        --no-proxy-headers --no-access-log --log-level warning --log-config core/uvicorn_logging.json --timeout-graceful-shutdown 5 --no-server-header --ws none --http web.protocol:BoundedProtocol
}
huey_logs() { exec $launch $consumer -w "${LOGS_WORKERS:-2}" tasks.queues.logs_queue; }
huey_content() { exec $launch $consumer -w "${CONTENT_WORKERS:-4}" tasks.queues.content_queue; }

all() {
    set -m # each child in a process group of its own, so that Ctrl-C reaches this script alone and the end is orderly
    local pids=()
    stop() {
        trap '' INT TERM HUP
        trap - EXIT
        local pid started # once each, since a second SIGTERM ends the grace of a consumer
        # From both lists: a signal may come between a start and its note, and a service may have ended.
        started="$(printf '%s\n' $(jobs -p) ${pids[*]-} | sort -u)"
        for pid in $started; do kill -TERM -- "-$pid" 2>/dev/null || true; done
        for _ in $(seq $((10 * (10#0${grace%%[!0-9]*} + 15)))); do [ -n "$(jobs -pr)" ] || break; sleep 0.1; done # none may hold up all
        for pid in $started; do # what a killed service has left behind, such as the workers of uvicorn
            for _ in $(seq 50); do kill -0 -- "-$pid" 2>/dev/null || break; sleep 0.1; done
            kill -KILL -- "-$pid" 2>/dev/null || true
        done
    }
    trap 'stop; exit 0' INT TERM HUP # before the first child: no signal may leave one behind
    trap stop EXIT # INT cannot be trapped by a shell that was started in the background, which dies of it
    for service in api huey_logs huey_content; do
        "$service" &
        pids+=($!)
    done
    python -m core.announce &
    while kill -0 "${pids[0]}" 2>/dev/null && kill -0 "${pids[1]}" 2>/dev/null && kill -0 "${pids[2]}" 2>/dev/null; do
        sleep 1 & # in the background, since a signal interrupts `wait` but not a command
        wait $! || true
    done
    echo "error: one of the services has ended; the others are stopped" >&2
    stop
    exit 1
}

preflight() { # in the background, so that a signal ends the wait for a server that is away
    python -m core.preflight &
    local pid=$!
    trap 'kill -TERM $pid 2>/dev/null; wait $pid 2>/dev/null; exit 130' INT
    trap 'kill -TERM $pid 2>/dev/null; wait $pid 2>/dev/null; exit 143' TERM HUP
    wait $pid
    trap - INT TERM HUP
}

checked() {
    preflight
    launch="" # the process of uvicorn above several workers stays small
}

case "$SERVICE_TYPE" in
    huey_logs | celery_logs) huey_logs ;;
    huey_content | celery_content) huey_content ;;
    api)
        [ "${API_WORKERS:-1}" = 1 ] || checked
        api
        ;;
    *)
        checked
        "$SERVICE_TYPE" # all: the check lets no other through
        ;;
esac
