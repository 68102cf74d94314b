"""How the figures of a speed test read, in text and on the page."""

import math
import re

from lab.records.bench import CaseResult, Comparison, Param, Peak, Verdict
from lab.render.bench.units import NONE, duration_text, percent_text, rate_text
from lab.render.clean import clean

MEANINGS: dict[Verdict, str] = {
    "ok": "measured as precisely as was asked",
    "not_converged": "the figure still varies more than asked; give it more time",
    "not_steady": "it drifted or jumped, so one figure does not describe it",
    "contaminated": "something else used the machine; do not trust the figure",
    "not_run": "there is no figure, and the reason says why",
}
LAUNCH_BOUND = "the device waits for its host: the figure is how fast the call is launched"
DOUBTFUL: frozenset[Verdict] = frozenset({"not_steady", "contaminated"})
"""Figures of these are shown with a mark."""
DOUBT = "~"
# Not those in a name such as float32.
_NUMBER = re.compile(r"(?<![\w.])[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?(?![\w.])")

BASES = {
    "nominal": "from the data sheet or the highest clock",
    "clock_seen": "at the clock seen while it worked",
    "measured": "measured",
}


def known(value: float | None) -> float | None:
    """A number above zero, or None: a duration or rate of nothing is no figure."""
    return value if value is not None and math.isfinite(value) and value > 0 else None


def params_text(
    params: dict[str, Param], dtype: str | None = None, device: str | None = None
) -> str:
    """Parameters in short, words without their names: `size=1024 float32`."""
    shown: dict[str, Param] = dict(params)
    if dtype:
        shown.setdefault("dtype", dtype)
    if device:
        shown.setdefault("device", device)
    return " ".join(clean(_param(name, value)) for name, value in shown.items())


def _param(name: str, value: Param) -> str:
    if isinstance(value, bool):
        return f"{name}={str(value).lower()}"
    if isinstance(value, float):
        return f"{name}={value:g}"
    return value if isinstance(value, str) else f"{name}={value}"


def case_params(case: CaseResult, report_devices: int) -> str:
    """The parameters of a case, with its device where the report has several."""
    return params_text(case.params, case.dtype, case.device if report_devices > 1 else None)


def devices(cases: list[CaseResult]) -> int:
    """How many devices the cases ran on."""
    return len({case.device for case in cases})


def label(thing: CaseResult | Comparison, report_devices: int = 1) -> str:
    """A case's name and parameters."""
    if isinstance(thing, CaseResult):
        params = case_params(thing, report_devices)
    else:
        params = params_text(thing.params)
    return f"{clean(thing.name)} {params}".strip()


def interval_percent(case: CaseResult) -> float | None:
    """The farther end of the 95 % interval from the median, in percent of the median."""
    median = known(case.median_s)
    if median is None or case.ci95_s is None:
        return None
    percent = 100 * max(abs(end - median) for end in case.ci95_s) / median
    return percent if math.isfinite(percent) else None


def speed_text(case: CaseResult) -> str:
    """Work per second: in what the case's peak counts, else in what sets its pace."""
    flop, moved = known(case.throughput_flop_per_s), known(case.throughput_bytes_per_s)
    # Less than one FLOP for a byte: every machine waits for its memory.
    in_bytes = case.peak.kind == "bytes" if case.peak else flop and moved and flop < moved
    if moved and (in_bytes or not flop):
        return rate_text(moved, "B/s")
    if flop:
        return rate_text(flop, "FLOP/s")
    median = known(case.median_s)
    return rate_text(1 / median, "calls/s") if median else NONE


def peak_rate(peak: Peak) -> str:
    """What the device can do at best, with its unit."""
    return rate_text(peak.per_s, "FLOP/s" if peak.kind == "flop" else "B/s")


def peak_name(peak: Peak) -> str:
    """The dtype that a peak is for, or memory."""
    return "memory" if peak.kind == "bytes" else clean(peak.dtype or "any dtype")


def figures(case: CaseResult) -> list[str]:
    """Time per call, ±, speed, percent of peak and of nominal; what is doubtful marked."""
    median = known(case.median_s)
    time, speed = duration_text(median) if median else NONE, speed_text(case)
    if case.verdict in DOUBTFUL:
        time, speed = (NONE if text == NONE else f"{DOUBT}{text}" for text in (time, speed))
    percents = (interval_percent(case), case.percent_of_peak, case.percent_of_nominal)
    return [time, percent_text(percents[0]), speed, *map(percent_text, percents[1:])]


def ratio_texts(comparison: Comparison) -> tuple[str, str]:
    """The ratio and its interval, to a tenth of a percent, since a few percent are looked for."""
    ratio = known(comparison.ratio)
    ends = comparison.ci95 and [f"{end:.3f}" for end in comparison.ci95]
    return f"{ratio:.3f}" if ratio else NONE, " to ".join(ends) if ends else NONE


def reasons(cases: list[CaseResult]) -> list[tuple[Verdict, str, list[str]]]:
    """Each verdict that is not ok with its reason, and the cases that share both.

    Reasons that differ in their numbers alone are one, with the smallest and the largest number.
    """
    several = devices(cases)
    groups: dict[tuple[Verdict, str], list[tuple[str, str]]] = {}
    for case in cases:
        if case.verdict != "ok":
            reason = clean(case.reason or "no reason was recorded")
            group = groups.setdefault((case.verdict, _NUMBER.sub("0", reason)), [])
            group.append((reason, label(case, several)))
    order: list[Verdict] = ["contaminated", "not_steady", "not_converged", "not_run"]
    return [
        (verdict, _merged([reason for reason, _ in group]), [shown for _, shown in group])
        for (verdict, _), group in sorted(groups.items(), key=lambda item: order.index(item[0][0]))
    ]


def launch_bound(cases: list[CaseResult]) -> list[str]:
    """The cases in which the device waited for its host."""
    several = devices(cases)
    return [label(case, several) for case in cases if case.launch_bound]


def _merged(alike: list[str]) -> str:
    """One sentence of several that differ in their numbers alone."""
    numbers = iter(zip(*(_NUMBER.findall(reason) for reason in alike), strict=True))

    def span(_: re.Match[str]) -> str:
        ends = sorted(set(next(numbers)), key=float)
        return " to ".join(dict.fromkeys((ends[0], ends[-1])))

    return _NUMBER.sub(span, alike[0])
