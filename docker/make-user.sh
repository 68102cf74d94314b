#!/bin/sh
# The user who is not root, the folders that later layers fill, and where `inv` finds its tasks.
set -eu

useradd --uid 1000 --user-group --shell /bin/bash --create-home student
# Any user's id may run the lab: the home and /work are open to all, because a volume or a tmpfs that is
# mounted there takes its mode from here.
mkdir -p /work /opt/venv /opt/lab
chmod 1777 /home/student /work

# `inv` and `invoke` find the lab's tasks from every folder.
printf 'tasks:\n  search_root: /opt/lab\n' >/etc/invoke.yaml

rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /var/log/lastlog /var/log/faillog
sh /dev/docker/clamp-times.sh /
