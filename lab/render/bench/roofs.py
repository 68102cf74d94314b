"""What a roofline shows: peaks as roofs, and cases as points beneath them."""

from msgspec import Struct

from lab.records.bench import BenchReport, CaseResult, Peak
from lab.render.bench import words
from lab.render.bench.axes import shorten
from lab.render.clean import clean

_MOST_ROOFS = 8
# What else moves bytes may have more to do than that, such as to make random numbers.
_MEMORY_TEST = "memory"
_TRUSTED = ("ok", "not_converged")
_TRUST = ("measured", "clock_seen", "nominal")


class Dot(Struct, frozen=True, kw_only=True):
    """A case as a point of the roofline."""

    number: int
    case: CaseResult
    intensity: float
    """FLOP for each byte."""
    flop_per_s: float


class Roofs(Struct, frozen=True, kw_only=True):
    """What the device can do at best."""

    flop: dict[float, list[str]]
    """dtypes by height: those that are equally fast share a line."""
    bytes_per_s: float | None
    memory: str
    """How the memory's rate is known, or why it is not."""


def find_dots(report: BenchReport) -> list[Dot]:
    """The cases that count both FLOP and bytes, and have a figure."""
    dots = (_dot(number, case) for number, case in enumerate(report.cases, 1))
    return [dot for dot in dots if dot]


def _dot(number: int, case: CaseResult) -> Dot | None:
    flop, moved = words.known(case.flop_per_call), words.known(case.bytes_per_call)
    median = words.known(case.median_s)
    if not (flop and moved and median):
        return None
    intensity, rate = flop / moved, flop / median
    if not (1e-9 < intensity < 1e12 and 1e-3 < rate < 1e24):
        return None  # no machine does that, and no axis shows it
    return Dot(number=number, case=case, intensity=intensity, flop_per_s=rate)


def find_roofs(report: BenchReport) -> Roofs:
    """The peaks of a report: for each dtype the one that percentages are of, else the surest."""
    peaks = [
        peak for peak in [*(c.peak for c in report.cases if c.peak), *report.environment.peaks]
        if 1 < peak.per_s < 1e24
    ]  # fmt: skip
    of_machine = set(report.environment.peaks)
    # The peaks that percentages are of come first, then the better known of the others.
    peaks.sort(key=lambda peak: (peak in of_machine, _TRUST.index(peak.basis), -peak.per_s))
    best: dict[str, float] = {}
    for peak in peaks:
        if peak.kind == "flop" and len(best) < _MOST_ROOFS:
            best.setdefault(shorten(words.peak_name(peak), 14), float(f"{peak.per_s:.2e}"))
    flop: dict[float, list[str]] = {}
    for name, height in best.items():
        flop.setdefault(height, []).append(name)
    rate, memory = _memory(report, [peak for peak in peaks if peak.kind == "bytes"])
    return Roofs(flop=flop, bytes_per_s=rate, memory=memory)


def _memory(report: BenchReport, peaks: list[Peak]) -> tuple[float | None, str]:
    if peaks:
        peak = min(peaks, key=lambda p: _TRUST.index(p.basis))
        return (
            peak.per_s,
            f"The memory's rate is {words.BASES[peak.basis]}: {clean(peak.source)}.",
        )
    rates = [
        (rate, case) for case in report.cases
        if case.name == _MEMORY_TEST and case.verdict in _TRUSTED
        and "hot" not in case.params.values()
        and 1 < (rate := words.known(case.throughput_bytes_per_s) or 0) < 1e24
    ]  # fmt: skip
    if not rates:
        return None, (
            "There is no roof for the memory: its rate is not known, and no memory test of this run"
            " can be relied on."
        )
    rate, case = max(rates, key=lambda item: item[0])
    return rate, (
        "The memory's own peak is not known; its roof is the fastest memory test of this run,"
        f" {words.label(case)}."
    )
