#!/usr/bin/env bash
# Builds Dockerfile.railway, prints the size of the image and starts it: with Docker if an engine runs,
# else with buildah as root, on a base of Debian's own Python instead of the official image. Without
# both it prints NOT RUN and ends with 0. Every SERVICE_TYPE makes a roadmap as the image's user,
# without capabilities, on a read-only root; only /tmp is writable, and data/ in embedded mode.
# PostgreSQL and Redis are those of the tests: `make image` brings them. BASE names another base image
# (Docker only). PIP_* and proxies of the environment apply to the build and stay out of the image;
# EXTRAS and RUN_CODE are the build arguments of these names (make image EXTRAS=mcp).
set -euo pipefail
umask 022
CDPATH='' cd -- "$(dirname -- "$0")/.."

DOCKERFILE=Dockerfile.railway
IMAGE=roadmap:latest
BASE_WITHOUT_DOCKER=localhost/debian-python:latest
BUILD_LIMIT=1200  # seconds for one step of the build
START_LIMIT=60    # seconds until a service is ready, and from a goal to its roadmap
STOP_LIMIT=30     # seconds from SIGTERM to the end; SHUTDOWN_GRACE_SECONDS is 20
SERVICE_LIMIT=180 # seconds for the whole life of a trial service
TOOLS=(buildah netavark debootstrap)        # Debian's packages; buildah does not start without netavark
STATE=(/var/lib/containers /run/containers) # what buildah makes outside the storage that it is given

# ask.py PORT LIMIT MODE: waits until the API is ready, registers in server mode, posts a goal and waits for the roadmap.
ASK='
import http.client, json, sys, time

headers = {"Content-Type": "application/json"}

def ask(method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=10)
    connection.request(method, path, body and json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()

def ask_for(status, method, path, body=None):
    answer, text = ask(method, path, body)
    print(f"  {method} {path} answers {answer}")
    if answer != status:
        sys.exit(text)
    return json.loads(text)

def until(what, done):
    deadline = time.monotonic() + float(sys.argv[2])
    while True:
        try:
            state = done()
            if state is True:
                return
        except OSError as error:
            state = error
        if time.monotonic() > deadline:
            sys.exit(f"{what}: {state}")
        time.sleep(0.2)

def is_made():
    status = json.loads(ask("GET", path)[1])["status"]
    return status in ("ready", "partial", "failed", "cancelled") or status

until("the API is not ready", lambda: ask("GET", "/health/ready")[0] == 200)
ask_for(200, "GET", "/health")
if sys.argv[3] == "server":
    account = {"email": "trial@example.com", "password": "a long enough passphrase"}  # the first administrator
    headers["Authorization"] = "Bearer " + ask_for(200, "POST", "/api/v1/auth/login", account)["access_token"]
made = ask_for(202, "POST", "/api/v1/roadmaps", {"goal": "Become a backend engineer in Python"})
path = "/api/v1/roadmaps/" + made["id"]
until("the roadmap is not made", is_made)
status = json.loads(ask("GET", path)[1])["status"]
print(f"  the roadmap is {status}")
sys.exit(status != "ready")
'

# look.sh WRITABLE NAME...: what the image must not have; WRITABLE are the folders that can be written, NAMEs are the build-time
# settings. Owners and modes are looked at as well, since on a read-only file system every attempt to write fails.
# shellcheck disable=SC2016 # expands inside the image
LOOK='
problem() { echo "$*"; exit 1; }
writable=$1
shift
[ "$(id -u)" -ne 0 ] || problem "the image runs as root"
for tool in gcc cc g++ c++ clang tcc make; do
    if command -v "$tool"; then problem "a compiler is inside"; fi
done
if python -c "import pip" 2>/dev/null; then problem "pip is in the venv"; fi
python -c "import os, sys; sys.exit(not os.statvfs(\"/\").f_flag & os.ST_RDONLY)" || problem "the root file system can be written"
grep -q "^CapEff:[[:space:]]*0*$" /proc/self/status || problem "the user has capabilities"
others=$(find . -path ./data -prune -o ! -type l \( -user "$(id -u)" -o -group "$(id -g)" -o -perm /o+w \) -print | head -n 3)
[ -z "$others" ] || problem "the user may write what it runs: $others"
for folder in $writable; do
    (: >"$folder/trial") && rm "$folder/trial" || problem "the user cannot write $folder"
done
for name in "$@"; do
    if printenv "$name" >/dev/null; then problem "$name has ended in the image"; fi
done
echo "  runs as $(id -un) (uid $(id -u)) without capabilities; can write $writable alone; no gcc, no cc, no pip in the venv"
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
}

