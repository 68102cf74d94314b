"""The samples of each case as a strip: how they spread, and which of them were disturbed."""

from itertools import islice
from random import Random
from typing import TYPE_CHECKING

from lab.records.bench import CaseResult
from lab.render.bench import svg, words
from lab.render.bench.axes import percent_scale, shorten
from lab.render.bench.points import Drawn, Point, drawn_cases, left_out, thin_points
from lab.render.bench.svg import Plot
from lab.render.bench.units import duration_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW_PT = 38.0
_ROWS = 12
"""At most so many cases in one drawing."""
_POINTS = 2400
"""At most so many samples in all drawings together."""
_POINTS_PER_CASE = 150
_LANES = 5
"""At most so many processes get a lane of their own."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 14.0, 26.0, 6.0, 58.0
_LETTERS = 66


def distributions(cases: list[CaseResult]) -> list[Plot]:
    """Draw them, a dozen cases in each drawing; none where there are no samples."""
    drawn = drawn_cases(cases)
    limit = max(min(_POINTS_PER_CASE, _POINTS // max(len(drawn), 1)), 2)
    rows = iter(drawn)
    parts = []
    while part := list(islice(rows, _ROWS)):
        parts.append(part)
    return [_plot(part, limit, index, len(parts)) for index, part in enumerate(parts, 1)]


def _plot(rows: list[Drawn], limit: int, index: int, parts: int) -> Plot:
    height = _ROW_PT * len(rows)
    figure = svg.new_figure(height + _TOP + _BOTTOM)
    axes = svg.add_axes(figure, left=_LEFT, right=_RIGHT, bottom=_BOTTOM, top=_TOP)
    axes.set_ylim(height, 0)  # in points from the top
    shown = [thin_points(row.points, limit) for row in rows]
    values = [point.percent for points in shown for point in points]
    percent_scale(axes, "x", min(values), max(values))
    axes.set_xlabel("difference from the case's median (close to 0 drawn wider)")
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
    axes.grid(True, axis="x")
    for place, (row, points) in enumerate(zip(rows, shown, strict=True)):
        _draw_row(axes, row, points, place * _ROW_PT)
    _legend(figure)
    title = "Samples of each case" + (f", part {index} of {parts}" if parts > 1 else "")
    description = ". ".join(_in_words(row) for row in rows) + "."
    return Plot(
        title=title,
        description=description,
        svg=svg.svg_text(figure, f"samples{index}", title, description),
        remarks=left_out(sum(map(len, shown)), sum(len(row.points) for row in rows)),
    )


def _draw_row(axes: "Axes", row: Drawn, points: list[Point], top: float) -> None:
    """A line of words, and beneath it a lane for each process."""
    doubt = f", {row.case.verdict}" if row.case.verdict != "ok" else ""
    time, interval, *_ = words.figures(row.case)
    figure = f"{time} ± {interval}" if interval != "-" else time
    name = f"{row.number}  {shorten(words.label(row.case), _LETTERS - len(figure) - len(doubt))}"
    axes.annotate(
        name, (0, top + 9), xycoords=("axes fraction", "data"), fontsize=svg.FONT_PT - 0.5
    )
    axes.annotate(
        f"{figure}{doubt}", (1, top + 9), xycoords=("axes fraction", "data"), ha="right",
        fontsize=svg.FONT_PT - 0.5,
    )  # fmt: skip
    bottom = top + _ROW_PT - 3
    _draw_spread(axes, row.case, top + 12, bottom)
    lanes = sorted({point.process for point in row.points})
    lanes = lanes if len(lanes) <= _LANES else [0]
    step = (bottom - top - 14) / len(lanes)
    random = Random(row.number)  # the same in every drawing of the report
    for clean, marker, colour in ((True, "o", svg.BLUE), (False, "x", svg.VERMILLION)):
        chosen = [point for point in points if point.clean is clean]
        at = [lanes.index(point.process) if len(lanes) > 1 else 0 for point in chosen]
        heights = [top + 14 + step * (lane + 0.5 + 0.6 * (random.random() - 0.5)) for lane in at]
        axes.plot(
            [point.percent for point in chosen], heights, marker, color=colour, clip_on=False,
            markersize=3 if clean else 4, markeredgewidth=0 if clean else 0.9,
            alpha=0.6 if clean else 0.9, zorder=3,
        )  # fmt: skip


def _draw_spread(axes: "Axes", case: CaseResult, top: float, bottom: float) -> None:
    """Behind the samples: p10 to p90 in grey, the interval darker, the median as a line."""
    median = words.known(case.median_s)
    if median is None:
        return
    low, high = axes.get_xlim()
    for ends, colour in (((case.p10_s, case.p90_s), "#ececec"), (case.ci95_s, "#bdbdbd")):
        values = [words.known(end) for end in ends or ()]
        percents = [100 * (value / median - 1) for value in values if value]
        if len(percents) == 2:
            left, right = (min(max(percent, low), high) for percent in percents)
            axes.fill_betweenx([top, bottom], left, right, color=colour, linewidth=0, zorder=1)
    axes.plot([0, 0], [top, bottom], color=svg.BLACK, linewidth=1, zorder=2)


def _legend(figure: "Figure") -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    figure.legend(
        handles=[
            Line2D([], [], linestyle="", marker="o", color=svg.BLUE, markersize=4, label="clean"),
            Line2D([], [], linestyle="", marker="x", color=svg.VERMILLION, markersize=5,
                   label="disturbed"),
            Line2D([], [], color=svg.BLACK, linewidth=1, label="median"),
            Patch(color="#bdbdbd", label="95 % interval"),
            Patch(color="#ececec", label="p10 to p90"),
        ],
        loc="lower center", ncols=5, frameon=False, fontsize=svg.FONT_PT - 1, handletextpad=0.5,
        handlelength=1.2, columnspacing=1.2, borderaxespad=0.3,
    )  # fmt: skip


def _in_words(row: Drawn) -> str:
    case, dirty = row.case, sum(not point.clean for point in row.points)
    low, high = (end(point.percent for point in row.points) for end in (min, max))
    return (
        f"{row.number}, {words.label(case)}: {len(row.points)} samples around"
        f" {duration_text(row.centre_s)}, from {low:+.1f} to {high:+.1f} %, {dirty} disturbed"
    )
