"""The roofline: what each case reaches, beside what the machine allows."""

import math
from typing import TYPE_CHECKING

from lab.records.bench import BenchReport
from lab.render.bench import svg, words
from lab.render.bench.axes import Box, place_labels, spread
from lab.render.bench.roofs import Dot, Roofs, find_dots, find_roofs
from lab.render.bench.svg import Plot
from lab.render.bench.units import digits_text, rate_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {
    "float32": svg.BLUE, "float64": svg.GREEN, "bfloat16": svg.VERMILLION, "float16": svg.ORANGE,
    "tf32": svg.SKY, "int8": svg.PURPLE,
}  # fmt: skip
# By verdict: the shape, and whether it is filled.
_MARKS = {
    "ok": ("o", True),
    "not_converged": ("D", True),
    "not_steady": ("^", False),
    "contaminated": ("X", False),
}
_LEFT, _RIGHT, _TOP, _BOTTOM, _HEIGHT = 60.0, 80.0, 16.0, 66.0, 330.0
_INSIDE = Box(_LEFT, _BOTTOM, svg.WIDTH_PT - _RIGHT, _HEIGHT)
_SMALL_PT = svg.FONT_PT - 1


def roofline(report: BenchReport) -> Plot | None:
    """Draw it, or None where no case counts both FLOP and bytes."""
    dots = find_dots(report)
    if not dots:
        return None
    roofs = find_roofs(report)
    figure = svg.new_figure(_HEIGHT)
    axes = svg.add_axes(figure, left=_LEFT, right=_RIGHT, bottom=_BOTTOM, top=_TOP)
    _scales(axes, dots, roofs)
    places = [_point_of(axes, dot.intensity, dot.flop_per_s) for dot in dots]
    _draw_roofs(axes, roofs)
    tips = _draw_dots(axes, dots, places)
    _legend(figure, dots)
    title = "Roofline: speed reached, and speed possible"
    description = _description(dots, roofs)
    return Plot(
        title=title,
        description=description,
        svg=svg.svg_text(figure, "roofline", title, description, tips),
        remarks=_remarks(report, dots, roofs),
        key=[(dot.number, words.label(dot.case)) for dot in dots],
    )


def _scales(axes: "Axes", dots: list[Dot], roofs: Roofs) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    intensities = [dot.intensity for dot in dots]
    if roofs.bytes_per_s:
        ridges = [peak / roofs.bytes_per_s for peak in roofs.flop]
        intensities += [ridge for ridge in ridges if 1e-6 < ridge < 1e9]
    rates = [dot.flop_per_s for dot in dots] + list(roofs.flop)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(min(intensities) / 3, max(intensities) * 2)
    axes.set_ylim(min(rates) / 3, max(rates) * 2.5)
    axes.set_xlabel("arithmetic intensity: FLOP per byte moved")
    axes.set_ylabel("speed: FLOP/s")
    axes.grid(True)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: digits_of_ten(value)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: rate_of_ten(value)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=8))
        axis.set_minor_formatter(NullFormatter())


def digits_of_ten(value: float) -> str:
    """A power of ten as a person writes it."""
    return f"{value:,.0f}" if 1 <= value < 1e6 else f"{value:g}"


def rate_of_ten(value: float) -> str:
    """A power of ten with its unit."""
    digits, _, unit = rate_text(value, "FLOP/s").partition(" ")
    return f"{float(digits):g} {unit.removesuffix('FLOP/s') or ''}".strip()


def _point_of(axes: "Axes", x: float, y: float) -> tuple[float, float]:
    """Where data lie, in points from the lower left corner of the drawing."""
    pixels = axes.transData.transform((x, y))
    return float(pixels[0]), float(pixels[1])


def _draw_roofs(axes: "Axes", roofs: Roofs) -> None:
    """Lines, with their labels in the margin, where no point is."""
    low, high = axes.get_xlim()
    rate = roofs.bytes_per_s
    top = max(roofs.flop, default=axes.get_ylim()[1])
    if rate:
        axes.plot([low, top / rate], [rate * low, top], color=svg.BLACK, linewidth=1.4)
        _memory_label(axes, rate)
    heights = sorted(roofs.flop)
    labels = ["\n".join([*roofs.flop[height], rate_text(height, "FLOP/s")]) for height in heights]
    at = [_point_of(axes, high, height)[1] for height in heights]
    sizes = [(label.count("\n") + 1) * 1.25 * _SMALL_PT for label in labels]
    for height, label, y, moved in zip(heights, labels, at, spread(at, sizes), strict=True):
        start = max(low, height / rate) if rate else low
        colour = _COLOURS.get(roofs.flop[height][0], svg.GREY)
        axes.plot([start, high], [height, height], color=colour, linewidth=1.4)
        axes.annotate(
            label, (high, height), (5, moved - y), textcoords="offset points", va="center",
            fontsize=_SMALL_PT,
        )  # fmt: skip


