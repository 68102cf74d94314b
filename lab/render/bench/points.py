"""The samples of a report as points to be drawn."""

import statistics
from itertools import zip_longest
from typing import TypeVar

from msgspec import Struct

from lab.records.bench import CaseResult
from lab.render.bench.words import known


class Point(Struct, frozen=True):
    """One sample."""

    percent: float
    """How far it lies from the case's own median."""
    clean: bool
    process: int
    round: int
    at_s: float | None


class Drawn(Struct, frozen=True, kw_only=True):
    """A case that has samples."""

    number: int
    """As in the table of results, from 1."""
    case: CaseResult
    centre_s: float
    """Seconds per call that are 0 %: the case's median, or of all samples where it has none."""
    points: list[Point]


def drawn_cases(cases: list[CaseResult]) -> list[Drawn]:
    """The cases that have samples, with these beside their medians."""
    found = (_drawn(number, case) for number, case in enumerate(cases, 1))
    return [drawn for drawn in found if drawn]


def _drawn(number: int, case: CaseResult) -> Drawn | None:
    calls = max(case.calls_per_sample, 1)
    rows = [
        (sample / calls, clean is not False, process or 0, turn or 0, at)
        for sample, clean, process, turn, at in zip_longest(
            case.samples_s, case.clean, case.process, case.round, case.at_s
        )
        if sample is not None and known(sample / calls)
    ]
    if not rows:
        return None
    centre = known(case.median_s) or statistics.median(row[0] for row in rows)
    points = [
        Point(100 * (seconds / centre - 1), clean, process, turn, at if _drawable(at) else None)
        for seconds, clean, process, turn, at in rows
    ]
    points = [point for point in points if _drawable(point.percent)]
    return Drawn(number=number, case=case, centre_s=centre, points=points) if points else None


def _drawable(number: float | None) -> bool:
    """Whether an axis can show it: a record may hold anything."""
    return number is not None and abs(number) < 1e9


T = TypeVar("T")


def thin(ordered: list[T], limit: int) -> list[T]:
    """At most so many of a list, evenly chosen; the first and the last are always among them."""
    if len(ordered) <= limit or limit < 2:
        return ordered[: max(limit, 0)]
    last = len(ordered) - 1
    return [ordered[round(index * last / (limit - 1))] for index in range(limit)]


def thin_points(points: list[Point], limit: int) -> list[Point]:
    """At most so many points with the same spread: even in rank, the outermost kept.

    The samples that are not clean keep their share of the room, and a fifth where they are fewer.
    """
    clean = sorted((p for p in points if p.clean), key=lambda p: p.percent)
    other = sorted((p for p in points if not p.clean), key=lambda p: p.percent)
    if len(points) <= limit:
        return [*clean, *other]
    share = max(limit * len(other) // len(points), min(len(other), limit // 5))
    return [*thin(clean, limit - share), *thin(other, share)]


def left_out(drawn: int, total: int) -> list[str]:
    """What is to be said of points that are not drawn."""
    if drawn >= total:
        return []
    return [
        f"Drawn are {drawn:,} of {total:,} samples, evenly chosen by size; the smallest and the"
        " largest are always among them, and every figure is of all."
    ]
