"""State folders that have from the start what this clone has installed already."""

import os
import shutil
from pathlib import Path

from lab.locks.install import environment_folder, is_made
from lab.paths import LOCKS, ROOT, state


def link(source: str, target: str) -> None:
    """One more name for a file, or a copy where the two are on different disks."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def copy_runner(source: Path, target: Path) -> None:
    """Give a state folder another one's runner, where that has one of today's lock."""
    for runner in source.glob("runner-*/"):
        stamp = runner / "made-from.txt"
        if stamp.exists() and stamp.read_bytes() == (LOCKS / "runner.txt").read_bytes():
            shutil.copytree(runner, target / runner.name, symlinks=True, copy_function=link)


def seed(folder: Path) -> None:
    """Give a state folder the runner and the environments of this clone, as far as they are made.

    An environment is a link, since its programs name the place that it was made for; one that
    another clone shares with this one would import that clone's lab, and is not taken.
    """
    copy_runner(state(), folder)
    for lock in ("cpu", "cuda", "peers"):
        made = environment_folder(lock)
        if is_made(lock) and _imports_this_clone(made):
            (folder / made.name).symlink_to(made)


def _imports_this_clone(environment: Path) -> bool:
    paths = environment.glob("lib/python*/site-packages/lab.pth")
    return [path.read_text(encoding="utf-8") for path in paths] == [f"{ROOT}\n"]
