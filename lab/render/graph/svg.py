"""A computational graph as SVG: no system program, letters stay letters."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from lab.records.autograd import Language
from lab.records.graph import Edge, Graph, Node
from lab.render.bench.html import Html, join, tag
from lab.render.clean import clean
from lab.render.graph.fold import MOST, fold
from lab.render.graph.layout import Layout, place
from lab.render.graph.words import WORDS

_WIDTH, _LINE, _PAD = 204.0, 15.0, 8.0
_GAP, _BEND, _BETWEEN = 22.0, 14.0, 46.0
_MARGIN, _HEAD, _LEGEND = 16.0, 34.0, 26.0
_COLUMNS = 29
# Between two edges that join the same nodes; what each adds has room beside it.
_APART = 72.0
# Okabe and Ito's colours, light: fill and border.
_COLOURS = {
    "input": ("#e3f2fb", "#0072B2"), "parameter": ("#e0f3ec", "#009E73"),
    "constant": ("#f2f2f2", "#8a8a8a"), "operation": ("#ffffff", "#444444"),
    "module": ("#f7ecf4", "#a3588a"),
}  # fmt: skip
_WRONG = "#D55E00"
_STYLE = {
    "text": "font:12px system-ui,'DejaVu Sans',sans-serif;fill:#111", ".b": "font-weight:600",
    ".c": "fill:#6a6a6a;font-size:11px", ".g": "fill:#005a8c", ".s": "fill:#b34700",
    ".h": "font-size:15px;font-weight:600", ".e": "fill:none;stroke:#444;stroke-width:1.4",
    ".x": "stroke:#999;stroke-dasharray:4 4",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A line of a node."""

    text: str
    kind: str = ""


def graph_svg(
    graph: Graph, *, language: Language = "es", most: int = MOST, identity: str = "graph"
) -> str:
    """Draw a graph, from the leaves above to the output below.

    Args:
        graph: as traced.
        language: of its words.
        most: nodes beyond which modules are folded.
        identity: prefix of ids, where several drawings share a page.
    """
    words = WORDS[language]
    graph = fold(graph, most)
    rows = {node.id: _rows(node, words) for node in graph.nodes}
    layout = place(
        {node.id: _WIDTH for node in graph.nodes}, [(e.source, e.target) for e in graph.edges],
        gap=_GAP, bend=_BEND,
    )  # fmt: skip
    tops = _tops(graph, layout, rows)
    width = max(layout.breadth, 420.0) + 2 * _MARGIN
    height = tops[-1] + _LEGEND + _MARGIN
    title = words["title"].format(name=clean(graph.function))
    fan = _fan_outs(graph)
    inside = [
        tag("title", title), tag("style", _style(identity)), _arrows(identity),
        tag("text", title, x=_n(_MARGIN), y=_n(_MARGIN + 8), class_="h"),
    ]  # fmt: skip
    for edge, path, aside in zip(graph.edges, layout.paths, _asides(graph), strict=True):
        inside.append(
            _edge(edge, path, layout, tops, rows, identity, aside, labelled=edge.source in fan)
        )
    inside += [_node(node, layout, tops, rows[node.id], words) for node in graph.nodes]
    inside.append(_legend(graph, words, height - _MARGIN))
    return tag(
        "svg", *inside, xmlns="http://www.w3.org/2000/svg", width=_n(width), height=_n(height),
        viewBox=f"0 0 {_n(width)} {_n(height)}", role="img", id=identity,
    )  # fmt: skip


def _style(identity: str) -> Html:
    """For this drawing alone: others may share its page."""
    return Html("".join(f"#{identity} {what}{{{how}}}" for what, how in _STYLE.items()))


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _cut(text: str, *, bold: bool = False) -> str:
    text, room = clean(text), _COLUMNS - 4 * bold
    return text if len(text) <= room else text[: room - 1] + "…"


def _rows(node: Node, words: dict[str, str]) -> list[_Row]:
    """What a node says: name and operation, shape, value, gradient, what is odd about it."""
    operation = node.operation + (f" ({node.arguments})" if node.arguments else "")
    head = " = ".join(part for part in (node.name, operation) if part) or words[node.kind]
    shape = "×".join(map(str, node.value.shape))
    about = words[node.kind] if node.kind != "operation" else node.module
    if node.folded:
        about = words["nodes" if node.folded > 1 else "node"].format(n=node.folded)
    found = [_Row(text=head, kind="b")]
    second = "  ".join(part for part in (about, f"({shape})" if shape else "") if part)
    if second:
        found.append(_Row(text=second, kind="c"))
    found.append(_Row(text=f"{words['value']} {node.value.text}"))
    if node.gradient is not None:
        found.append(_Row(text=f"{words['gradient']} {node.gradient.text}", kind="g"))
    odd = [words[state] for state in node.states if state != "output"]
    if odd:
        found.append(_Row(text=", ".join(odd), kind="s"))
    found += [_Row(text=f"✗ {f.cause}", kind="s") for f in node.findings[:2]]
    return found


def _height(rows: list[_Row]) -> float:
    return len(rows) * _LINE + _PAD


def _tops(graph: Graph, layout: Layout, rows: dict[int, list[_Row]]) -> list[float]:
    """Where each layer begins, and where the last ends."""
    heights = [0.0] * layout.layers
    for node in graph.nodes:
        layer = layout.places[node.id].layer
        heights[layer] = max(heights[layer], _height(rows[node.id]))
    tops = [_MARGIN + _HEAD]
    for height in heights:
        tops.append(tops[-1] + height + _BETWEEN)
    return tops


