"""Sentences about a whole speed test: where and when it was, and what its columns mean."""

import re

from lab.records.bench import BenchReport, CaseResult, Environment, Peak
from lab.render.bench.units import percent_text, span_text
from lab.render.bench.words import (
    BASES,
    DOUBT,
    DOUBTFUL,
    MEANINGS,
    interval_percent,
    known,
    peak_name,
    peak_rate,
)
from lab.render.clean import clean

COMPARED = {
    "FASTER": "less time than before, by more than the threshold and more than chance explains",
    "SLOWER": "more time than before, by more than the threshold and more than chance explains",
    "SAME": "any difference is smaller than the threshold",
    "INCONCLUSIVE": "these two runs cannot tell, and the reason says why",
}
NOMINAL = "of the data sheet's peak, or of that at the highest clock"
ABOVE_PEAK = (
    "possible: the data stayed in a cache, or the clock rose above the one that the peak was"
    " computed for"
)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)")


def machine_text(env: Environment) -> str:
    """The machine and what ran on it, in one line."""
    parts = [env.gpu.name] if env.gpu else []
    if env.cpu:
        parts.append(f"{env.cpu.model}, {_count(env.cpu.cores, 'core')}")
    if env.threads is not None:
        parts.append(_count(env.threads, "thread"))
    parts.append(f"torch {env.torch or 'not known'}")
    if env.engine:
        parts.append(f"engine {env.engine}")
    if env.image:
        parts.append(f"image {env.image}{short_digest(env.image_digest)}")
    return clean("; ".join(parts))


def short_digest(digest: str | None) -> str:
    """The first twelve digits of a digest, as engines show them."""
    return f" ({digest.rpartition(':')[2][:12]})" if digest else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def ended_text(report: BenchReport) -> str | None:
    """What is to be said when a run did not come to its own end."""
    after = span_text(report.duration_s)
    return {
        "done": None,
        "budget": (
            f"The time allowed was used up after {after}: some cases were measured less than was"
            " asked, or not at all."
        ),
        "interrupted": (
            f"This run was interrupted after {after}: it holds what was measured until then."
        ),
        "running": (
            "This run was killed before its end: it holds what was measured until then,"
            f" after {after}."
        ),
    }[report.ended]


def when_text(utc: str) -> str:
    """A time such as `2026-11-23 18:32 UTC`; what is no time stays as it is."""
    time = _TIME.match(utc)
    return f"{time[1]} {time[2]} UTC" if time else clean(utc)


def summary_text(report: BenchReport) -> str:
    """When, how thoroughly and for how long."""
    return (
        f"Speed test of {when_text(report.started_utc)}, level {clean(report.level)},"
        f" {report.processes} {'process' if report.processes == 1 else 'processes'},"
        f" took {span_text(report.duration_s)}"
    )


def interval_text(cases: list[CaseResult]) -> str | None:
    """What ± means for these cases; None where none has an interval."""
    over = [case.interval_over for case in cases if interval_percent(case) is not None]
    if not over:
        return None
    text = "the 95 % interval of the time per call"
    rounds = (
        "between the rounds of one process; one process cannot show how processes differ, so a"
        " second run may lie outside"
    )
    if "rounds" not in over:
        return f"{text}, between processes that each measured the case anew"
    if "processes" not in over:
        return f"{text}, {rounds}"
    few = over.count("rounds")
    return f"{text}, between processes; for {few} of {len(over)} cases {rounds}"


def explanations(report: BenchReport) -> list[tuple[str, str]]:
    """What the columns hold in this report, and where it was measured."""
    cases, floor = report.cases, report.environment.floor_percent
    nominal = any(case.percent_of_nominal is not None for case in cases)
    above = any((case.percent_of_peak or 0) > 100 for case in cases)
    texts = [
        ("machine", machine_text(report.environment)),
        ("±", interval_text(cases)),
        ("of peak", _peaks_text([case.peak for case in cases if case.peak])),
        ("nominal", NOMINAL if nominal else None),
        ("over 100 %", ABOVE_PEAK if above else None),
        ("floor", floor and f"runs differ by up to {percent_text(floor)} when nothing has changed"),
    ]
    return [(word, text) for word, text in texts if text]


def meanings(report: BenchReport) -> list[tuple[str, str]]:
    """The verdicts that occur, and the mark, with what they mean."""
    seen = {case.verdict for case in report.cases}
    compared = {comparison.verdict for comparison in report.comparisons}
    legend: list[tuple[str, str]] = [
        (verdict, meaning) for verdict, meaning in MEANINGS.items() if verdict in seen
    ]
    if any(case.verdict in DOUBTFUL and known(case.median_s) for case in report.cases):
        legend.append((DOUBT, "stands before a figure that is not to be relied on"))
    return [
        *legend,
        *((verdict, meaning) for verdict, meaning in COMPARED.items() if verdict in compared),
    ]


def _peaks_text(peaks: list[Peak]) -> str | None:
    """Peaks by how they are known; a GPU's differ from case to case with its clock."""
    ways: dict[str, dict[str, list[Peak]]] = {}
    for peak in peaks:
        ways.setdefault(BASES[peak.basis], {}).setdefault(peak_name(peak), []).append(peak)
    sentences = []
    for way, named in ways.items():
        rates: dict[str, list[str]] = {}
        for name, same in named.items():
            ends = (min(same, key=lambda p: p.per_s), max(same, key=lambda p: p.per_s))
            rate = " to ".join(dict.fromkeys(map(peak_rate, ends)))
            rates.setdefault(rate, []).append(name)
        told = (f"{' and '.join(names)} {rate}" for rate, names in rates.items())
        sentences.append(f"{way}: {', '.join(told)}")
    return "; ".join(sentences) or None
