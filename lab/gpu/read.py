"""Has the GPUs read by a process of its own, which may hang or die without harm."""

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Self

from lab.paths import ROOT
from lab.process import Conversation, Fork

if TYPE_CHECKING:
    from lab.gpu.snapshot import Snapshot

DEADLINE_S = 5.0
# Start of the driver, the machine's values, the GPUs, their topology: each has its own deadline in
# the reader. What has not come by then never does.
_TIMES = 6 + 3
_MARGIN_S = 2.0
_TOLD_S = 2.0

_NO_ANSWER = 10  # NVML_ERROR_TIMEOUT


class Reading:
    """A process that reads the GPUs, once at its start and then whenever it is asked to."""

    def __init__(
        self, *, deadline_s: float = DEADLINE_S, slow: bool = False, fork: bool = False
    ) -> None:
        """Start it; the first reading is under way at once.

        Args:
            deadline_s: how long the calls of one GPU may take together.
            slow: read also what takes 20 ms a call.
            fork: this process has no threads, and so may be forked: that takes a third of the time
                of a program of its own.
        """
        self._forks = fork
        self._deadline_s = deadline_s
        self._slow = slow
        self._patience_s = deadline_s * _TIMES + _MARGIN_S
        self._begin()

    def _begin(self) -> None:
        self._process = self._fork() if self._forks else self._start()
        self._alive = True

    def _fork(self) -> Fork:
        from lab.gpu.reader import serve

        return Fork(partial(serve, deadline_s=self._deadline_s, slow=self._slow))

    def _start(self) -> Conversation:
        words = [f"{self._deadline_s:g}", *(["slow"] if self._slow else [])]
        argv = [sys.executable, "-m", "lab.gpu.reader", *words]
        return Conversation(argv, env={"PYTHONPATH": str(ROOT)})

    def __enter__(self) -> Self:
        """Nothing more: it runs."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it, whatever it is doing."""
        if self._alive:
            self._process.kill()
            self._process.end(patience_s=0.5)

    def snapshot(self, say: Callable[[str], None] = lambda _: None) -> "Snapshot":
        """Wait for the reading that is under way.

        Args:
            say: takes a line where it takes long.
        """
        # Imported while the reader is at work, which has been started first for that.
        from lab.gpu.snapshot import Snapshot, broken, parse_snapshot

        first = min(_TOLD_S, self._patience_s)
        try:
            line = self._process.answer(first)
            if line is None and self._patience_s > first:
                say("waiting for NVIDIA's driver ...")
                line = self._process.answer(self._patience_s - first)
        except EOFError:
            self._alive = False
            return broken(f"what asked it ended: {self._process.end(patience_s=0.5).last_words}")
        if line is None:
            return Snapshot(answers=False, code=_NO_ANSWER, call="NVML", detail="no answer")
        return parse_snapshot(line)

    def again(self) -> None:
        """Ask for a further reading; a reader that has died is started anew."""
        if self._alive:
            self._process.tell("again")
        else:
            self._begin()


def read_gpus(*, deadline_s: float = DEADLINE_S) -> "Snapshot":
    """Read all GPUs once."""
    with Reading(deadline_s=deadline_s) as reading:
        return reading.snapshot()
