"""All samples over time: what drifted, and when the machine was disturbed."""

import statistics
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from lab.records.bench import CaseResult
from lab.render.bench import svg, words
from lab.render.bench.axes import percent_scale, shorten
from lab.render.bench.points import Drawn, Point, drawn_cases, left_out, thin_points
from lab.render.bench.svg import Plot
from lab.render.bench.units import span_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_POINTS = 1800
_BINS = 60
"""Parts of the run, each with one median of all cases."""
_DRIFTS = ((svg.PURPLE, "s"), (svg.GREEN, "^"), (svg.ORANGE, "D"))
"""For the cases that were not steady: colour and mark of the medians of their rounds."""
_LEFT, _RIGHT, _TOP, _BOTTOM, _HEIGHT = 88.0, 14.0, 18.0, 54.0, 270.0
_LEGEND_PT = 13.0


def timeline(cases: list[CaseResult]) -> Plot | None:
    """Draw it, or None where no sample has a time."""
    rows = [
        row for row in drawn_cases(cases) if any(point.at_s is not None for point in row.points)
    ]
    every = [point for row in rows for point in row.points if point.at_s is not None]
    if not every:
        return None
    share = max(_POINTS // len(rows), 2)
    shown = [point for row in rows for point in thin_points(_timed(row.points), share)]
    unsteady = [row for row in rows if row.case.verdict == "not_steady"]
    below = _LEGEND_PT * min(len(unsteady), len(_DRIFTS))
    figure = svg.new_figure(_HEIGHT + below)
    axes = svg.add_axes(figure, left=_LEFT, right=_RIGHT, bottom=_BOTTOM + below, top=_TOP)
    values = [point.percent for point in every]
    percent_scale(axes, "y", min(values), max(values))
    axes.set_xlabel("seconds since the run began")
    axes.set_ylabel("difference from the case's median")
    axes.grid(True, axis="y")
    _draw_processes(axes, every)
    _draw_points(axes, shown)
    _draw_medians(axes, every)
    for row, (colour, marker) in zip(unsteady, _DRIFTS, strict=False):
        _draw_drift(axes, row, colour, marker)
    _legend(figure, axes, below)
    title = "The run over time"
    description = _in_words(rows, every)
    return Plot(
        title=title,
        description=description,
        svg=svg.svg_text(figure, "time", title, description),
        remarks=[*left_out(len(shown), len(every)), *_more(len(unsteady))],
    )


def _timed(points: list[Point]) -> list[Point]:
    return [point for point in points if point.at_s is not None]


def _seconds(points: list[Point]) -> list[float]:
    return [point.at_s or 0.0 for point in points]


def _draw_points(axes: "Axes", shown: list[Point]) -> None:
    for clean, marker, colour in ((True, "o", svg.BLUE), (False, "x", svg.VERMILLION)):
        chosen = [point for point in shown if point.clean is clean]
        axes.plot(
            _seconds(chosen), [point.percent for point in chosen], marker, color=colour,
            markersize=2.6 if clean else 4, markeredgewidth=0 if clean else 0.9,
            alpha=0.45 if clean else 0.9, zorder=2, label="clean" if clean else "disturbed",
        )  # fmt: skip


def _draw_processes(axes: "Axes", every: list[Point]) -> None:
    """A line where each process but the first began, if they ran one after the other."""
    times: dict[int, list[float]] = defaultdict(list)
    for point in every:
        times[point.process].append(point.at_s or 0.0)
    spans = sorted((min(seconds), max(seconds)) for seconds in times.values())
    in_turn = all(before[1] <= after[0] for before, after in pairwise(spans))
    if not in_turn or not 1 < len(spans) <= 12:
        return
    low, high = spans[0][0], spans[-1][1]
    for number, (begun, _) in enumerate(spans, 1):
        if number > 1:
            axes.axvline(begun, color="#999999", linewidth=0.8, linestyle=(0, (3, 3)), zorder=1)
        if len(spans) <= 5 and high > low:
            axes.annotate(
                f"process {number}", (begun, 1), (3, 3), xycoords=("data", "axes fraction"),
                textcoords="offset points", fontsize=svg.FONT_PT - 1,
            )  # fmt: skip


def _draw_medians(axes: "Axes", every: list[Point]) -> None:
    """The median of all clean samples in each part of the run: a machine that slows down shows."""
    low, high = min(_seconds(every)), max(_seconds(every))
    bins: dict[int, list[Point]] = defaultdict(list)
    for point in every:
        if point.clean and high > low:
            bins[int((_seconds([point])[0] - low) / (high - low) * (_BINS - 1e-9))].append(point)
    full = [bins[number] for number in sorted(bins) if len(bins[number]) >= 3]
    axes.plot(
        [statistics.median(_seconds(points)) for points in full],
        [statistics.median(point.percent for point in points) for points in full],
        color=svg.BLACK, linewidth=1.2, zorder=3, label="median of all cases, clean",
    )  # fmt: skip


def _draw_drift(axes: "Axes", row: Drawn, colour: str, marker: str) -> None:
    rounds: dict[tuple[int, int], list[Point]] = defaultdict(list)
    timed = _timed(row.points)
    for point in [point for point in timed if point.clean] or timed:
        rounds[point.process, point.round].append(point)
    medians = sorted(
        (statistics.median(_seconds(points)), statistics.median(p.percent for p in points))
        for points in rounds.values()
    )
    axes.plot(
        *zip(*medians, strict=True), color=colour, linewidth=1, marker=marker, markersize=4,
        zorder=4, label=shorten(f"{row.number} {words.label(row.case)}, not steady", 56),
    )  # fmt: skip


def _legend(figure: "Figure", axes: "Axes", below: float) -> None:
    """What the points are in one line, the cases that drifted each in a line beneath."""
    entries = axes.get_legend_handles_labels()[0]
    height = 72 * figure.get_size_inches()[1]
    for handles, bottom, columns in ((entries[:3], below, 3), (entries[3:], 0.0, 1)):
        figure.legend(
            handles=handles, loc="lower center", ncols=columns, frameon=False, handlelength=1.4,
            fontsize=svg.FONT_PT - 1, handletextpad=0.5, columnspacing=1.2, borderaxespad=0.2,
            labelspacing=0.3, bbox_to_anchor=(0, bottom / height, 1, 0.1),
        )  # fmt: skip


def _in_words(rows: list[Drawn], every: list[Point]) -> str:
    dirty = sum(not point.clean for point in every)
    unsteady = [words.label(row.case) for row in rows if row.case.verdict == "not_steady"]
    return (
        f"{len(every)} samples of {len(rows)} cases in {span_text(max(_seconds(every)))}, each"
        f" beside its case's median; {dirty} of them were disturbed."
        f" Not steady: {'; '.join(unsteady) or 'none'}."
    )


def _more(unsteady: int) -> list[str]:
    if unsteady <= len(_DRIFTS):
        return []
    return [f"Of {unsteady} cases that were not steady, the first {len(_DRIFTS)} have lines."]
