#!/bin/sh
# Debian packages of the image: git, a C and C++ compiler, which torch.compile calls, and tini, which as the
# first process hands on signals and buries orphans. (Some engines have no init of their own to lend.)
set -eu
export DEBIAN_FRONTEND=noninteractive

ca=/dev/ca
options="-o Acquire::Retries=3"
[ ! -s "$ca" ] || options="$options -o Acquire::https::CaInfo=$ca"

# A base pinned by digest names, in a comment, the snapshot of Debian's archive that it was made from.
# Packages taken from there are the same ones next year; where none is named, the archive of today serves.
# Each kind of source takes the snapshot of its own archive (debian, debian-security).
snapshots=$(sed -n 's|^# *\(https\{0,1\}://snapshot[^ ]*\)$|\1|p' /etc/apt/sources.list.d/*.sources 2>/dev/null || true)
if [ -n "$snapshots" ]; then
  cp -a /etc/apt/sources.list.d /tmp/sources
  for snapshot in $snapshots; do
    archive=$(basename "$(dirname "$snapshot")") # debian, or debian-security
    sed -i "s|^URIs: .*/$archive/\{0,1\}\$|URIs: $snapshot|" /etc/apt/sources.list.d/*.sources
  done
  options="$options -o Acquire::Check-Valid-Until=false"
fi

# shellcheck disable=SC2086 # the options are words
apt-get $options update -qq
packages="git g++ tini"
# The official Python image brings its own headers; a base with Debian's Python does not.
python3 - <<'PYTHON' || packages="$packages libpython3-dev"
import pathlib, sys, sysconfig
sys.exit(not (pathlib.Path(sysconfig.get_path("include")) / "Python.h").exists())
PYTHON
# shellcheck disable=SC2086
apt-get $options install -y -qq --no-install-recommends $packages >/dev/null

# What no torch.compile calls: the link-time optimizer (an eighth of this layer), sanitizers, static Pythons.
rm -rf /usr/bin/*lto-dump* /usr/lib/gcc/*/*/lto1 /usr/lib/gcc/*/*/lib?san* /usr/lib/gcc/*/*/libhwasan* \
  /usr/lib/*/lib?san.so* /usr/lib/*/libubsan.so* /usr/lib/*/libhwasan.so* /usr/lib/python3*/config-*/libpython*.a \
  /usr/lib/*/libpython3*.a
# What differs from one build to the next, or serves nobody in an image.
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/debconf/*-old /var/lib/dpkg/*-old \
  /var/log/apt /var/log/dpkg.log /var/log/alternatives.log /var/cache/ldconfig/aux-cache \
  /usr/share/doc/* /usr/share/man/* /usr/share/info/* /usr/share/locale/* /usr/share/perl/*/pod
if [ -d /tmp/sources ]; then
  rm -rf /etc/apt/sources.list.d
  mv /tmp/sources /etc/apt/sources.list.d
fi
sh /dev/docker/clamp-times.sh /