# Each with the SERVICE_TYPE first. The network is this machine's, where the servers listen on loopback.
docker_start() {
    local name=$1 options=(--read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges --network host) setting
    shift
    if [ "$name" = all ]; then options+=(--tmpfs /app/data:mode=1777); fi
    for setting in "SERVICE_TYPE=$name" "$@"; do options+=(--env "$setting"); done
    timeout --foreground "$SERVICE_LIMIT" docker run --rm --name "$container-$name" "${options[@]}" "$IMAGE" 2>&1
}
docker_has_started() { [ "$(timeout 30 docker inspect --format '{{.State.Running}}' "$container-$1" 2>/dev/null)" = true ]; }
docker_inside() {
    local name=$1
    shift
    timeout --foreground "$SERVICE_LIMIT" docker exec "$container-$name" "$@"
}
docker_terminate() { timeout 30 docker kill --signal TERM "$container-$1" >/dev/null; }

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
    step "making the container" 300 "${command[@]}" from --name "$container" "localhost/$IMAGE"
    mount=$(timeout 60 "${command[@]}" mount "$container")
    image_bytes=$(size "$mount")
    mapfile -t entrypoint < <(configured '{{range .OCIv1.Config.Entrypoint}}{{println .}}{{end}}')
    mapfile -t environment < <(configured '{{range .OCIv1.Config.Env}}{{println .}}{{end}}')
    folder=$(configured '{{.OCIv1.Config.WorkingDir}}')
    IFS=: read -r uid gid home < <(awk -F : -v user="$(configured '{{.OCIv1.Config.User}}')" -v OFS=: \
        '$1 == user || $3 == user { print $3, $4, $6 }' "$mount/etc/passwd")
}

configured() { timeout 60 "${command[@]}" inspect --type image --format "$1" "localhost/$IMAGE" | sed '/^$/d'; }

limit() { echo "$(ulimit "-S$1"):$(ulimit "-H$1")" | sed 's/unlimited/-1/g'; }
size() { du --summarize --bytes --one-file-system "$1" | cut -f 1; }

