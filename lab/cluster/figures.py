"""What the comparison between nodes needs of one node's run: a time for each case, and its
set-up."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, compress, count, pairwise
from math import log, pi, sqrt
from operator import ne
from statistics import median
from sys import intern

from msgspec.structs import replace

from lab.records.bench import (
    BenchReport,
    CaseResult,
    Environment,
    GpuFacts,
    Param,
    Telemetry,
    Verdict,
)  # fmt: skip
from lab.records.gpu import GpuReport

Key = tuple[str, str, str]
_PREEMPTING = ("preempted", "stolen")


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """What a case is, and what its node says of it."""

    name: str
    params: dict[str, Param]
    device: str
    median_s: float | None
    clock_hz: float | None
    verdict: Verdict
    reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One case on one node, on the slowest of its GPUs; the samples stay in the node's file.

    Args:
        case: what it is.
        time_s: seconds for one call, of all samples.
        error: standard error of its logarithm; None of a single round.
        estimates: the rounds or processes that the error is from.
        clean_share: samples that nothing disturbed.
        throttled_share: samples in which a limit held the process back.
        preempted_share: samples in which others had the processor.
        seen: what NVML said meanwhile, the worst of all processes.
        facts: of its GPU.
        findings: of its GPU, by name: what is wrong with it, in words.
    """

    case: Case
    time_s: float | None
    clean_share: float | None
    error: float | None = None
    estimates: int = 0
    throttled_share: float = 0.0
    preempted_share: float = 0.0
    seen: Telemetry | None = None
    facts: GpuFacts | None = None
    findings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """All cases of a node's run, and where it was measured.

    Args:
        environment: of the node; that of its first GPU.
        cases: each on the slowest of its GPUs.
        gpus: all of them, by device.
        lacking: what single GPUs have no figure of, and why.
        read: what NVML said after the speed tests.
    """

    environment: Environment = field(default_factory=Environment)
    cases: Mapping[Key, Figure] = field(default_factory=dict)
    gpus: Mapping[str, GpuFacts] = field(default_factory=dict)
    lacking: Mapping[Key, Sequence[str]] = field(default_factory=dict)
    read: GpuReport | None = None


def figures_of(report: BenchReport) -> Figures:
    """Reduce a run to its figures, so that those of many nodes fit into memory."""
    # Peaks belong to the node's own figures, and would take half of the memory here.
    bare = replace(report.environment, peaks=[])
    return Figures(environment=bare, cases={key_of(case): figure_of(case) for case in report.cases})


def has_figures(figures: Figures | None) -> bool:
    """Whether there is a single figure."""
    return figures is not None and any(f.time_s is not None for f in figures.cases.values())


def worst_of(nodes: Mapping[str, Figures], read: GpuReport | None) -> Figures:
    """The figures of a node from those of its GPUs: in each case those of the slowest.

    What waits for a node waits for the slowest of its GPUs.

    Args:
        nodes: the figures on each GPU, by device; of one without a name as they are.
        read: what NVML said of the GPUs.
    """
    cases: dict[Key, Figure] = {}
    lacking: dict[Key, list[str]] = {}
    for device, own in nodes.items():
        findings = _findings(own.environment.gpu, read)
        for key, figure in own.cases.items():
            named = _on(figure, device, own.environment.gpu, findings)
            if named.time_s is None:
                on = f" on {device}" if device else ""
                why = f"{figure.case.name}{on} has no figure: {figure.case.reason}"
                lacking.setdefault(key, []).append(why)
            if key not in cases or (named.time_s or 0) > (cases[key].time_s or 0):
                cases[key] = named
    first = next(iter(nodes.values()), Figures())
    gpus = {device: own.environment.gpu for device, own in nodes.items()}
    return Figures(
        environment=first.environment, cases=cases, lacking=lacking, read=read,
        gpus={device: gpu for device, gpu in gpus.items() if gpu is not None},
    )  # fmt: skip


def _on(figure: Figure, device: str, gpu: GpuFacts | None, findings: Mapping[str, str]) -> Figure:
    case = dataclasses.replace(figure.case, device=intern(device)) if device else figure.case
    return dataclasses.replace(figure, case=case, facts=gpu, findings=findings)


def _findings(gpu: GpuFacts | None, read: GpuReport | None) -> dict[str, str]:
    if gpu is None or read is None:
        return {}
    reasons = [found for own in read.gpus if own.uuid == gpu.uuid for found in own.reasons]
    return {found.name: found.seen for found in reasons}