def _fan_outs(graph: Graph) -> set[int]:
    """Nodes whose gradient is the sum of several uses."""
    counts: dict[int, int] = {}
    for edge in graph.edges:
        counts[edge.source] = counts.get(edge.source, 0) + edge.carries_gradient
    return {number for number, count in counts.items() if count > 1}


def _asides(graph: Graph) -> list[float]:
    """How far each edge lies beside the middle: both uses of x in x * x are to be seen."""
    together = Counter((edge.source, edge.target) for edge in graph.edges)
    seen: Counter[tuple[int, int]] = Counter()
    found = []
    for edge in graph.edges:
        ends = (edge.source, edge.target)
        apart = min(_APART, (_WIDTH - 2 * _PAD) / together[ends])
        found.append((seen[ends] - (together[ends] - 1) / 2) * apart)
        seen[ends] += 1
    return found


def _node(
    node: Node, layout: Layout, tops: list[float], rows: list[_Row], words: dict[str, str]
) -> Html:
    one = layout.places[node.id]
    x, y = _MARGIN + one.at - _WIDTH / 2, tops[one.layer]
    fill, border = _COLOURS[node.kind]
    if node.findings:
        border = _WRONG
    wide = "3" if node.findings or "output" in node.states else "1.4"
    box = tag(
        "rect", x=_n(x), y=_n(y), width=_n(_WIDTH), height=_n(_height(rows)), rx="6", fill=fill,
        stroke=border, stroke_width=wide,
        stroke_dasharray="5 4" if "detached" in node.states else None,
    )  # fmt: skip
    part = {"g": "gradient", "": "value"}
    lines = [
        tag("text", _cut(row.text, bold=row.kind == "b"), x=_n(x + _PAD),
            y=_n(y + _LINE * (i + 1) - 1), class_=row.kind or None, data_part=part.get(row.kind))
        for i, row in enumerate(rows)
    ]  # fmt: skip
    told = [node.line, *(f.message for f in node.findings)]
    hover = "\n".join(clean(line) for text in told for line in text.splitlines() if line)
    return tag(
        "g", *([tag("title", hover)] if hover else []), box, *lines, class_="node",
        data_id=str(node.id), data_forward=str(node.forward_step),
        data_backward=None if node.backward_step is None else str(node.backward_step),
    )  # fmt: skip


def _edge(
    edge: Edge, path: list[int], layout: Layout, tops: list[float], rows: dict[int, list[_Row]],
    identity: str, aside: float, *, labelled: bool,
) -> Html:  # fmt: skip
    """A curve through its bends; where uses add up, with what this one adds."""
    first, last = layout.places[path[0]], layout.places[path[-1]]
    points = [(first.at, tops[first.layer] + _height(rows[path[0]]))]
    for number in path[1:-1]:
        bend = layout.places[number]
        middle = (tops[bend.layer] + tops[bend.layer + 1] - _BETWEEN) / 2
        points.append((bend.at, middle))
    points.append((last.at, tops[last.layer] - 3))
    points = [(x + _MARGIN + aside, y) for x, y in points]
    drawn = f"M{_n(points[0][0])} {_n(points[0][1])}"
    for (x0, y0), (x1, y1) in pairwise(points):
        half = (y1 - y0) / 2
        drawn += f" C{_n(x0)} {_n(y0 + half)} {_n(x1)} {_n(y1 - half)} {_n(x1)} {_n(y1)}"
    told = edge.reason
    if edge.local_derivative is not None:
        told = f"∂ {edge.derivative_kind}: {edge.local_derivative.text}"
    parts = [tag("title", told)] if told else []
    parts.append(
        tag("path", d=drawn, class_="e" if edge.carries_gradient else "e x",
            marker_end=f"url(#{identity}-arrow)")
    )  # fmt: skip
    if labelled and edge.contribution is not None:
        x, y = points[-1]
        parts.append(tag("text", _cut(f"+ {edge.contribution.text}"), x=_n(x + 5), y=_n(y - 9),
                         class_="c g", data_part="gradient"))  # fmt: skip
    return tag(
        "g", *parts, class_="edge", data_source=str(edge.source), data_target=str(edge.target)
    )


def _arrows(identity: str) -> Html:
    return tag(
        "defs",
        tag("marker", tag("path", d="M0 0L8 4L0 8z", fill="#444"), id=f"{identity}-arrow",
            markerWidth="8", markerHeight="8", refX="7", refY="4", orient="auto",
            markerUnits="userSpaceOnUse"),
    )  # fmt: skip


def _legend(graph: Graph, words: dict[str, str], y: float) -> Html:
    """What the colours that occur stand for."""
    parts: list[Html] = []
    x = _MARGIN
    kinds = [k for k in _COLOURS if any(node.kind == k for node in graph.nodes)]
    entries = [(words[k], *_COLOURS[k]) for k in kinds]
    if any(node.findings for node in graph.nodes):
        entries.append((words["finding"], "#ffffff", _WRONG))
    for text, fill, border in entries:
        parts.append(tag("rect", x=_n(x), y=_n(y - 10), width="14", height="12", rx="3", fill=fill,
                         stroke=border))  # fmt: skip
        parts.append(tag("text", text, x=_n(x + 19), y=_n(y), class_="c"))
        x += 34 + 6.3 * len(text)
    return tag("g", join(parts))
