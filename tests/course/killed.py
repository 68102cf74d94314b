"""Updates folders of students, each in a process that is killed at the step that was named.

    killed.py SOURCES FOLDER    updates the folder, and by that loads all that an update needs

Then a line `STEP FOLDER` on standard input updates that folder in a fork of this process, which a
kill -9 ends before write number STEP reaches the disk. Answered is the fork's exit code, -9 where
it was killed.
"""

import os
import signal
import sys
from pathlib import Path

from lab.course import formats, source, updating


def update(folder: Path) -> None:
    updating.update(folder, "en", lambda line: None, lambda path: False)


def update_until(step: int, folder: Path) -> None:
    """Update a folder in this process, and end the process at this step, or after the last one."""
    left, real = step, os.fsync

    def fsync(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        real(descriptor)

    code = 1
    try:
        os.fsync = fsync  # type: ignore[assignment]
        update(folder)
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


formats.lighten()
source.SOURCES = Path(sys.argv[1])
update(Path(sys.argv[2]))
for line in iter(sys.stdin.readline, ""):
    words = line.rstrip("\n").split(" ", 1)
    child = os.fork()
    if child == 0:
        update_until(int(words[0]), Path(words[1]))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
