"""The words of `inv gpu`, and its first step: to have the GPUs read.

The whole command takes a tenth of a second, in which a process of its own reads the GPUs: that one
is started first, and what makes a report of its answer is imported meanwhile.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.gpu.read import DEADLINE_S, Reading
from lab.units import parse_number, parse_words

if TYPE_CHECKING:
    from lab.launch import Wish
    from lab.records.gpu import GpuReport

Say = Callable[[str], None]

_INTERVAL_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a person asked for.

    Args:
        only: indices or beginnings of UUIDs; empty takes all.
        deadline_s: how long the calls of one GPU may take together.
        interval_s: from one reading to the next.
        slow: read what takes 20 ms a call as well.
    """

    only: tuple[str, ...] = ()
    deadline_s: float = DEADLINE_S
    interval_s: float = _INTERVAL_S
    slow: bool = False


def parse_order(only: str, deadline: str, interval: str, *, slow: bool) -> Order:
    """Read what was typed.

    Raises:
        LabError: a number is none, or makes no sense.
    """
    return Order(
        only=parse_words(only), slow=slow,
        deadline_s=parse_number(deadline, "--deadline", least=0.1, most=600)
        if deadline
        else DEADLINE_S,
        interval_s=parse_number(interval, "--interval", least=0.1, most=86400)
        if interval
        else _INTERVAL_S,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Show:
    """How it is to be shown.

    Args:
        watch: again and again.
        json: as JSON.
        prometheus: as metrics.
        details: every value.
        output: a file for it, beside standard output.
    """

    watch: bool = False
    json: bool = False
    prometheus: bool = False
    details: bool = False
    output: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Tell:
    """Where results go.

    Args:
        publish: shows a report, given with its text, and keeps it where that was asked for.
        say: takes lines for people.
    """

    publish: Callable[["GpuReport", str], None]
    say: Say


def refuse_senseless(show: Show, interval: str) -> None:
    """Refuse options that exclude each other, rather than leave one of them out without a word.

    Raises:
        LabError: two of them exclude each other.
    """
    if show.json and show.prometheus:
        raise LabError(
            "--json and --prometheus exclude each other.",
            why="standard output holds one document",
            next_step="leave one of them out",
        )
    if interval and not show.watch:
        raise LabError(
            "--interval is for --watch.",
            why="without it the GPUs are read once",
            next_step=f"./inv gpu --watch --interval {interval}",
        )


def parse_place(engine: str, image: str) -> "Wish | None":
    """Where to read: None is right here, on the host or in the container that this is.

    Raises:
        LabError: there is no such engine.
    """
    if engine in ("auto", "host") and not image:
        return None
    from lab.gpu_elsewhere import place_of

    return place_of(engine, image)


def run(order: Order, show: Show, tell: Tell) -> int:
    """Read here, and show; returns the exit code.

    Raises:
        LabError: nothing could be read; says why.
    """
    with Reading(deadline_s=order.deadline_s, slow=order.slow, fork=True) as reading:
        from lab import gpu_views

        if not show.watch:
            return gpu_views.once(reading, order, show, tell)
        if show.json or show.prometheus or not gpu_views.is_terminal():
            return gpu_views.follow(reading, order, show, tell)
        return gpu_views.draw(reading, order, show)
