"""A heat map of nodes and cases: a table whose cells are numbers, coloured by how far from 1."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from lab.render.bench.html import NOTHING, Html, join, tag
from lab.render.bench.units import NONE, digits_text

EDGES = (1 / 2, 1 / 1.25, 1 / 1.1, 1 / 1.05, 1.05, 1.1, 1.25, 2.0)
"""Between the colours: a ratio and its inverse are as far from 1."""
MIDDLE = len(EDGES) // 2


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A ratio, and what was judged of it.

    Args:
        ratio: of times; None where there is none.
        mark: set before the number, so that no colour is needed: `▲` slow, `▼` fast.
    """

    ratio: float | None
    mark: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A node.

    Args:
        name: of the node.
        word: its state or verdict where it is not `ok`.
        link: of its own page.
        cells: one for each column; none where it has no figures.
        reason: why it has none.
        more: further numbers of its cells, as `Heat.more` names them.
    """

    name: str
    word: str = ""
    link: str | None = None
    cells: Sequence[Cell] = ()
    reason: str = ""
    more: Sequence[Sequence[float | None]] = ()


@dataclass(frozen=True, kw_only=True)
class Heat:
    """Rows and columns.

    Args:
        id: of the element.
        caption: what a number is.
        columns: names of the cases.
        rows: the odd ones first.
        than: what a ratio is beside, in words: `the others`.
        more: names and units of further numbers, shown with the cell at hand.
    """

    id: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Row]
    than: str
    more: Sequence[tuple[str, str]] = field(default=())


def colour_of(ratio: float | None) -> int | None:
    """The number of a ratio's colour, from 0 (much faster) to 8; None where there is none."""
    if ratio is None or not math.isfinite(ratio) or ratio <= 0:
        return None
    return bisect_right(EDGES, ratio)


def heat_table(heat: Heat, rows: Sequence[Row], *, first: int) -> Html:
    """Some of a heat map's rows as a table.

    Args:
        heat: all of it.
        rows: those to show.
        first: place of the first of them among all, for what is shown with a cell.
    """
    head = tag(
        "tr",
        tag("th", "node", scope="col"),
        *(tag("th", tag("span", name), scope="col") for name in heat.columns),
    )
    body = (_row(row, len(heat.columns)) for row in rows)
    return tag(
        "div",
        tag(
            "table",
            tag("caption", heat.caption),
            tag("thead", head),
            tag("tbody", *body),
            data_heat=heat.id,
            data_first=str(first),
        ),
        class_="heat",
        tabindex="0",
        role="region",
        aria_label=heat.caption,
    )


def _row(row: Row, columns: int) -> Html:
    name = tag("a", row.name, href=row.link) if row.link else join([row.name])
    word = tag("span", row.word, class_=f"verdict {row.word.lower()}") if row.word else NOTHING
    head = tag("th", name, " " if word else "", word, scope="row")
    if not row.cells:
        return tag("tr", head, tag("td", row.reason, colspan=str(columns), class_="reason"))
    return tag("tr", head, *map(_cell, row.cells))


def _cell(cell: Cell) -> Html:
    colour = colour_of(cell.ratio)
    if colour is None or cell.ratio is None:
        return tag("td", NONE, class_="none")
    return tag("td", f"{cell.mark}{ratio_text(cell.ratio)}", class_=_class(colour, cell.mark))


def _class(colour: int, mark: str) -> str | None:
    words = [f"c{colour}"] if colour != MIDDLE else []
    return " ".join([*words, *(["marked"] if mark else [])]) or None


def ratio_text(ratio: float) -> str:
    """A ratio in as few letters as tell it: `0.98`, `5.90`, `23.2`, `118`."""
    return f"{ratio:.2f}" if 0.005 <= ratio < 9.995 else digits_text(ratio)


def legend() -> Html:
    """What the colours stand for."""
    texts = [f"below {EDGES[0]:.2f}"]
    texts += [f"{low:.2f} to {high:.2f}" for low, high in pairwise(EDGES)]
    texts += [f"{EDGES[-1]:.2f} and more"]
    return tag(
        "ul",
        *(tag("li", text, class_=f"c{i}") for i, text in enumerate(texts)),
        tag("li", "▲ judged slow", class_="marked"),
        class_="legend",
    )
