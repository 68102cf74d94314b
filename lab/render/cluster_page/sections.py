"""The parts of a cluster's page."""

from lab.records.cluster import ClusterReport
from lab.render.bench.html import NOTHING, Html, join, pairs, table, tag
from lab.render.bench.units import duration_text, percent_text
from lab.render.cluster import CAUSES
from lab.render.cluster_page.heat import Heat, heat_table, legend
from lab.render.cluster_page.heats import columns_of, ordered, stands_out, word_of
from lab.render.cluster_page.picture import picture
from lab.render.cluster_reference import case_label, change_lines, head_text, names_text, said

UNFOLDED = 48
"""Rows of a heat map that are shown at once; the usual nodes beyond are behind a click."""


def heat_map(report: ClusterReport, heat: Heat | None) -> Html:
    """The nodes beside each other."""
    if heat is None:
        return tag("p", "No node has a figure.")
    return join([legend(), _glance(report, heat), _folded(heat, stands_out(report))])


def _glance(report: ClusterReport, heat: Heat) -> Html:
    """All nodes in the order of the run, where they are too many for one look at the table."""
    if len(heat.rows) <= UNFOLDED:
        return NOTHING
    places = {row.name: i for i, row in enumerate(heat.rows)}
    order = [places[node.name] for node in report.nodes]
    return join([
        tag("p", "All nodes from left to right, in the order of the run; a line for each case."),
        picture(heat, order),
        tag("p", tag("span", report.nodes[0].name), tag("span", report.nodes[-1].name),
            class_="ends muted"),
    ])  # fmt: skip


def _folded(heat: Heat, first: set[str]) -> Html:
    """The rows that stand out and some more; the others open with a click."""
    count = max(UNFOLDED, sum(row.name in first for row in heat.rows))
    rest = heat.rows[count:]
    folded = tag(
        "details",
        tag("summary", f"The other {len(rest)} nodes"),
        heat_table(heat, rest, first=count),
    )
    return join([
        heat_table(heat, heat.rows[:count], first=0), folded if rest else NOTHING,
        tag("p", "Point at a number, or go there with the arrow keys.", class_="told screen",
            role="status"),
    ])  # fmt: skip


def standing_out(report: ClusterReport) -> Html:
    """A line for each node that is not well; nodes of which the same is said share one."""
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for node in ordered(report):
        words = list(node.reasons)
        if node.cause is not None:
            words.append(f"likely cause: {CAUSES[node.cause]}")
        if word_of(node) not in ("", "unknown") or (word_of(node) and words):
            groups.setdefault((word_of(node), tuple(words)), []).append(node.name)
    if not groups:
        return tag("p", "None: every node has all its figures, and is as fast as the others.")
    rows: list[list[str]] = [
        [
            tag("span", word, class_=f"verdict {word}"),
            tag("span", names_text(names), class_="names"),
            join([tag("div", line) for line in words]),
        ]
        for (word, words), names in groups.items()
    ]
    caption = "What is not as it should be, and what is seen of it"
    return table(["", "node", "why"], rows, caption=caption, words=[0, 2])


def cases(report: ClusterReport) -> Html:
    """What is usual for each case."""
    if not report.cases:
        return NOTHING
    rows = [
        [
            str(number), name, str(case.nodes), duration_text(case.median_s),
            percent_text(case.deviation_percent),
        ]
        for number, ((_, name), case) in enumerate(
            zip(columns_of(report), report.cases, strict=True), 1
        )
    ]  # fmt: skip
    headings = ["#", "case", "nodes", "median", "± between nodes"]
    return table(headings, rows, caption="What is usual for each case", words=[0])


def odd(report: ClusterReport) -> Html:
    """The nodes that are set up in another way than most."""
    if not report.odd_ones_out:
        return NOTHING
    groups: dict[tuple[str, str, str], list[str]] = {}
    for each in report.odd_ones_out:
        groups.setdefault((each.field, each.value, each.usual), []).append(each.node)
    rows = [[field, names_text(names), value, usual] for (field, value, usual), names
            in groups.items()]  # fmt: skip
    caption = "Nodes that differ from more than half of all, however fast they are"
    return table(["field", "nodes", "is", "of most"], rows, caption=caption, words=[0, 2, 3])


def beside(report: ClusterReport, heat: Heat | None) -> Html:
    """The run beside its reference."""
    reference = report.reference
    if reference is None:
        return NOTHING
    lines = [
        (node.name, line) for node in report.nodes for line in change_lines(node, "SLOWER")
    ]  # fmt: skip
    slower = tag("ul", *(tag("li", f"{name}: {line}") for name, line in lines), class_="plain")
    rows = [
        [
            str(number), case_label(case.name, case.params), str(case.nodes), f"{case.ratio:.3f}",
            percent_text(case.deviation_percent),
        ]
        for number, case in enumerate(reference.cases, 1)
    ]  # fmt: skip
    headings = ["#", "case", "nodes", "times", "± from run to run"]
    return join([
        tag("p", f"{head_text(reference)}. It was submitted {reference.submitted_utc}."),
        slower if lines else NOTHING,
        pairs(list(said(reference))),
        legend() if heat else NOTHING,
        _folded(heat, set(reference.slower)) if heat else NOTHING,
        table(headings, rows, caption="The change of each case: the nodes' median", words=[0]),
    ])  # fmt: skip
