"""Judges the nodes of a run of `autograd`: a check that fails on one of them is its arithmetic."""

from collections import Counter
from collections.abc import Mapping, Sequence

from lab.cluster.gather import Gathered, Judged
from lab.cluster.odd import odd_ones_out
from lab.records.autograd import AutogradReport, CaseResult
from lab.records.cluster import Node, NodeFinding

_Check = tuple[str, str, str]


def judge_checks(nodes: Sequence[Node], gathered: Mapping[str, Gathered], floor: float) -> Judged:
    """Say of each node which checks failed on it, and on how many others they did.

    Args:
        nodes: not judged yet.
        gathered: what they left, by name.
        floor: of speed tests.
    """
    reports: dict[str, AutogradReport] = {
        node: own.content.data for node, own in gathered.items() if own.content is not None
    }
    failed = Counter(
        _check(result) for report in reports.values() for result in report.results
        if not result.report.ok
    )  # fmt: skip
    facts = {
        node: {"torch": report.torch_version, "engine": report.engine}
        for node, report in reports.items()
    }
    judged = [
        _judge(node, reports[node.name], failed, len(reports)) if node.name in reports else node
        for node in nodes
    ]
    return Judged(nodes=judged, cases=[], odd_ones_out=odd_ones_out(facts))


def _check(result: CaseResult) -> _Check:
    return result.name, result.mode, result.device


def _judge(node: Node, report: AutogradReport, failed: Mapping[_Check, int], of: int) -> Node:
    from msgspec.structs import replace

    wrong = [result for result in report.results if not result.report.ok]
    findings = [
        NodeFinding(
            name=result.name, mode=result.mode, device=result.device,
            causes=[found.cause for found in result.report.findings if not found.harmless],
            elsewhere=failed[_check(result)] - 1,
        )
        for result in wrong
    ]  # fmt: skip
    words = [
        f"{result.name}, {result.mode}, {result.device}: {_first(result)}"
        f" ({_elsewhere(found.elsewhere, of)})"
        for result, found in zip(wrong, findings, strict=True)
    ]
    return replace(
        node, verdict="wrong" if wrong else "ok", checks=len(report.results), findings=findings,
        reasons=[*node.reasons, *words],
    )  # fmt: skip


def _first(result: CaseResult) -> str:
    messages = [found.message for found in result.report.findings if not found.harmless]
    return messages[0] if messages else "the gradient is wrong"


def _elsewhere(others: int, of: int) -> str:
    return f"on {others} of the {of - 1} others too" if others else "on no other node"
