"""What the comparison between nodes needs of one node's run: a time for each case, and its
set-up."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from statistics import fmean, median

from lab.records.bench import BenchReport, CaseResult, Environment, GpuFacts, Telemetry
from lab.records.gpu import GpuReport

Key = tuple[str, str, str]
_PREEMPTING = ("preempted", "stolen")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One case on one node, on the slowest of its GPUs; the samples stay in the node's file.

    Args:
        case: without its samples.
        time_s: seconds for one call, of all samples.
        clean_share: samples that nothing disturbed.
        throttled_share: samples in which a limit held the process back.
        preempted_share: samples in which others had the processor.
        seen: what NVML said meanwhile, the worst of all processes.
        facts: of its GPU.
        findings: of its GPU, by name: what is wrong with it, in words.
    """

    case: CaseResult
    time_s: float | None
    clean_share: float | None
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
    return Figures(
        environment=report.environment,
        cases={key_of(case): _figure(case) for case in report.cases},
    )


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
    from msgspec.structs import replace

    case = replace(figure.case, device=device) if device else figure.case
    return dataclasses.replace(figure, case=case, facts=gpu, findings=findings)


def _findings(gpu: GpuFacts | None, read: GpuReport | None) -> dict[str, str]:
    if gpu is None or read is None:
        return {}
    reasons = [found for own in read.gpus if own.uuid == gpu.uuid for found in own.reasons]
    return {found.name: found.seen for found in reasons}


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
