"""What the comparison between nodes needs of one node's run: a time for each case, and its
set-up."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from statistics import fmean, median

from lab.records.bench import BenchReport, CaseResult, Environment

Key = tuple[str, str, str]
_PREEMPTING = ("preempted", "stolen")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One case on one node; the samples themselves stay in the node's file.

    Args:
        case: without its samples.
        time_s: seconds for one call, of all samples.
        clean_share: samples that nothing disturbed.
        throttled_share: samples in which a limit held the process back.
        preempted_share: samples in which others had the processor.
    """

    case: CaseResult
    time_s: float | None
    clean_share: float | None
    throttled_share: float = 0.0
    preempted_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Figures:
    """All cases of a node's run, and where it was measured."""

    environment: Environment = field(default_factory=Environment)
    cases: Mapping[Key, Figure] = field(default_factory=dict)


def figures_of(report: BenchReport) -> Figures:
    """Reduce a run to its figures, so that those of many nodes fit into memory."""
    return Figures(
        environment=report.environment,
        cases={key_of(case): _figure(case) for case in report.cases},
    )


def has_figures(figures: Figures | None) -> bool:
    """Whether there is a single figure."""
    return figures is not None and any(f.time_s is not None for f in figures.cases.values())


def key_of(case: CaseResult) -> Key:
    """What makes a case the same on two nodes; `cuda:0` and `cuda:1` are one device."""
    return case.name, json.dumps(case.params, sort_keys=True), case.device.partition(":")[0]


def _figure(case: CaseResult) -> Figure:
    from msgspec.structs import replace

    count = len(case.samples_s)
    bare = replace(
        case, samples_s=[], clean=[], process=[], round=[], at_s=[], wall_s=[], launched_s=[],
        telemetry=[], notes=[],
    )  # fmt: skip
    if not count or case.calls_per_sample < 1:
        return Figure(case=bare, time_s=None, clean_share=None)
    return Figure(
        case=bare, time_s=sustained_time(case), clean_share=sum(case.clean) / count,
        throttled_share=case.disturbances.get("throttled", 0) / count,
        preempted_share=sum(case.disturbances.get(why, 0) for why in _PREEMPTING) / count,
    )  # fmt: skip


def sustained_time(case: CaseResult) -> float:
    """Seconds for one call as the node keeps it up: the median over the rounds of their means.

    `inv bench` leaves disturbed samples out, to say what the device can do. A node whose processor
    is taken away four fifths of the time looks as fast as any by that figure, and slows down
    whatever waits for it: between nodes all samples count. A mean has the pauses in it; the median
    of the means keeps a single one from deciding.
    """
    means, begin = [], 0
    # The samples of a round are side by side.
    for _, same in groupby(zip(case.process, case.round, strict=True)):
        end = begin + len(list(same))
        means.append(fmean(case.samples_s[begin:end]))
        begin = end
    return median(means) / case.calls_per_sample