def _memory_label(axes: "Axes", rate: float) -> None:
    low, high = axes.get_xlim()
    bottom = max(low, axes.get_ylim()[0] / rate)
    first, last = _point_of(axes, low, rate * low), _point_of(axes, high, rate * high)
    angle = math.degrees(math.atan2(last[1] - first[1], last[0] - first[0]))
    start = bottom * (high / low) ** 0.03
    axes.annotate(
        f"memory {rate_text(rate, 'B/s')}", (start, rate * start), (-3, 4),
        textcoords="offset points", rotation=angle, rotation_mode="anchor", ha="left",
        va="bottom", fontsize=_SMALL_PT, annotation_clip=True,
    )  # fmt: skip


def _draw_dots(axes: "Axes", dots: list[Dot], places: list[tuple[float, float]]) -> dict[str, str]:
    """Points with their numbers; returns what each says when the pointer rests on it."""
    offsets = place_labels(places, [str(dot.number) for dot in dots], _INSIDE)
    tips = {}
    for dot, offset in zip(dots, offsets, strict=True):
        colour = _COLOURS.get(dot.case.dtype or "", svg.GREY)
        shape, filled = _MARKS.get(dot.case.verdict, ("s", False))
        axes.plot(
            dot.intensity, dot.flop_per_s, shape, color=colour, markersize=7, clip_on=False,
            markerfacecolor=colour if filled else "white", zorder=3, gid=f"tip{dot.number}",
        )  # fmt: skip
        axes.annotate(
            str(dot.number), (dot.intensity, dot.flop_per_s), offset,
            textcoords="offset points", ha="center", va="center", zorder=4,
        )  # fmt: skip
        tips[f"tip{dot.number}"] = f"{dot.number}: {words.label(dot.case)}, {_reached(dot)}"
    return tips


def _legend(figure: "Figure", dots: list[Dot]) -> None:
    """Shapes by verdict and colours by dtype, of those that occur."""
    from matplotlib.lines import Line2D

    verdicts = [verdict for verdict in _MARKS if any(dot.case.verdict == verdict for dot in dots)]
    dtypes = [dtype for dtype in _COLOURS if any(dot.case.dtype == dtype for dot in dots)]
    entries = [
        Line2D([], [], linestyle="", marker=_MARKS[verdict][0], label=verdict, color="#444444",
               markerfacecolor="#444444" if _MARKS[verdict][1] else "white")
        for verdict in verdicts
    ] + [
        Line2D([], [], linestyle="", marker="s", label=dtype, color=_COLOURS[dtype])
        for dtype in dtypes
    ]  # fmt: skip
    figure.legend(
        handles=entries, loc="lower center", ncols=min(5, len(entries)), frameon=False,
        fontsize=_SMALL_PT, handletextpad=0.1, columnspacing=1.2,
        bbox_to_anchor=(0, 0, 1, 0.1), borderaxespad=0,
    )  # fmt: skip


def _reached(dot: Dot) -> str:
    rate = rate_text(dot.flop_per_s, "FLOP/s")
    doubt = words.DOUBT if dot.case.verdict in words.DOUBTFUL else ""
    return f"{doubt}{rate} at {digits_text(dot.intensity)} FLOP per byte"


def _description(dots: list[Dot], roofs: Roofs) -> str:
    names = [
        f"{', '.join(dtypes)} {rate_text(height, 'FLOP/s')}"
        for height, dtypes in sorted(roofs.flop.items())
    ]
    if roofs.bytes_per_s:
        names.append(f"memory {rate_text(roofs.bytes_per_s, 'B/s')}")
    points = "; ".join(
        f"{dot.number}: {words.label(dot.case)}, {_reached(dot)}" for dot in dots[:40]
    )
    return f"Roofs: {', '.join(names) or 'none'}. Points: {points}."


def _remarks(report: BenchReport, dots: list[Dot], roofs: Roofs) -> list[str]:
    missing = len(report.cases) - len(dots)
    count = "1 case" if missing == 1 else f"{missing} cases"
    return [
        roofs.memory,
        *([] if roofs.flop else [
            "There is no roof for computing: the record holds no peak for this machine."
        ]),
        *([f"Not drawn: {count} without a figure, or without a count of both FLOP and bytes."]
          if missing else []),
    ]  # fmt: skip