def key_of(case: CaseResult) -> Key:
    """What makes a case the same on two nodes; `cuda:0` and `cuda:1` are one device."""
    return _key(case.name, tuple(case.params.items()), case.device.partition(":")[0])


@lru_cache(maxsize=4096)
def _key(name: str, params: tuple[tuple[str, Param], ...], device: str) -> Key:
    """Made once for all nodes: their keys share their memory."""
    return name, json.dumps(dict(params), sort_keys=True), device


def figure_of(case: CaseResult) -> Figure:
    """Reduce a case; its samples belong together, as `whole_report` checks."""
    samples = len(case.samples_s)
    bare = Case(
        name=intern(case.name), params=_params(tuple(case.params.items())),
        device=intern(case.device), median_s=case.median_s, clock_hz=case.clock_hz,
        verdict=case.verdict, reason=case.reason,
    )  # fmt: skip
    if not samples or case.calls_per_sample < 1:
        return Figure(case=bare, time_s=None, clean_share=None)
    means = _round_means(case)
    error, estimates = _error_of(means)
    return Figure(
        case=bare, time_s=_sustained(means) / case.calls_per_sample, error=error,
        estimates=estimates, clean_share=sum(case.clean) / samples,
        throttled_share=case.disturbances.get("throttled", 0) / samples,
        preempted_share=sum(case.disturbances.get(why, 0) for why in _PREEMPTING) / samples,
        seen=_together(case.telemetry),
    )  # fmt: skip


def _together(telemetry: Sequence[Telemetry]) -> Telemetry | None:
    """What NVML said in all processes: medians of medians, and the worst of the rest."""
    if not telemetry:
        return None
    return Telemetry(
        samples=sum(one.samples for one in telemetry),
        sm_clock_hz_median=_middle(one.sm_clock_hz_median for one in telemetry),
        power_w_median=_middle(one.power_w_median for one in telemetry),
        temperature_c_max=max(
            (one.temperature_c_max for one in telemetry if one.temperature_c_max is not None),
            default=None,
        ),
        pcie_generation=_middle(one.pcie_generation for one in telemetry),
        pcie_width=_middle(one.pcie_width for one in telemetry),
        throttle_reasons=sorted({why for one in telemetry for why in one.throttle_reasons}),
    )  # fmt: skip


def _middle(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


@lru_cache(maxsize=4096)
def _params(items: tuple[tuple[str, Param], ...]) -> dict[str, Param]:
    return dict(items)


def _sustained(processes: list[list[float]]) -> float:
    """Seconds of a sample as the node keeps it up: the median over the rounds of their means.

    `inv bench` leaves disturbed samples out, to say what the device can do. A node whose processor
    is taken away four fifths of the time looks as fast as any by that figure, and slows down
    whatever waits for it: between nodes all samples count. A mean has the pauses in it; the median
    of the means keeps a single one from deciding.
    """
    return median(chain.from_iterable(processes))


def _round_means(case: CaseResult) -> list[list[float]]:
    """The mean sample of each round, in seconds, for each process; what belongs together is side by
    side."""
    samples = case.samples_s
    return [
        [sum(samples[a:b]) / (b - a) for a, b in rounds]
        for rounds in _rounds(tuple(case.process), tuple(case.round))
    ]


@lru_cache(maxsize=256)
def _rounds(process: tuple[int, ...], rounds: tuple[int, ...]) -> list[list[tuple[int, int]]]:
    """Where each round begins and ends, for each process; the same for most cases of a cluster."""
    return [
        [(begin + a, begin + b) for a, b in _runs(rounds[begin:end])]
        for begin, end in _runs(process)
    ]


def _runs(numbers: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Where each row of equal numbers begins and ends."""
    return pairwise([0, *compress(count(1), map(ne, numbers, numbers[1:])), len(numbers)])


def _error_of(processes: list[list[float]]) -> tuple[float | None, int]:
    """The standard error of a sustained time's logarithm, and from how many estimates it is.

    Between processes where there are several, since those differ more than the rounds of one.

    Source: for the rounds as `lab.bench.statistics.round_interval`, a median's is sqrt(pi / 2)
    times a mean's.
    """
    several = len(processes) > 1
    logs = [log(v) for v in (map(median, processes) if several else processes[0])]
    if len(logs) < 2:
        return None, len(logs)
    middle = sum(logs) / len(logs)
    variance = sum((value - middle) ** 2 for value in logs) / (len(logs) - 1)
    return (1.0 if several else sqrt(pi / 2)) * sqrt(variance / len(logs)), len(logs)
