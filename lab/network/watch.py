"""Watches over a rank: says how far it is, and ends it where nothing goes on any more."""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lab.records.lines import append_line
from lab.records.network import Ended, RankStep

_LOOK_S = 1.0


@dataclass(kw_only=True)
class Watch:
    """A thread beside the one that measures.

    It looks once a second: a line for a new step, `stalled` where the patience of a step is over,
    `stopped` on SIGTERM. A call into a library that hangs is no obstacle to it.

    Args:
        path: the file of the rank's steps.
        end: writes down how the rank ended; the process ends after it.
    """

    path: Path
    end: Callable[[Ended, str], None]
    step: str = "start"
    count: int = 0
    _limit_s: float = 0.0
    _origin_s: float = field(default_factory=time.monotonic)
    _closed: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, limit_s: float) -> None:
        """Begin to watch.

        Args:
            limit_s: of the first step.
        """
        self._limit_s = limit_s
        # Blocked before there are threads, so that none of them dies of it before it is heard.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        self._note()
        threading.Thread(target=self._look, daemon=True).start()

    def at(self, step: str, limit_s: float) -> None:
        """Say what is done now, and how long one call of it may take."""
        self.step, self._limit_s = step, limit_s
        self.count += 1

    def met(self) -> None:
        """Count time from here: all ranks are here at one moment, whatever their clocks say."""
        self._origin_s = time.monotonic()

    @property
    def at_s(self) -> float:
        """Seconds since the ranks met."""
        return round(time.monotonic() - self._origin_s, 3)

    def close(self) -> bool:
        """Whether it is for the caller to say how the rank ended: the first one that asks."""
        return self._closed.acquire(blocking=False)

    def _look(self) -> None:
        noted, seen, since = self.step, self.count, time.monotonic()
        while True:
            told = signal.sigtimedwait({signal.SIGTERM}, _LOOK_S)
            if told is not None:
                self._finish("stopped", "it was told to stop")
            if self.step != noted:
                noted = self.step
                self._note()
            if self.count != seen:
                seen, since = self.count, time.monotonic()
            elif time.monotonic() - since > self._limit_s:
                self._finish("stalled", f"nothing came back for {self._limit_s:g} s")

    def _note(self) -> None:
        with suppress(OSError):  # a disk that is full costs the view, not the figures
            append_line(self.path, RankStep(step=self.step, count=self.count, at_s=self.at_s))

    def _finish(self, ended: Ended, words: str) -> None:
        if self.close():
            try:
                self.end(ended, words)
            finally:
                os._exit(1)
