#!/bin/sh
# shellcheck disable=SC2016 # apt and the inner shell expand these
# Proves that two commands are all the set-up: makes a minimal Debian (minbase, git and
# ca-certificates), clones the current commit into it, and runs `./dev demo --once` and `./dev test`.
# Usage: fresh.sh SUITE. Needs root (or sudo), and the network for Debian's packages.
set -eu

suite=$1
cd "$(dirname "$0")/.."
if [ "$(id -u)" -ne 0 ]; then
    exec sudo "$0" "$@"
fi

work=$(mktemp -d "${TMPDIR:-/var/tmp}/certwright-fresh.XXXXXX")
clean_up() {
    status=$?
    trap - EXIT INT TERM
    rm -rf --one-file-system "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The packages come from where the host's own come from, through its proxy if it has one.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' \
    'Label: Debian' 'Component: main' | sort -u | head -n 1)
apt-config dump | grep -E '^Acquire::(http|https)::Proxy|^Acquire::Check-' >"$work/apt.conf" || true

root=$work/root
mmdebstrap --quiet --variant=minbase --include=git,ca-certificates \
    --aptopt="$work/apt.conf" "$suite" "$root" ${mirror:+"$mirror"}
cp /etc/resolv.conf "$root/etc/resolv.conf"
# What an installer or a container engine writes, and a bare root lacks.
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
git clone --quiet --no-hardlinks . "$root/root/certwright"
git -C "$root/root/certwright" checkout --quiet --detach "$(git rev-parse HEAD)"

# A mount and a process namespace of its own: whatever is left running ends with it.
inside() {
    unshare --mount --pid --fork --kill-child sh -c '
        mount -t proc proc "$1/proc"
        mount --bind /dev "$1/dev"
        shift
        exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"
    ' sh "$root" chroot "$root" sh -c "cd /root/certwright && $1"
}
inside './dev demo --once'
inside './dev test'
