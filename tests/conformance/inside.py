"""What a kernel of the lab finds out about the place that it runs in.

The text of this file is run in a kernel; nothing outside the standard library is loaded before.
"""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

# Of the kernel's own making, the same in every container.
_OF_THE_SYSTEM = {"/proc", "/sys"}
_COMMANDS = {
    "inv": ("inv", "--list"),
    "graph": ("inv", "graph", "--no-check", "--output", "/work/drawing.svg"),
}


def look() -> None:
    """Print what was found as one line of JSON."""
    fingerprint = [sys.executable, "-m", "lab.fingerprint.worker", "cpu", "ordinary"]
    status = dict(line.split(":\t", 1) for line in read("/proc/self/status").splitlines())
    print(json.dumps({
        "user": [os.getuid(), os.getgid()],
        "capabilities": sorted({status[name] for name in status if name.startswith("Cap")}),
        "no_new_privileges": status["NoNewPrivs"],
        "writable": writable(),
        "processes_max": processes_max(),
        "interfaces": sorted(path.name for path in Path("/sys/class/net").iterdir()),
        "commands": {name: ended(argv) for name, argv in _COMMANDS.items()},
        "fingerprint": json.loads(subprocess.run(fingerprint, capture_output=True).stdout or "{}"),
    }))  # fmt: skip


def read(path: str) -> str:
    """A file's text; empty where there is none."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def writable() -> list[str]:
    """Folders that take a new file, and files that can be changed; the outermost of them."""
    found = []
    for parent, folders, files in os.walk("/"):
        if parent in _OF_THE_SYSTEM:
            folders.clear()
        elif os.access(parent, os.W_OK):
            found.append(parent)
            folders.clear()
        else:
            found += [path for name in files if _is_open(path := f"{parent}/{name}")]
    return sorted(found)


def _is_open(path: str) -> bool:
    """Whether it is a file, and not a device or a link, that can be changed."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode) and os.access(path, os.W_OK)
    except OSError:  # gone in this very moment
        return False


def processes_max() -> str:
    """The limit of our control group, of either version; empty where it has none."""
    paths = [f"/sys/fs/cgroup/{name}" for name in ("pids.max", "pids/pids.max")]
    return "".join(read(path).strip() for path in paths)


def ended(argv: tuple[str, ...]) -> str:
    """Empty where a command ended well, else its last words."""
    done = subprocess.run(argv, capture_output=True, text=True)
    return "" if done.returncode == 0 else f"{done.returncode}: {done.stderr[-500:]}"


look()
