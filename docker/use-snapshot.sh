#!/bin/sh
# Points apt, whose sources are in the given folder, at the snapshot of Debian's archive that the base was made
# from: packages taken from there are the same ones next year. A base pinned by digest names its snapshot in a
# comment above each source; where none is named, nothing changes, and the exit code is 1.
set -eu
folder=$1
found=1
for file in "$folder"/*.sources; do
  [ -e "$file" ] || continue
  # shellcheck disable=SC2013 # an address is one word
  for snapshot in $(sed -n 's|^# *\(https\{0,1\}://snapshot[^ ]*\)$|\1|p' "$file"); do
    archive=$(basename "$(dirname "$snapshot")") # debian, or debian-security
    sed -i "s|^URIs: .*/$archive/\{0,1\}\$|URIs: $snapshot|" "$file"
    found=0
  done
done
exit $found
