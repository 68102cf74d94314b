#!/bin/sh
# Puts Podman on a Debian machine (root), with what it needs to run for a user who is not root. Done already: does nothing.
set -eu

missing=
need() { command -v "$1" >/dev/null || missing="$missing $2"; }
need podman podman
need newuidmap uidmap
need slirp4netns slirp4netns
need iptables iptables
need useradd passwd
# Debian 12's crun starts nothing where control groups of both versions are mounted.
need runc runc
if [ -n "$missing" ]; then
  # shellcheck disable=SC2086 # several words
  [ "$(apt-cache madison $missing | cut -d'|' -f1 | sort -u | wc -l)" -eq "$(echo $missing | wc -w)" ] || apt-get update -qq
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

# For all users, as udev has them; a machine without udev may have made them for root alone.
[ -e /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; }
chmod a+rw /dev/net/tun
[ ! -e /dev/fuse ] || chmod a+rw /dev/fuse
podman --version
