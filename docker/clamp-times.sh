#!/bin/sh
# Sets every time stamp under a folder that is newer than the locks to theirs; with `all`, every time stamp.
set -eu
epoch=$(cat /dev/docker/locks/epoch.txt)
newer="-newermt @$epoch"
[ "${2:-}" != all ] || newer=""
# What the builder mounts into a step is not ours to touch.
# shellcheck disable=SC2086 # words
find "$1" -xdev \( -path /dev -o -path /proc -o -path /sys -o -path /etc/resolv.conf -o -path /etc/hosts \
  -o -path /etc/hostname \) -prune -o $newer -exec touch --no-dereference --date="@$epoch" {} +
