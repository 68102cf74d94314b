"""The GPUs on a terminal, drawn anew with each reading and with each change of its size."""

import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Self

from lab.records.gpu import GpuReport
from lab.render.gpu.table import parts

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.live import Live


class Screen:
    """The alternate screen of a terminal; what was there before comes back at the end."""

    def __init__(self, interval_s: float) -> None:
        """Draw nothing yet.

        Args:
            interval_s: from one reading to the next, for the last line.
        """
        self._interval_s = interval_s
        self._wake = threading.Event()
        self._live: Live | None = None
        self._shown: _View | None = None

    def __enter__(self) -> Self:
        """Take the screen."""
        from rich.console import Console
        from rich.live import Live

        # Not by COLUMNS and LINES, which say what the window was when somebody exported them.
        environ = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
        console = Console(highlight=False, markup=False, emoji=False, _environ=environ)
        self._live = Live(console=console, screen=True, auto_refresh=False)
        signal.signal(signal.SIGWINCH, lambda number, frame: self._wake.set())
        # A shell that closes, or `kill`, leaves the terminal as clean as Ctrl-C does.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Give the screen back."""
        if self._live is not None:
            self._live.__exit__(None, None, None)
        signal.signal(signal.SIGWINCH, signal.SIG_DFL)

    def show(self, report: GpuReport, trouble: str = "") -> None:
        """Draw a report.

        Args:
            report: the newest.
            trouble: why there is no newer one.
        """
        assert self._live is not None
        self._shown = _View(report, trouble, self._interval_s)
        self._live.update(self._shown, refresh=True)

    def wait(self, seconds: float) -> bool:
        """Wait, at most until the window changes its size; then draw again.

        Returns:
            Whether the time is over.
        """
        if not self._wake.wait(seconds):
            return True
        self._wake.clear()
        if self._live is not None:
            self._live.refresh()
        return False


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class _View:
    """A report cut to the screen: what does not fit is said, not lost."""

    def __init__(self, report: GpuReport, trouble: str, interval_s: float) -> None:
        self._report, self._trouble, self._interval_s = report, trouble, interval_s

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        from rich.segment import Segment

        lines = []
        plain = options.update(height=None)
        for part in self._parts(console):
            lines += console.render_lines(part, plain, pad=False)
        height = options.max_height
        foot = f"every {self._interval_s:g} s; Ctrl-C ends"
        room = max(height - 1, 1)
        if len(lines) > room:
            foot = f"{len(lines) - room} more lines: make the window higher; Ctrl-C ends"
            lines = lines[:room]
        for line in lines:
            yield from line
            yield Segment.line()
        for _ in range(room - len(lines)):
            yield Segment.line()
        if height > 1:
            yield Segment(foot[: options.max_width - 1])

    def _parts(self, console: "Console") -> Iterator["RenderableType"]:
        from rich.text import Text

        if self._trouble:
            yield Text(self._trouble, style="bold red")
            yield Text()
        yield from parts(self._report, console)
