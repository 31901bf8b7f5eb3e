#!/usr/bin/env bash
# Builds Dockerfile.railway and starts the image for real: with Docker where an engine runs, otherwise with buildah as root, on a
# base of Debian's own Python instead of the official image. Prints NOT RUN and ends with 0 where neither can be had.
# BASE names another base image (Docker only). PIP_* and the proxies of the environment hold during the build and stay out of
# the image.
set -euo pipefail
umask 022
cd "$(dirname "$0")/.."

DOCKERFILE=Dockerfile.railway
IMAGE=roadmap:latest
BASE_WITHOUT_DOCKER=localhost/debian-python:latest
BUILD_LIMIT=1200  # seconds for one step of the build
START_LIMIT=60    # seconds until /health answers
STOP_LIMIT=30     # seconds from SIGTERM to the end; SHUTDOWN_GRACE_SECONDS is 20
SERVICE_LIMIT=180 # seconds for the whole life of a trial service
TOOLS=(buildah netavark debootstrap)        # Debian's packages; buildah does not start without netavark
STATE=(/var/lib/containers /run/containers) # what buildah makes outside the storage that it is given

# ask.py PORT LIMIT: waits for /health, then posts a goal; ends with 0 after a 202.
ASK='
import http.client, json, sys, time

def ask(method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=10)
    connection.request(method, path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    print(f"  {method} {path} answers {answer.status}")
    return answer.status, answer.read().decode()

deadline = time.monotonic() + float(sys.argv[2])
while True:
    try:
        if ask("GET", "/health")[0] == 200:
            break
    except OSError as error:
        if time.monotonic() > deadline:
            sys.exit(f"/health does not answer: {error}")
    time.sleep(0.2)
status, body = ask("POST", "/api/v1/roadmaps", json.dumps({"goal": "Become a backend engineer in Python"}))
sys.exit(0 if status == 202 else body)
'

# look.sh NAME...: what the image must not have; NAMEs are the build-time settings.
# shellcheck disable=SC2016 # expands inside the image
LOOK='
problem() { echo "$*"; exit 1; }
[ "$(id -u)" -ne 0 ] || problem "the image runs as root"
for tool in gcc cc g++ c++ clang tcc make; do
    if command -v "$tool"; then problem "a compiler is inside"; fi
done
if python -c "import pip" 2>/dev/null; then problem "pip is in the venv"; fi
[ ! -w . ] && [ ! -w core ] && [ ! -w .venv ] || problem "the user can write what it runs"
[ -w data ] || problem "the user cannot write data/"
for name in "$@"; do
    if printenv "$name" >/dev/null; then problem "$name has ended in the image"; fi
done
echo "  runs as $(id -un) (uid $(id -u)), which can write data/ alone; no gcc, no cc, no pip in the venv"
'

not_run() {
    echo "NOT RUN: $*"
    exit 0
}

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# WHAT LIMIT COMMAND...: quiet, unless it fails.
step() {
    local what=$1 status=0
    shift
    timeout --foreground --kill-after=10 "$@" >>"$log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then
        tail -n 40 "$log" >&2
        fail "$what ended with $status"
    fi
}

# LIMIT COMMAND...
until_true() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        if [ "$SECONDS" -ge "$deadline" ]; then return 1; fi
        sleep 0.2
    done
}

