#!/bin/sh
# Debian packages of the image: git, a C and C++ compiler, which torch.compile calls, and tini, which as the
# first process hands on signals and buries orphans. (Some engines have no init of their own to lend.)
set -eu
export DEBIAN_FRONTEND=noninteractive

ca=/dev/ca
options="-o Acquire::Retries=3"
[ ! -s "$ca" ] || options="$options -o Acquire::https::CaInfo=$ca"

cp -a /etc/apt/sources.list.d /tmp/sources
if sh /dev/docker/use-snapshot.sh /etc/apt/sources.list.d; then
  options="$options -o Acquire::Check-Valid-Until=false" # a snapshot's lists are as old as it is
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
rm -rf /etc/apt/sources.list.d
mv /tmp/sources /etc/apt/sources.list.d
sh /dev/docker/clamp-times.sh /
