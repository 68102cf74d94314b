"""One at a time: a lock between commands, which the kernel frees when its holder ends."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn(lock: Path, waiting: str, say: Callable[[str], None]) -> Iterator[int]:
    """Hold a lock while the block runs; where another command holds it, say so and wait.

    Args:
        lock: a file, made where it is missing; its content means nothing.
        waiting: what to say before the wait.
        say: takes that line.

    Yields:
        The open lock's number: a process that inherits it holds the turn as well.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say(waiting)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()
