"""How far a speed test has come, on standard error while it runs."""

import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Self, TextIO, cast

from lab.errors import LabError
from lab.records.progress import NodeProgress
from lab.records.save import save, to_json
from lab.render.bench.units import span_text
from lab.render.clean import clean

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress as Bar

PROGRESS_VARIABLE = "LAB_PROGRESS"
_KEEP_S = 3.0
"""At least so long between two writings of the file that it names."""
_PERIOD_S = 10.0
"""At least so long between two plain lines."""
_NO_CURSOR = ("", "dumb", "unknown")
"""Values of TERM where no bar can be drawn."""


class Progress:
    """A bar on a terminal; elsewhere a plain line now and then. Use it as a context.

    It draws only when it is told of a step: a thread that redraws by itself would take the
    processor from what is being measured. A stream that is gone stops nothing.

    Args:
        stream: where to write; None for standard error.
        clock: seconds that only grow.
    """

    def __init__(
        self, stream: TextIO | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Write nothing yet."""
        self._stream = _Undying(stream or sys.stderr)
        self._clock = clock
        self._bar: Bar | None = None
        self._begun = self._spoken = clock()
        named = os.environ.get(PROGRESS_VARIABLE)
        self._file = Path(named) if named else None
        self._kept: float | None = None

    def __enter__(self) -> Self:
        """Nothing is written before there is something to say."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as it was, whatever happened."""
        self.end()

    def message(self, text: str) -> None:
        """Say something that stays."""
        if self._bar is None:
            self._stream.write(f"{self._fit(text)}\n")
            self._stream.flush()
        else:
            self._bar.console.print(self._fit(text), soft_wrap=True)

    def begin(self, total_steps: int) -> None:
        """Start the clock, for as many steps as will be told of."""
        self.end()
        self._begun = self._spoken = self._clock()
        if self._stream.isatty() and os.environ.get("TERM", "") not in _NO_CURSOR:
            self._bar = _make_bar(self._stream)
            self._bar.add_task("", total=max(total_steps, 1), times="", now="")
            self._bar.start()
            self._bar.refresh()

    def step(
        self, done: int, total: int, text: str, cases: dict[str, tuple[int, int]] | None = None
    ) -> None:
        """Tell that so many steps of so many are done, and what is measured now.

        Args:
            done, total: steps.
            text: what is measured.
            cases: by speed test, how many of its cases have a figure, of how many; for the file.
        """
        total = max(total, 1)
        done = min(max(done, 0), total)
        self._keep(NodeProgress(done=done, total=total, now=text, cases=cases or {}))
        if self._bar is not None:
            times, now = self._times(done, total), self._fit(text)
            task = self._bar.task_ids[0]
            self._bar.update(task, completed=done, total=total, times=times, now=now)
            self._bar.refresh()
        elif self._clock() - self._spoken >= _PERIOD_S:
            self._spoken = self._clock()
            self.message(f"{100 * done // total:3d} %  {self._times(done, total)}  {text}")

    @property
    def drawn(self) -> bool:
        """Whether there is a bar."""
        return self._bar is not None

    def beneath(self, shown: "RenderableType | None") -> None:
        """Put something beneath the bar; it is drawn with the next step."""
        if self._bar is not None:
            self._bar.beneath = shown  # type: ignore[attr-defined]

    def _keep(self, at: NodeProgress) -> None:
        """Write how far it is to the file that PROGRESS_VARIABLE names, for who waits elsewhere."""
        now = self._clock()
        if self._file is None or (self._kept is not None and now - self._kept < _KEEP_S):
            return
        self._kept = now
        with contextlib.suppress(LabError):  # a full disk stops no measurement
            save(to_json(at, compact=True), self._file)

    def end(self) -> None:
        """Take the bar away and give the cursor back."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.stop()

    def _times(self, done: int, total: int) -> str:
        elapsed = self._clock() - self._begun
        left = f", {span_text(elapsed / done * (total - done))} left" if done else ""
        return f"{span_text(elapsed)}{left}"

    def _fit(self, text: str) -> str:
        """One line, in characters that the stream can write."""
        encoding = self._stream.encoding
        return clean(text).encode(encoding, "replace").decode(encoding)


class _Undying(io.TextIOBase):
    """A stream whose end is not noticed.

    A terminal that was closed, or a pipe that nobody reads, must not end a measurement; and of a
    broken pipe rich would make an exit, and a standard output that leads nowhere.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override] # TextIOBase declares it as an attribute
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        with contextlib.suppress(OSError, ValueError):
            return self._stream.isatty()
        return False

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def _make_bar(stream: _Undying) -> "Bar":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.table import Column

    class Bar(Progress):
        """With room for something beneath."""

        beneath: "RenderableType | None" = None

        def get_renderables(self) -> "Iterable[RenderableType]":
            """What is drawn, from top to bottom."""
            yield self.make_tasks_table(self.tasks)
            if self.beneath is not None:
                yield self.beneath

    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    return Bar(
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TextColumn("{task.fields[times]}", style="cyan", markup=False),
        TextColumn("{task.fields[now]}", markup=False, table_column=rest),
        console=Console(
            file=cast("TextIO", stream),
            force_terminal=True,
            markup=False,
            emoji=False,
            highlight=False,
        ),
        auto_refresh=False,
        transient=True,
        expand=True,
        # Standard output holds the report, and is nobody's to redirect.
        redirect_stdout=False,
        redirect_stderr=False,
    )
