"""The heat maps of a run: its nodes beside each other, and beside the reference."""

import json
from collections.abc import Mapping

from lab.records.cluster import ClusterReport, Node, NodeCase
from lab.render.cluster_page.heat import Cell, Heat, Row
from lab.render.cluster_reference import case_label

_MARKS = {"SLOWER": "▲", "FASTER": "▼"}


def word_of(node: Node) -> str:
    """What is to be said of a node: its state, else its verdict; empty where it is well."""
    if node.state != "ok":
        return node.state
    return "" if node.verdict == "ok" else node.verdict


def ordered(report: ClusterReport) -> list[Node]:
    """The nodes, those that stand out first, then by their slowest case."""
    odd = {odd.node for odd in report.odd_ones_out}
    slower = set(report.reference.slower) if report.reference is not None else set()

    def place(node: Node) -> tuple[bool, bool, bool, bool, float]:
        worst = max((case.ratio for case in node.cases if case.ratio is not None), default=0.0)
        return (
            node.verdict not in ("straggler", "suspect"), node.name not in slower,
            node.state == "ok", node.name not in odd, -worst,
        )  # fmt: skip

    return sorted(report.nodes, key=place)


def stands_out(report: ClusterReport) -> set[str]:
    """The nodes that something is to be said of."""
    found = {odd.node for odd in report.odd_ones_out}
    found |= {node.name for node in report.nodes if node.state != "ok"}
    found |= {node.name for node in report.nodes if node.verdict in ("straggler", "suspect")}
    return found | set(report.reference.slower if report.reference is not None else ())


def columns_of(report: ClusterReport) -> list[tuple[tuple[str, str, str], str]]:
    """The cases that a node has a figure of: what makes each the same, and its name."""
    several = len({case.device for case in report.cases}) > 1
    return [
        (
            (case.name, json.dumps(case.params, sort_keys=True), case.device),
            case_label(case.name, case.params) + (f" {case.device}" if several else ""),
        )
        for case in report.cases
    ]


def _by_key(node: Node) -> dict[tuple[str, str, str], NodeCase]:
    return {
        (case.name, json.dumps(case.params, sort_keys=True), case.device.partition(":")[0]): case
        for case in node.cases
    }


def heat_now(report: ClusterReport, links: Mapping[str, str]) -> Heat | None:
    """Each node's times beside the others'; None where no node has a figure."""
    columns = columns_of(report)
    if not columns:
        return None
    usual = [case.median_s for case in report.cases]
    rows = []
    odd = {odd.node for odd in report.odd_ones_out}
    for node in ordered(report):
        found = _by_key(node)
        cases = [found.get(key) for key, _ in columns]
        rows.append(
            Row(
                name=node.name, word=word_of(node) or ("differs" if node.name in odd else ""),
                link=links.get(node.name),
                cells=[_cell(case, median) for case, median in zip(cases, usual, strict=True)]
                if node.cases else [],
                reason=next(iter(node.reasons), "no figures"),
                more=[
                    [_short(case.counted_s if case else None) for case in cases],
                    [_short(case.clean_percent if case else None) for case in cases],
                ],
            )
        )  # fmt: skip
    return Heat(
        id="now", caption="Time of each node over the median of the others'",
        columns=[name for _, name in columns], rows=rows, than="on the others",
        more=[("time", "s"), ("undisturbed samples", "%")],
    )  # fmt: skip


def _cell(case: NodeCase | None, median_s: float) -> Cell:
    """A case's ratio; of too few nodes to judge, the one to their median."""
    if case is None or case.counted_s is None:
        return Cell(ratio=None)
    ratio = case.ratio if case.ratio is not None else case.counted_s / median_s
    return Cell(ratio=ratio, mark="▲" if case.slow else "")


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.3g}")


def heat_of_changes(report: ClusterReport, links: Mapping[str, str]) -> Heat | None:
    """Each node's times beside its own in the reference; None without one."""
    columns = columns_of(report)
    if report.reference is None or not columns:
        return None
    rows = []
    slower = set(report.reference.slower)
    for node in sorted(ordered(report), key=lambda node: node.name not in slower):
        found = _by_key(node)
        cases = [found.get(key) for key, _ in columns]
        changes = [case.change if case else None for case in cases]
        rows.append(
            Row(
                name=node.name, word="SLOWER" if node.name in slower else "",
                link=links.get(node.name),
                cells=[
                    Cell(ratio=change.ratio, mark=_MARKS.get(change.verdict, ""))
                    if change else Cell(ratio=None)
                    for change in changes
                ]
                if any(changes) else [],
                reason="no figures in both runs",
                more=[[_short(change.threshold_percent if change else None) for change in changes]],
            )
        )  # fmt: skip
    return Heat(
        id="change", caption="Time of each node over its own time in the reference",
        columns=[name for _, name in columns], rows=rows, than="in the reference",
        more=[("threshold", "%")],
    )  # fmt: skip


def numbers_of(heat: Heat) -> dict[str, object]:
    """What a script shows with a cell, as plain JSON."""
    return {
        "than": heat.than,
        "more": heat.more,
        "numbers": [row.more if row.cells else None for row in heat.rows],
    }
