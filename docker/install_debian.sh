#!/bin/sh
# Installs Debian packages, for bases that lack pip or git; without any it touches nothing.
#
#   install_debian.sh "PACKAGES" [ROOT]     ROOT is / unless a test says otherwise
#
# Lists whose keys have expired or were replaced (ROS's of 2025, Kitware's) would fail every update: they go
# first, since nothing is wanted from them.
set -eu
packages=${1:-} root=${2:-}
if [ -z "$packages" ]; then
    exit 0
fi
for list in "$root"/etc/apt/sources.list.d/*; do
    if grep -qsE 'packages\.ros\.org|apt\.kitware\.com' "$list"; then
        rm -f "$list"
    fi
done
${APT_GET:-apt-get} update
# shellcheck disable=SC2086  # a list of words
DEBIAN_FRONTEND=noninteractive ${APT_GET:-apt-get} install --yes --no-install-recommends $packages
rm -rf "$root"/var/lib/apt/lists/*
