"""Where the lab's own files are on this machine."""

import os
from pathlib import Path

from lab.errors import LabError

# The clone on a host; the folder with tasks.py and lab/ in the image.
ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "docker" / "locks"


def state() -> Path:
    """The folder for environments, logs and sessions of this clone; `inv` chooses it."""
    return Path(os.environ.get("LAB_STATE") or ROOT / ".lab")


def typed_path(text: str) -> Path:
    """A path as a person typed it, absolute; `~` is the home, links stay as they were named.

    Raises:
        LabError: it names the home of a user that does not exist.
    """
    try:
        return Path(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100 - keeps links
    except RuntimeError as error:
        raise LabError(
            f"There is no home for the folder: {text}",
            why="this machine has no user of that name",
            next_step="name the folder in full: /path/to/folder",
        ) from error


def in_image() -> bool:
    """Whether this process runs inside the lab's image, where everything is installed already."""
    return os.environ.get("LAB_RUNNER") == "image"


def work_default() -> Path:
    """The student's folder when none is named."""
    return Path("/work") if in_image() else ROOT / "work"


def results() -> Path:
    """Where runs are kept: LAB_RESULTS, or the clone; in the image the student's folder, which
    outlives it."""
    if named := os.environ.get("LAB_RESULTS"):
        return typed_path(named)
    if in_image():
        return work_default() / "results"
    return ROOT / "results" if os.access(ROOT, os.W_OK) else state() / "results"
