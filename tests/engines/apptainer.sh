#!/bin/sh
# Puts a real Apptainer on a Debian machine (root): its own release's package, or else that of Debian's
# unstable, unpacked into a folder beside the newer C library that it needs. Nothing of the system is
# replaced, apt's own lists stay as they are, and apt checks the signatures as ever. Done already: does nothing.
set -eu

folder=${APPTAINER_FOLDER:-/opt/apptainer}
link=${APPTAINER_LINK:-/usr/local/bin/apptainer}

apptainer version >/dev/null 2>&1 && exit 0

[ -n "$(apt-cache madison apptainer patchelf)" ] || apt-get update -qq
install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }
# What it starts: for an image's files, and for users who are not root.
install squashfs-tools squashfuse fuse3 uidmap
if [ -n "$(apt-cache madison apptainer)" ]; then
  install apptainer
  exit 0
fi
install patchelf

new=$folder.new
rm -rf "$new"
mkdir -p "$new/apt/lists/partial" "$new/apt/cache/archives/partial" "$new/debs"
trap 'rm -rf "$new"' EXIT

# The machine's own mirror of Debian, and Debian's own keys.
# shellcheck disable=SC2016 # apt's own names
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
[ -n "$mirror" ] || {
  echo "apt knows no mirror of Debian to take Apptainer from" >&2
  exit 2
}
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$new/apt/sources.list"
own="-o Dir::State::Lists=$new/apt/lists -o Dir::Cache=$new/apt/cache -o Dir::Etc::SourceList=$new/apt/sources.list
     -o Dir::Etc::SourceParts=/dev/null -o APT::Sandbox::User=root -o Acquire::Retries=3"
# shellcheck disable=SC2086 # several words
(cd "$new/debs" && apt-get $own -qq update && apt-get $own -qq download apptainer/sid libc6/sid)
for package in "$new"/debs/*.deb; do dpkg-deb --extract "$package" "$new"; done
rm -rf "$new/apt" "$new/debs"

# It looks for its folders beside its programs; Debian's starter lies one folder deeper than it expects.
mkdir -p "$new/usr/var/lib/apptainer/mnt/session"
ln -s ../etc "$new/usr/etc"
ln -s ../etc "$new/usr/lib/etc"
ln -s ../var "$new/usr/lib/var"
triplet=$(basename "$(dirname "$new"/usr/lib/*/libc.so.6)")
loader=$(basename "$new/usr/lib/$triplet"/ld-linux*.so.*)
for program in "$new/usr/bin/apptainer" "$new/usr/lib/$triplet/apptainer/bin/starter"; do
  patchelf --set-interpreter "$folder/usr/lib/$triplet/$loader" --force-rpath \
    --set-rpath "$folder/usr/lib/$triplet:/usr/lib/$triplet:/lib/$triplet" "$program"
done
rm -rf "$folder"
mv "$new" "$folder"
ln -sf "$folder/usr/bin/apptainer" "$link"
"$link" version