free_port() {
    local port
    for port in $(shuf --input-range 18000-28000 --head-count 20); do
        (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port" && return; }
    done
}

# buildah knows no read-only root, so the trial mounts one itself: what Docker makes of --read-only, --tmpfs and --cap-drop ALL.
# Such a container has no process numbers of its own: /tmp/pid is what to signal.
buildah_start() {
    local name=$1 root=$scratch/roots/$1
    shift
    mkdir -p "$root"
    mount --bind "${mount:?}" "$root"
    mount --rbind /dev "$root/dev"
    mount --rbind /proc "$root/proc"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    if [ "$name" = all ]; then mount -t tmpfs -o "mode=700,uid=$uid,gid=$gid" tmpfs "$root/app/data"; fi
    mount -o remount,bind,ro "$root"
    # shellcheck disable=SC2016 # expands inside the image
    buildah_inside "$name" env "SERVICE_TYPE=$name" "$@" sh -c 'echo "$$" >/tmp/pid && exec "$@" 2>&1' sh "${entrypoint[@]}"
}
buildah_has_started() { [ -s "$scratch/roots/$1/tmp/pid" ]; }
buildah_inside() {
    local root=$scratch/roots/$1
    shift
    timeout --foreground "$SERVICE_LIMIT" chroot "$root" \
        setpriv --reuid "$uid" --regid "$gid" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \
        env --ignore-environment --chdir="$folder" "HOME=$home" "${environment[@]}" "$@"
}
buildah_terminate() { kill -TERM "$(cat "$scratch/roots/$1/tmp/pid")"; }

try_image() {
    local build_arguments=() settings=() name command base mount entrypoint environment folder uid gid home base_bytes image_bytes
    local -A services=()
    mapfile -t settings < <(sed -n 's/^ARG \(PIP_[A-Z_]*\)$/\1/p' "$DOCKERFILE")
    for name in "${settings[@]}" EXTRAS RUN_CODE HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy; do
        # Without a value here, so that none shows among the processes. A path of this machine says nothing inside the build:
        # buildah_build takes the file of PIP_CERT along, Docker's engine has certificates of its own.
        if [ "$name" != PIP_CERT ] && [ -n "${!name:-}" ]; then build_arguments+=(--build-arg "$name"); fi
    done
    build_arguments+=(--build-arg "GIT_COMMIT=$(git rev-parse HEAD 2>/dev/null || true)")
    echo "Building $DOCKERFILE with $engine ..."
    "${engine}_build"
    echo "  adds $(megabytes $((image_bytes - base_bytes))) MB to a base of $(megabytes "$base_bytes") MB:" \
        "$(megabytes "$image_bytes") MB in all"
    try_embedded
    try_server
    for name in api huey_logs huey_content; do try_refusal "$name"; done
    echo "PASSED: the image builds, serves and stops"
}

megabytes() { echo $((($1 + 500000) / 1000000)); }

try_embedded() {
    local port
    port=$(free_port)
    echo "Starting it with SERVICE_TYPE=all, embedded mode ..."
    start all "PORT=$port"
    ask all "$port" embedded
    look all "/tmp data"
    stop all
}

try_server() {
    local port name addresses secret
    mapfile -t addresses <"$scratch/servers"
    if [ "${#addresses[@]}" -ne 2 ]; then
        echo "  NOT RUN: server mode, for which this machine has no PostgreSQL and Redis: $(tail -n 1 "$scratch/servers.log")"
        return
    fi
    port=$(free_port)
    secret=$(od --address-radix n --format x1 --read-bytes 32 /dev/urandom | tr -d ' \n')
    echo "Starting it with SERVICE_TYPE=api, huey_logs and huey_content, server mode ..."
    for name in api huey_logs huey_content; do
        start "$name" "HOST=127.0.0.1" "PORT=$port" "DATABASE_URL=${addresses[0]}" "REDIS_URL=${addresses[1]}" \
            "SECRET_KEY=$secret" "ADMIN_EMAIL=trial@example.com" "ADMIN_PASSWORD=a long enough passphrase"
    done
    for name in logs content; do
        until_true "$START_LIMIT" grep --quiet "huey@$name ready" "$scratch/huey_$name.log" ||
            service_failed "huey_$name" "huey@$name is not ready"
        echo "  huey@$name ready"
    done
    ask api "$port" server
    for name in api huey_logs huey_content; do look "$name" /tmp; done
    for name in huey_content huey_logs api; do stop "$name"; done
}

# SERVICE_TYPE VARIABLE=VALUE...
start() {
    "${engine}_start" "$@" >"$scratch/$1.log" 2>>"$log" &
    services[$1]=$!
    until_true "$START_LIMIT" "${engine}_has_started" "$1" || service_failed "$1" "it does not start"
}

ask() { "${engine}_inside" "$1" python -c "$ASK" "$2" "$START_LIMIT" "$3" || service_failed "$1" "no roadmap was made"; }
look() { "${engine}_inside" "$1" sh -c "$LOOK" sh "$2" "${settings[@]}" || service_failed "$1" "the image is not as it must be"; }

stop() {
    local started=$SECONDS status=0 expected=0
    "${engine}_terminate" "$1"
    until_true "$STOP_LIMIT" has_ended "${services[$1]}" || service_failed "$1" "it does not end within $STOP_LIMIT s of SIGTERM"
    wait "${services[$1]}" || status=$?
    # Once it is done, uvicorn sends itself the signal that it was stopped with; as process 1 of a container that has no effect.
    if [ "$1" = api ] && [ "$status" -eq 143 ]; then expected=143; fi
    [ "$status" -eq "$expected" ] || service_failed "$1" "it ended with $status after SIGTERM"
    echo "  SIGTERM ends SERVICE_TYPE=$1 with $status after $((SECONDS - started)) s"
}

has_ended() { ! kill -0 "$1" 2>/dev/null; }

service_failed() {
    tail -n 20 "$scratch/$1.log" "$log" >&2
    fail "SERVICE_TYPE=$1: $2"
}

# A single service without DATABASE_URL: one sentence, and 1.
try_refusal() {
    local output status=0
    output=$("${engine}_start" "$1" 2>>"$log") || status=$?
    if [ "$status" -ne 1 ] || [ "$(wc -l <<<"$output")" -ne 1 ] || [[ $output != "error: "*DATABASE_URL*"SERVICE_TYPE=$1"* ]]; then
        fail "SERVICE_TYPE=$1 without DATABASE_URL ended with $status: $output"
    fi
    echo "  SERVICE_TYPE=$1 without DATABASE_URL ends with 1: ${output:0:68}..."
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
    if [ "$engine" = docker ]; then
        for name in all api huey_logs huey_content; do
            timeout 60 docker rm --force --volumes "$container-$name" >/dev/null 2>&1 || true
        done
    fi
    if [ -n "$servers" ]; then
        exec {hold}>&-
        wait "$servers" 2>/dev/null || true
    fi
    rm -rf --one-file-system "$scratch" "${made[@]}" || { sleep 1 && rm -rf --one-file-system "$scratch" "${made[@]}"; }
}

engine="" trial="" servers="" hold="" made=() container=roadmap-trial-$$
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
# Started out here, since the trial is killed with everything in it: they end by themselves once nothing holds their input.
exec {hold}> >(exec .venv/bin/python -m scripts.servers >"$scratch/servers" 2>"$scratch/servers.log")
servers=$!
"${own[@]}" "$BASH" "scripts/$(basename "$0")" trial "$engine" "$scratch" "$container" </dev/null {hold}>&- &
trial=$!
wait "$trial"
