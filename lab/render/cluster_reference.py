"""A cluster's run beside its reference, as text: who became slower, and what is not the same."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lab.records.cluster import ClusterReport, Node, NodeCase, Reference
from lab.render.bench.units import NONE, percent_text
from lab.render.clean import clean
from lab.render.hang import hang

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_MOST_NAMES = 8
_MOST_CASES = 5


def reference_parts(report: ClusterReport, console: "Console") -> Iterator["RenderableType"]:
    """Lines on the reference; none where the run is beside none."""
    from rich.table import Table
    from rich.text import Text

    reference = report.reference
    if reference is None:
        return
    yield Text()
    yield Text(head_text(reference), overflow="fold")
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="bold")
    for i, name in enumerate(("case", "nodes", "times", "± from run to run")):
        table.add_column(name, justify="right" if i else "left", overflow="fold")
    for case in reference.cases:
        cells = (
            case_label(case.name, case.params), str(case.nodes), f"{case.ratio:.3f}",
            percent_text(case.deviation_percent),
        )  # fmt: skip
        table.add_row(*map(Text, cells))
    yield table
    yield Text()
    for node in report.nodes:
        words = change_lines(node, "SLOWER")
        for i, line in enumerate(words):
            label = f"{node.name} SLOWER: "
            yield from hang(
                Text(label if i == 0 else " " * len(label), style="bold red"), line, console
            )
    for label, words_of in said(reference):
        yield from hang(Text(f"{label}: ", style="yellow"), words_of, console)


def head_text(reference: Reference) -> str:
    """Who became slower or faster than in the reference, in one sentence."""
    slower = names_text(reference.slower) or "none"
    faster = f"; faster: {names_text(reference.faster)}" if reference.faster else ""
    return clean(f"Beside {reference.run}: slower: {slower}{faster}")


def change_lines(node: Node, verdict: str, most: int = _MOST_CASES) -> list[str]:
    """The cases of a node that changed so, the largest change first, a line each."""
    found = sorted(
        (case for case in node.cases if case.change is not None and case.change.verdict == verdict),
        key=lambda case: -(case.change.ratio if case.change is not None else 0),
    )
    lines = [_change_text(case) for case in found[:most]]
    return [*lines, *([f"and {len(found) - most} more cases"] if len(found) > most else [])]


def _change_text(case: NodeCase) -> str:
    change = case.change
    assert change is not None
    return (
        f"{case_label(case.name, case.params)} takes {change.ratio:.3f} times as long as before"
        f" (threshold {percent_text(change.threshold_percent)})"
    )


def said(reference: Reference) -> Iterator[tuple[str, str]]:
    """What is not the same as in the reference: what it is about, and what is said of it."""
    for what, names in (
        ("nodes without a figure before", reference.nodes_only_now),
        ("nodes without a figure now", reference.nodes_only_before),
        ("cases not measured before", reference.cases_only_now),
        ("cases not measured now", reference.cases_only_before),
    ):
        if names:
            yield what, clean(names_text(names))
    for each in reference.differences:
        yield (
            clean(each.field),
            clean(f"{each.now}, was {each.before}: {names_text(each.nodes)}"),
        )


def names_text(names: list[str]) -> str:
    """Names one after the other; of many, how many more there are."""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def case_label(name: str, params: dict[str, str | int | float | bool]) -> str:
    """A case and its parameters in one line."""
    return clean(" ".join([name, *map(str, params.values())])) or NONE
