"""In which order tests run, and what waits until nothing else runs beside it.

`inv test` runs two processes side by side: one with the tests that only compute, the notebooks and
the browser, one with the image's builds, containers and all else (SECOND in lab/checks.py). There
the tests that measure, that end processes and that own the cluster come last, and begin when the
first process has ended.
"""

import fcntl
import os
from collections.abc import Collection
from pathlib import Path

# By mark, each after those before it: a slip in a line shows in seconds, not after the image is
# built. What the builds from nothing leave in the engine's cache spares the next test its own.
_ORDER = ("builds", "container", "browser", "host", "alone", "cluster")
UNDISTURBED = _ORDER.index("host") + 1

BESIDE = "LAB_TESTS_BESIDE"  # a file on which the process beside this one holds a lock


def rank(marks: Collection[str]) -> int:
    """Where a test with these marks comes; within one rank the order of the files stays."""
    known = [number for number, mark in enumerate(_ORDER, 1) if mark in marks]
    return 1 if known and "builds" in marks else max(known, default=0)


def wait_until_alone(marks: Collection[str]) -> None:
    """Before a test that nothing may run beside: wait until the other process has ended."""
    if rank(marks) < UNDISTURBED or not (lock := os.environ.get(BESIDE)):
        return
    with Path(lock).open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
