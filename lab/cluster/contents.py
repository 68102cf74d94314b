"""What a node left, by the kind of the run: how its file is read, and what of it is kept in
memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.json import decode

from lab.bench.results import whole_report
from lab.cluster.figures import figures_of, has_figures, worst_of
from lab.records.autograd import AutogradReport
from lab.records.bench import BenchReport
from lab.records.cluster import Kind
from lab.records.gpu import GpuReport


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a node found out, whatever it was asked for.

    Args:
        found: whether it is anything at all.
        cut: why that is not all, although it came to its end; empty where it is all.
        reasons: why it is nothing.
        data: what the nodes are judged by: Figures of `bench`, of the others their report.
    """

    found: bool
    cut: str = ""
    reasons: Sequence[str] = ()
    data: Any = None


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How one kind of result is read.

    Args:
        read: makes a record of the bytes of `result.json`; raises what msgspec does.
        kept: names of the files that there are before it is whole; empty: none.
        content: what counts of it.
    """

    read: Callable[[bytes], Struct]
    kept: str
    content: Callable[[Mapping[str, Any], GpuReport | None], Content]
    """Of its results, by device where a node has several GPUs, else of the one that there is; and
    of what NVML said after the speed tests."""


def _of_bench(reports: Mapping[str, BenchReport | None], gpus: GpuReport | None) -> Content:
    there = {device: report for device, report in reports.items() if report is not None}
    figures = worst_of({device: figures_of(report) for device, report in there.items()}, gpus)
    cut = [f"{device} has no result" for device in reports if device not in there]
    cut += [
        f"{device or 'its run'} is {report.ended}" for device, report in there.items()
        if report.ended not in ("done", "budget")
    ]  # fmt: skip
    whys = [
        why for report in there.values()
        for why in (report.problems or [c.reason for c in report.cases if c.reason][:1])
    ]  # fmt: skip
    return Content(
        found=has_figures(figures), cut=", ".join(cut), reasons=whys or ["nothing was measured"],
        data=figures,
    )  # fmt: skip


def _of_gpu(reports: Mapping[str, GpuReport], _: GpuReport | None) -> Content:
    (report,) = reports.values()
    return Content(found=bool(report.gpus), reasons=["the driver knows no GPU"], data=report)


def _of_autograd(reports: Mapping[str, AutogradReport], _: GpuReport | None) -> Content:
    (report,) = reports.values()
    return Content(found=bool(report.results), reasons=["nothing was checked"], data=report)


READERS: Mapping[Kind, Reader] = {
    "bench": Reader(read=whole_report, kept="bench-*.json", content=_of_bench),
    "gpu": Reader(read=partial(decode, type=GpuReport), kept="", content=_of_gpu),
    "autograd": Reader(read=partial(decode, type=AutogradReport), kept="", content=_of_autograd),
}
