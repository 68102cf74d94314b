"""Where the lab's own files are on this machine."""

import os
from pathlib import Path

# The clone on a host; the folder with tasks.py and lab/ in the image.
ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "docker" / "locks"


def state() -> Path:
    """The folder for environments, logs and sessions of this clone; `inv` chooses it."""
    return Path(os.environ.get("LAB_STATE") or ROOT / ".lab")


def work_default() -> Path:
    """The student's folder when none is named."""
    return ROOT / "work"
