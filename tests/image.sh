#!/bin/sh
# shellcheck disable=SC2016 # apt and the inner shell expand these
# Builds docker/Dockerfile without a registry and without a Docker engine, on a debian:trixie-slim
# made here, and starts it: /livez answers, the user is not root, and only /data can be written.
# Needs root (or sudo), and the network for Debian's packages.
set -eu

cd "$(dirname "$0")/.."
if [ "$(id -u)" -ne 0 ]; then
    exec sudo "$0" "$@"
fi

work=$(mktemp -d "${TMPDIR:-/var/tmp}/certwright-image.XXXXXX")
runner=
clean_up() {
    status=$?
    trap - EXIT INT TERM
    if [ -n "$runner" ]; then
        stop_service || true
    fi
    if [ "$status" -ne 0 ]; then
        tail -n 40 "$work"/*.log >&2 || true
    fi
    build_ah rm --all >/dev/null 2>&1 || true
    rm -rf --one-file-system "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The program in the container, not the commands around it: those would leave it running.
stop_service() {
    kill "$(cat "$work/pid")" && wait "$runner"
    status_of_service=$?
    runner=
    return $status_of_service
}

# A storage of its own, so that nothing is left on the machine.
build_ah() {
    buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"
}

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' \
    'Label: Debian' 'Component: main' | sort -u | head -n 1)
apt-config dump | grep -E '^Acquire::(http|https)::Proxy|^Acquire::Check-' >"$work/apt.conf" || true
mmdebstrap --quiet --variant=minbase --include=ca-certificates --aptopt="$work/apt.conf" trixie \
    "$work/base.tar" ${mirror:+"$mirror"}

base=$(build_ah from scratch)
build_ah add "$base" "$work/base.tar" / >/dev/null
build_ah config --cmd /bin/bash "$base"
build_ah commit --quiet "$base" localhost/debian:trixie-slim >"$work/commit.log" 2>&1
build_ah rm "$base" >/dev/null
rm "$work/base.tar"

base_image="--build-arg DEBIAN=localhost/debian:trixie-slim"
# shellcheck disable=SC2086 # two words
build_ah build --isolation chroot --pull=never $base_image --tag pebble:check docker/pebble \
    >"$work/pebble.log" 2>&1
git archive HEAD | (mkdir "$work/context" && tar -xf - -C "$work/context")
# shellcheck disable=SC2086
build_ah build --isolation chroot --pull=never $base_image --tag certwright:check \
    --file "$work/context/docker/Dockerfile" "$work/context" >"$work/build.log" 2>&1

container=$(build_ah from --pull-never certwright:check)
port=$(PYTHONPATH=tests/integration /usr/bin/python3 -c 'import process
print(process.free_port())')
build_ah run --isolation chroot "$container" -- id -u >"$work/uid"
[ "$(cat "$work/uid")" -ne 0 ] || {
    echo "the image runs as root" >&2
    exit 1
}
# find fails on folders that the user may not even read, which are none that it may write.
build_ah run --isolation chroot "$container" -- find / -xdev \
    ! -path '/proc/*' ! -path '/sys/*' ! -path '/dev/*' ! -type l -writable \
    >"$work/writable" 2>"$work/find.log" || true
[ -s "$work/writable" ] || exit 1
unexpected=$(grep -v -E '^/(data|tmp|var/tmp|run/lock|dev|proc|sys)(/|$)' "$work/writable" || true)
[ -z "$unexpected" ] || {
    echo "writable in the image beside /data: $unexpected" >&2
    exit 1
}
build_ah run --isolation chroot "$container" -- \
    sh -c 'echo $$; exec certwright serve --data /data --listen "$1"' sh "127.0.0.1:$port" \
    >"$work/pid" 2>"$work/serve.log" &
runner=$!
tries=0
until curl -sf --max-time 2 -o "$work/livez" "http://127.0.0.1:$port/livez"; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || exit 1
    sleep 0.1
done
stop_service
echo "the image answers /livez as user $(cat "$work/uid"), and ends when it is told to"
