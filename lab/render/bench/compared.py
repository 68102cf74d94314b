"""Cases beside an earlier run: ratios with their intervals, and the threshold as a band."""

from itertools import islice
from typing import TYPE_CHECKING

from lab.records.bench import Comparison
from lab.render.bench import svg, words
from lab.render.bench.axes import shorten
from lab.render.bench.svg import Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW_PT = 30.0
_ROWS = 16
_LETTERS = 66
_LEFT, _RIGHT, _TOP, _BOTTOM = 14.0, 14.0, 18.0, 38.0
_LOOKS = {
    "FASTER": (svg.GREEN, "<", True),
    "SLOWER": (svg.VERMILLION, ">", True),
    "SAME": (svg.BLUE, "o", True),
    "INCONCLUSIVE": ("#555555", "D", False),
}
_TICKS = (0.1, 0.2, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.4, 2.0, 5.0, 10.0)
_FAR = 1e3
"""A ratio beyond this, either way, is drawn at the edge."""


def comparison_plots(comparisons: list[Comparison]) -> list[Plot]:
    """Draw them, sixteen in each drawing; none where no comparison has a ratio."""
    rows = [comparison for comparison in comparisons if words.known(comparison.ratio)]
    rest = iter(rows)
    parts = []
    while part := list(islice(rest, _ROWS)):
        parts.append(part)
    missing = len(comparisons) - len(rows)
    count = "1 comparison has" if missing == 1 else f"{missing} comparisons have"
    remarks = [f"{count} no ratio and no line."] if missing else []
    return [_plot(part, index, len(parts), remarks) for index, part in enumerate(parts, 1)]


def _plot(rows: list[Comparison], index: int, parts: int, remarks: list[str]) -> Plot:
    height = _ROW_PT * len(rows)
    figure = svg.new_figure(height + _TOP + _BOTTOM)
    axes = svg.add_axes(figure, left=_LEFT, right=_RIGHT, bottom=_BOTTOM, top=_TOP)
    axes.set_ylim(height + 3, 0)  # in points from the top
    _scale(axes, rows)
    for place, row in enumerate(rows):
        _draw_row(axes, row, place * _ROW_PT)
    for text, edge, side in (("faster", 0.0, "left"), ("slower", 1.0, "right")):
        axes.annotate(text, (edge, 1), (0, 5), xycoords="axes fraction",
                      textcoords="offset points", ha=side, color="#555555")  # fmt: skip
    title = "Beside the earlier run" + (f", part {index} of {parts}" if parts > 1 else "")
    description = "; ".join(_in_words(row) for row in rows) + "."
    drawn = svg.svg_text(figure, f"compared{index}", title, description)
    return Plot(
        title=title, description=description, svg=drawn, remarks=remarks if index == 1 else []
    )


def _scale(axes: "Axes", rows: list[Comparison]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    values = [_near(value) for row in rows for value in (row.ratio, *(row.ci95 or ()))]
    thresholds = [1 + _threshold(row) for row in rows]
    away: float = max([1.02, *(max(value, 1 / value) for value in [*values, *thresholds])]) ** 1.1
    axes.set_xscale("log")
    axes.set_xlim(1 / away, away)
    ticks = [tick for tick in _TICKS if 1 / away <= tick <= away]
    if len(ticks) > 9:
        ticks = [tick for tick in ticks if tick not in (0.7, 0.9, 0.95, 1.05, 1.1, 1.4)]
    if len(ticks) < 3:
        ticks = [0.98, 0.99, 1.0, 1.01, 1.02]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("time now over time before")
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)


def _near(value: float | None) -> float:
    """A ratio that can be drawn."""
    return min(max(words.known(value) or 1 / _FAR, 1 / _FAR), _FAR)


def _threshold(row: Comparison) -> float:
    return min(words.known(row.threshold_percent) or 0.0, 100.0) / 100


def _draw_row(axes: "Axes", row: Comparison, top: float) -> None:
    colour, marker, filled = _LOOKS[row.verdict]
    ratio, threshold = _near(row.ratio), _threshold(row)
    told = f"{words.ratio_texts(row)[0]}  {row.verdict}"
    name = shorten(words.label(row), _LETTERS - len(told))
    for text, place, side in ((name, 0.0, "left"), (told, 1.0, "right")):
        axes.annotate(text, (place, top + 9), xycoords=("axes fraction", "data"), ha=side,
                      fontsize=svg.FONT_PT - 0.5, zorder=5)  # fmt: skip
    axes.fill_betweenx(
        [top + 12, top + _ROW_PT], 1 / (1 + threshold), 1 + threshold, color="#e4e4e4", linewidth=0
    )
    middle = top + 0.7 * _ROW_PT
    axes.plot([1, 1], [top + 12, top + _ROW_PT], color="#888888", linewidth=0.8)
    if row.ci95:
        axes.plot([_near(end) for end in row.ci95], [middle, middle], color=colour, linewidth=2)
    axes.plot(
        ratio, middle, marker, color=colour, markerfacecolor=colour if filled else "white",
        markersize=7, zorder=4,
    )  # fmt: skip


def _in_words(row: Comparison) -> str:
    ratio, interval = words.ratio_texts(row)
    return f"{words.label(row)}: {ratio}, 95 % interval {interval}, {row.verdict}"
