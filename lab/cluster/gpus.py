"""Judges the nodes of a run of `gpu`: by their GPUs' own verdicts, and who is set up otherwise."""

from collections.abc import Mapping, Sequence

from lab.cluster.gather import Gathered, Judged
from lab.cluster.odd import facts_of_gpus, odd_ones_out
from lab.records.cluster import Node, NodeGpu
from lab.records.gpu import Gpu, GpuReport

_ORDER = {"fail": 0, "warn": 1, "ok": 2}


def judge_gpus(nodes: Sequence[Node], gathered: Mapping[str, Gathered], floor: float) -> Judged:
    """Say of each node how its GPUs are, the worst node first.

    Args:
        nodes: not judged yet.
        gathered: what they left, by name.
        floor: of speed tests.
    """
    from msgspec.structs import replace

    reports: dict[str, GpuReport] = {
        node: own.content.data for node, own in gathered.items() if own.content is not None
    }
    judged = []
    for node in nodes:
        report = reports.get(node.name)
        if report is None:
            judged.append(node)
            continue
        gpus = sorted(map(_gpu, report.gpus), key=lambda gpu: (_ORDER[gpu.verdict], gpu.index))
        words = [f"GPU {gpu.index} {gpu.verdict}: {seen}" for gpu in gpus for seen in gpu.reasons]
        judged.append(
            replace(node, verdict=report.verdict, gpus=gpus, reasons=[*node.reasons, *words])
        )
    facts = {node: facts_of_gpus(report) for node, report in reports.items()}
    return Judged(nodes=sorted(judged, key=_badness), cases=[], odd_ones_out=odd_ones_out(facts))


def _badness(node: Node) -> tuple[bool, int]:
    """What comes first in the list: nodes without a result, then by the worst of their GPUs."""
    return node.state == "ok", _ORDER.get(node.verdict, 0)


def _gpu(gpu: Gpu) -> NodeGpu:
    return NodeGpu(
        index=gpu.index, uuid=gpu.uuid, name=gpu.name, verdict=gpu.verdict,
        reasons=[finding.seen for finding in gpu.reasons],
    )  # fmt: skip
