#!/bin/sh
# shellcheck disable=SC2016 # apt expands these
# Puts the newest Pebble of Debian (unstable) into FOLDER/VERSION, and the link FOLDER/newest on it,
# once: what is there stays; remove FOLDER to look for a newer one. Its programs need little more
# than libc, and run on stable as they are. The system's own apt is asked for its mirror and its
# proxy, and is otherwise left alone. Usage: newest_pebble.sh FOLDER
set -eu

die() {
    echo "newest_pebble: $*" >&2
    exit 1
}

folder=$1
programs='pebble pebble-challtestsrv'

is_complete() {
    for program in $programs; do
        [ -x "$1/usr/bin/$program" ] || return 1
    done
}

! is_complete "$folder/newest" || exit 0

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] || die "$keyring is missing; it is in Debian's package debian-archive-keyring"
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' \
    'Label: Debian' 'Component: main' | sort -u | head -n 1)
[ -n "$mirror" ] || die "apt knows no mirror of Debian's main archive; has 'apt-get update' been run?"

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
work=$(mktemp -d "$folder/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial"
cat >"$work/debian.sources" <<END
Types: deb
URIs: $mirror
Suites: unstable
Components: main
Signed-By: $keyring
END

# unstable COMMAND...: apt-get with nothing of the system's but its mirror and its proxy.
unstable() {
    apt-get -qq -o Dir::State="$work/state" -o Dir::Cache="$work/cache" \
        -o Dir::Etc::sourcelist="$work/debian.sources" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
        -o Acquire::Languages=none -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any "$@"
}

unstable update || die "no index of Debian unstable from $mirror: the newest Pebble cannot be had"
(cd "$work" && unstable download pebble) || die "no package pebble in Debian unstable at $mirror"
package=$(echo "$work"/pebble_*.deb)
version=$(dpkg-deb -f "$package" Version)
rm -rf "${folder:?}/$version"
dpkg-deb -x "$package" "$work/root"
is_complete "$work/root" || die "pebble $version holds other programs than $programs"
mv "$work/root" "$folder/$version"
ln -sfn "$version" "$folder/newest"
echo "newest_pebble: $version, from $mirror" >&2