docker_is_there() { command -v docker >/dev/null && timeout 20 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

docker_build() {
    local base=${BASE:-$(sed -n 's/^ARG BASE=//p' "$DOCKERFILE")}
    timeout 30 docker image inspect "$base" >/dev/null 2>&1 || step "fetching the base" "$BUILD_LIMIT" docker pull "$base"
    step "the build" "$BUILD_LIMIT" docker build --file "$DOCKERFILE" --tag "$IMAGE" \
        --build-arg "BASE=$base" "${build_arguments[@]}" .
    base_bytes=$(timeout 30 docker image inspect --format '{{.Size}}' "$base")
    image_bytes=$(timeout 30 docker image inspect --format '{{.Size}}' "$IMAGE")
    port=8000 # of the container's own network
}

docker_start() { timeout --foreground "$SERVICE_LIMIT" docker run --rm --name "$container" "$@" "$IMAGE" 2>&1; }
docker_has_started() { [ "$(timeout 30 docker inspect --format '{{.State.Running}}' "$container" 2>/dev/null)" = true ]; }
docker_inside() { timeout --foreground "$SERVICE_LIMIT" docker exec "$container" "$@"; }
docker_terminate() { timeout 30 docker kill --signal TERM "$container" >/dev/null; }

# Installs what is missing; says why it cannot.
buildah_is_there() {
    local missing=() tool
    [ "$(id -u)" -eq 0 ] || { echo "buildah and debootstrap need root" && return 1; }
    command -v apt-get >/dev/null || { echo "there is no apt-get to get a base from" && return 1; }
    for tool in "${TOOLS[@]}"; do
        dpkg-query --show --showformat '${Status}' "$tool" 2>/dev/null | grep --quiet 'ok installed' || missing+=("$tool")
    done
    if [ "${#missing[@]}" -gt 0 ] || [ -z "$(mirror)" ]; then
        timeout --foreground 300 apt-get update >>"$log" 2>&1 || { echo "apt-get update fails" && return 1; }
    fi
    if [ "${#missing[@]}" -gt 0 ]; then
        DEBIAN_FRONTEND=noninteractive timeout --foreground 600 \
            apt-get install --yes --no-install-recommends "${missing[@]}" >>"$log" 2>&1 ||
            { echo "apt-get cannot install ${missing[*]}" && return 1; }
    fi
    [ -n "$(mirror)" ] || { echo "apt names no HTTP mirror of this system's release" && return 1; }
}

# The release of this system, the mirror that apt uses for it and that mirror's components.
mirror() {
    local release
    # shellcheck disable=SC1091
    release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016 # apt's own placeholders
    apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Identifier: Packages' 2>/dev/null |
        awk -v release="$release" '
            $1 ~ /^https?:/ && $2 == release && (uri == "" || uri == $1) && !seen[$3]++ {
                uri = $1
                components = components (components == "" ? "" : ",") $3
            }
            END { if (uri != "") print release, uri, components }'
}

buildah_build() {
    local release uri components limits bundle
    read -r release uri components < <(mirror)
    command=(buildah --root "$scratch/storage" --runroot "$scratch/run" --storage-driver vfs)
    limits=(--ulimit "nofile=$(limit n)" --ulimit "nproc=$(limit u)") # without them buildah raises both, which not every root may
    export BUILDAH_ISOLATION=chroot TMPDIR=$scratch/tmp
    mkdir "$TMPDIR"

    base=$(timeout 60 "${command[@]}" from scratch)
    mount=$(timeout 60 "${command[@]}" mount "$base")
    step "making the base" "$BUILD_LIMIT" debootstrap --variant=minbase --components="$components" \
        --include=python3,python3-venv,python3-pip,ca-certificates "$release" "${mount:?}" "$uri"
    rm -rf "${mount:?}"/var/cache/apt/archives/*.deb "${mount:?}"/var/lib/apt/lists/*
    base_bytes=$(size "$mount")
    step "keeping the base" 300 "${command[@]}" commit --rm "$base" "$BASE_WITHOUT_DOCKER"

    bundle=${PIP_CERT:-${SSL_CERT_FILE:-${REQUESTS_CA_BUNDLE:-}}}
    if [ -f "$bundle" ]; then # mounted over a folder that every base has, so that nothing of it stays
        mkdir "$scratch/certificates"
        cp "$bundle" "$scratch/certificates/bundle.crt"
        build_arguments+=(--build-arg PIP_CERT=/mnt/bundle.crt --volume "$scratch/certificates:/mnt:ro")
    fi
    step "the build" "$BUILD_LIMIT" "${command[@]}" build --file "$DOCKERFILE" --tag "$IMAGE" --network host "${limits[@]}" \
        --build-arg "BASE=$BASE_WITHOUT_DOCKER" "${build_arguments[@]}" .
    step "making the container" 300 "${command[@]}" from --name "$container" --network host "${limits[@]}" "localhost/$IMAGE"
    mount=$(timeout 60 "${command[@]}" mount "$container")
    image_bytes=$(size "$mount")
    mapfile -t entrypoint < <(timeout 60 "${command[@]}" inspect --type image \
        --format '{{range .OCIv1.Config.Entrypoint}}{{println .}}{{end}}' "localhost/$IMAGE" | sed '/^$/d')
    port=$(free_port)
}

limit() { echo "$(ulimit "-S$1"):$(ulimit "-H$1")" | sed 's/unlimited/-1/g'; }
size() { du --summarize --bytes --one-file-system "$1" | cut -f 1; }

free_port() {
    local port
    for port in $(shuf --input-range 18000-28000 --head-count 20); do
        (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port" && return; }
    done
}

# With this isolation a container has no process numbers of its own: /tmp/pid is what to signal.
buildah_start() {
    # shellcheck disable=SC2016 # expands inside the image
    timeout --foreground "$SERVICE_LIMIT" "${command[@]}" run "$@" "$container" -- \
        sh -c 'echo "$$" >/tmp/pid && exec "$@" 2>&1' sh "${entrypoint[@]}" 2>>"$log"
}
buildah_has_started() { [ -s "$mount/tmp/pid" ]; }
buildah_inside() { timeout --foreground "$SERVICE_LIMIT" "${command[@]}" run "$container" -- "$@"; }
buildah_terminate() { kill -TERM "$(cat "$mount/tmp/pid")"; }

try_image() {
    local build_arguments=() settings=() name command base mount entrypoint port base_bytes image_bytes
    mapfile -t settings < <(sed -n 's/^ARG \(PIP_[A-Z_]*\)$/\1/p' "$DOCKERFILE")
    for name in "${settings[@]}" HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy; do
        # Without a value here, so that none shows among the processes. A path of this machine says nothing inside the build:
        # buildah_build takes the file of PIP_CERT along, Docker's engine has certificates of its own.
        if [ "$name" != PIP_CERT ] && [ -n "${!name:-}" ]; then build_arguments+=(--build-arg "$name"); fi
    done
    echo "Building $DOCKERFILE with $engine ..."
    "${engine}_build"
    echo "  adds $(megabytes $((image_bytes - base_bytes))) MB to a base of $(megabytes "$base_bytes") MB:" \
        "$(megabytes "$image_bytes") MB in all"
    try_embedded
    for name in api huey_logs huey_content; do try_refusal "$name"; done
    echo "PASSED: the image builds, serves and stops"
}

megabytes() { echo $((($1 + 500000) / 1000000)); }

try_embedded() {
    local service status=0 started
    echo "Starting it with SERVICE_TYPE=all, embedded mode ..."
    "${engine}_start" --env SERVICE_TYPE=all --env "PORT=$port" >"$scratch/service.log" &
    service=$!
    until_true "$START_LIMIT" "${engine}_has_started" || service_failed "it does not start"
    "${engine}_inside" python -c "$ASK" "$port" "$START_LIMIT" || service_failed "the goal was not accepted"
    "${engine}_inside" sh -c "$LOOK" sh "${settings[@]}" || service_failed "the image has what it must not have"
    started=$SECONDS
    "${engine}_terminate"
    until_true "$STOP_LIMIT" has_ended "$service" || service_failed "it does not end within $STOP_LIMIT s of SIGTERM"
    wait "$service" || status=$?
    [ "$status" -eq 0 ] || service_failed "it ended with $status after SIGTERM"
    echo "  SIGTERM ends it with 0 after $((SECONDS - started)) s"
}

has_ended() { ! kill -0 "$1" 2>/dev/null; }

service_failed() {
    tail -n 20 "$scratch/service.log" "$log" >&2
    fail "$*"
}

# A single service without DATABASE_URL: one sentence, and 1.
try_refusal() {
    local said status=0
    said=$("${engine}_start" --env "SERVICE_TYPE=$1") || status=$?
    if [ "$status" -ne 1 ] || [ "$(wc -l <<<"$said")" -ne 1 ] || [[ $said != "error: "*DATABASE_URL*"SERVICE_TYPE=$1"* ]]; then
        fail "SERVICE_TYPE=$1 without DATABASE_URL ended with $status and said: $said"
    fi
    echo "  SERVICE_TYPE=$1 without DATABASE_URL ends with 1: ${said:0:68}..."
}

# The trial is this script again, in a session of its own and with buildah in namespaces of its own: none of its processes
# or mounts outlives it, whatever happens.
if [ "${1:-}" = trial ]; then
    engine=$2 scratch=$3 container=$4
    log=$scratch/log
    try_image
    exit 0
fi

clean_up() {
    trap '' INT TERM
    if [ -n "$trial" ]; then
        kill -KILL -- "-$trial" 2>/dev/null || true
        wait "$trial" 2>/dev/null || true
    fi
    if [ "$engine" = docker ]; then timeout 60 docker rm --force --volumes "$container" >/dev/null 2>&1 || true; fi
    rm -rf --one-file-system "$scratch" "${made[@]}" || { sleep 1 && rm -rf --one-file-system "$scratch" "${made[@]}"; }
}

engine="" trial="" made=() container=roadmap-trial-$$
scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/roadmap-image.XXXXXX") # /tmp often forbids the device files of a base
log=$scratch/log
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

own=(setsid)
if docker_is_there; then
    engine=docker
elif why=$(buildah_is_there); then
    engine=buildah
    own+=(unshare --mount --pid --fork --kill-child --mount-proc)
    for folder in "${STATE[@]}"; do
        if [ ! -e "$folder" ]; then made+=("$folder"); fi
    done
else
    not_run "no Docker engine runs here, and $why"
fi
"${own[@]}" "$BASH" "scripts/$(basename "$0")" trial "$engine" "$scratch" "$container" </dev/null &
trial=$!
wait "$trial"
