"""The nodes of a cluster as text: a line for each, what is wrong with some, the odd ones out."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TextIO

from lab.records.cluster import ClusterPlan, ClusterReport, Kind, Node
from lab.render.bench.units import NONE, duration_text, percent_text
from lab.render.clean import clean
from lab.render.cluster_reference import case_label, reference_parts
from lab.render.hang import hang
from lab.render.network import network_parts

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

_STYLES: dict[str, str] = {
    "ok": "green", "partial": "yellow", "suspect": "yellow", "failed": "bold red",
    "lost": "bold red", "never_started": "bold red", "straggler": "bold red", "warn": "yellow",
    "fail": "bold red", "wrong": "bold red",
}  # fmt: skip
CAUSES = {
    "clock": "a low clock", "power": "its power", "temperature": "heat", "link": "a link",
    "ecc": "errors of its memory", "cpu_limit": "a limit on its processors",
    "cpu_contention": "others on its processors", "unexplained": "unexplained",
}  # fmt: skip


def cluster_text(
    report: ClusterReport, stream: TextIO | None = None, *, width: int | None = None
) -> str:
    """A report as text, with colours where the stream is a terminal and NO_COLOR is not set.

    Args:
        report: what was made of a run.
        stream: where the text will go, None for standard output; nothing is written here.
        width: columns; None takes the terminal's, or 80.
    """
    from rich.console import Console

    console = Console(
        file=stream or sys.stdout, width=width, highlight=False, markup=False, emoji=False
    )
    with console.capture() as captured:
        for part in _parts(report, console):
            console.print(part)
    text = "\n".join(line.rstrip() for line in captured.get().rstrip().splitlines())
    encoding = console.encoding or "utf-8"
    return text.encode(encoding, errors="replace").decode(encoding)


def _parts(report: ClusterReport, console: "Console") -> Iterator["RenderableType"]:
    from rich.text import Text

    yield Text(_head(report), overflow="fold")
    yield Text()
    yield _TABLES[report.kind](report)
    if report.cases:
        yield Text()
        yield _cases(report)
    told = [node for node in report.nodes if node.reasons]
    if told or report.odd_ones_out:
        yield Text()
    for node in told:
        yield from _reasons(node, console)
    for odd in report.odd_ones_out:
        words = f"{odd.field} is {clean(odd.value)}, of most {clean(odd.usual)}"
        yield from hang(Text(f"{odd.node} differs: ", style="yellow"), words, console)
    yield from reference_parts(report, console)
    if report.network is not None:
        yield Text()
        yield from network_parts(report.network, console)


def _head(report: ClusterReport) -> str:
    ok = sum(node.state == "ok" for node in report.nodes)
    bad = [node.name for node in report.nodes if node.verdict in ("straggler", "fail", "wrong")]
    named = f"; {_BAD[report.kind]}: {', '.join(bad)}" if bad else ""
    goes_on = "" if report.complete else "; some still wait or run"
    return f"{report.run}: {ok} of {len(report.nodes)} nodes ok{named}{goes_on}"


def _nodes(report: ClusterReport) -> "Table":
    table = _table(("node", "state", "verdict", "slowest case", "times", "clean"), {4, 5})
    for node in report.nodes:
        worst = max(
            (case for case in node.cases if case.ratio is not None),
            key=lambda case: case.ratio or 0, default=None,
        )  # fmt: skip
        clean_share = worst.clean_percent if worst else None
        _row(
            table,
            node.name,
            node.state,
            node.verdict,
            case_label(worst.name, worst.params) if worst else NONE,
            f"{worst.ratio:.2f}" if worst and worst.ratio is not None else NONE,
            percent_text(clean_share),
        )
    return table


def _gpus(report: ClusterReport) -> "Table":
    table = _table(("node", "state", "verdict", "GPUs", "not ok"), set())
    for node in report.nodes:
        bad = ", ".join(str(gpu.index) for gpu in node.gpus if gpu.verdict != "ok")
        models = Counter(gpu.name or "unknown" for gpu in node.gpus)
        words = ", ".join(f"{count} {name}" for name, count in models.items())
        _row(table, node.name, node.state, node.verdict, clean(words) or NONE, bad or NONE)
    return table


def _checks(report: ClusterReport) -> "Table":
    table = _table(("node", "state", "verdict", "checks", "failed"), {3, 4})
    for node in report.nodes:
        counts = ("", "") if node.checks is None else (str(node.checks), str(len(node.findings)))
        _row(table, node.name, node.state, node.verdict, *(count or NONE for count in counts))
    return table


# What the nodes of each kind of run are shown in, and what those are that are not well.
_TABLES: "dict[Kind, Callable[[ClusterReport], Table]]" = {
    "bench": _nodes,
    "gpu": _gpus,
    "autograd": _checks,
}
_BAD: dict[Kind, str] = {"bench": "slow", "gpu": "not well", "autograd": "wrong"}


def _cases(report: ClusterReport) -> "Table":
    table = _table(("case", "nodes", "median", "± between nodes"), {1, 2, 3})
    for case in report.cases:
        _row(
            table,
            case_label(case.name, case.params),
            str(case.nodes),
            duration_text(case.median_s),
            percent_text(case.deviation_percent),
        )
    return table


def _table(headings: tuple[str, ...], right: set[int]) -> "Table":
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="bold")
    for i, name in enumerate(headings):
        table.add_column(name, justify="right" if i in right else "left", overflow="fold")
    return table


def _row(table: "Table", *cells: str) -> None:
    from rich.text import Text

    table.add_row(*[Text(cell, style=_STYLES.get(cell, "")) for cell in cells])


def _reasons(node: Node, console: "Console") -> Iterator["Text"]:
    from rich.text import Text

    word = node.state if node.state != "ok" else node.verdict
    style = _STYLES.get(word, "")
    for i, reason in enumerate(node.reasons):
        head = f"{node.name} {word}: "
        label = Text(head, style=style) if i == 0 else Text(" " * len(head))
        yield from hang(label, clean(reason), console)
    if node.cause is not None:
        yield from hang(
            Text(" " * len(f"{node.name} {word}: ")),
            f"likely cause: {CAUSES[node.cause]}",
            console,
        )


def plan_text(plan: ClusterPlan) -> str:
    """A script and the command lines that would submit it."""
    from shlex import join

    lines = [plan.script, *[f"# {join(argv)}" for argv in plan.submissions]]
    if plan.network_script is not None:
        lines += ["", "# Between the nodes, afterwards:", plan.network_script]
        lines += [f"# {join(plan.network_submission)}"] if plan.network_submission else []
    return "\n".join(lines)
