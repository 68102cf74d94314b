"""What the GPU's own sensors said while the cases ran: clock and power."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from lab.records.bench import BenchReport, CaseResult, Telemetry
from lab.render.bench import svg, words
from lab.render.bench.axes import shorten
from lab.render.bench.svg import Plot
from lab.render.clean import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW_PT = 28.0
_ROWS = 24
_LETTERS = 66
_MARGIN, _BETWEEN, _TOP, _BOTTOM = 14.0, 24.0, 6.0, 36.0
_HALF = (svg.WIDTH_PT - 2 * _MARGIN - _BETWEEN) / 2


class _Row(Struct, frozen=True, kw_only=True):
    number: int
    case: CaseResult
    clock: tuple[float, float] | None
    """The lowest clock and the median of the processes, in MHz."""
    power: tuple[float, float] | None
    """The least and the most power of the processes, in W."""


def telemetry_plot(report: BenchReport) -> Plot | None:
    """Draw it, or None where no sensor said anything."""
    rows = [_row(number, case) for number, case in enumerate(report.cases, 1)]
    rows = [row for row in rows if row.clock or row.power]
    if not rows:
        return None
    shown = rows[:_ROWS]
    height = _ROW_PT * len(shown)
    figure = svg.new_figure(height + _TOP + _BOTTOM)
    gpu = report.environment.gpu
    top_clock = _drawable(gpu.max_clock_hz) if gpu else None
    limit = _drawable(gpu.power_limit_w) if gpu else None
    panels: list[tuple[str, float | None, Callable[[_Row], tuple[float, float] | None]]] = [
        ("clock in MHz", top_clock and top_clock / 1e6, lambda row: row.clock),
        ("power in W", limit, lambda row: row.power),
    ]
    for index, (name, most, read) in enumerate(panels):
        left = _MARGIN + index * (_HALF + _BETWEEN)
        right = svg.WIDTH_PT - left - _HALF
        axes = svg.add_axes(figure, left=left, right=right, bottom=_BOTTOM, top=_TOP)
        axes.set_ylim(height, 0)
        _panel(axes, name, most, [read(row) for row in shown])
        if index == 0:
            _names(axes, shown)
    title = "GPU: clock and power while each case ran"
    description = "; ".join(_in_words(row) for row in shown) + "."
    drawn = svg.svg_text(figure, "telemetry", title, description)
    return Plot(title=title, description=description, svg=drawn, remarks=_remarks(len(rows)))


def _row(number: int, case: CaseResult) -> _Row:
    told = case.telemetry
    clocks = _known(told, lambda t: t.sm_clock_hz_median)
    lowest = _known(told, lambda t: t.sm_clock_hz_min) or clocks
    power = _known(told, lambda t: t.power_w_median)
    return _Row(
        number=number,
        case=case,
        clock=(min(lowest) / 1e6, max(clocks) / 1e6) if clocks else None,
        power=(min(power), max(power)) if power else None,
    )


def _known(told: list[Telemetry], read: Callable[[Telemetry], float | None]) -> list[float]:
    values = (_drawable(read(telemetry)) for telemetry in told)
    return [value for value in values if value is not None]


def _drawable(value: float | None) -> float | None:
    """A number that an axis can show."""
    known = words.known(value)
    return known if known is not None and 1e-6 < known < 1e15 else None


def _panel(
    axes: "Axes", name: str, most: float | None, values: list[tuple[float, float] | None]
) -> None:
    from matplotlib.ticker import MaxNLocator

    highest = max([most or 0.0, *(value[1] for value in values if value)], default=0.0) or 1.0
    axes.set_xlim(0, highest * 1.05)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel(name)
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
    axes.grid(True, axis="x")
    for place, value in enumerate(values):
        middle = (place + 0.7) * _ROW_PT
        if value:
            axes.plot([0, value[1]], [middle, middle], color=svg.SKY, linewidth=5, zorder=2,
                      solid_capstyle="butt")  # fmt: skip
            if value[0] < value[1]:
                axes.plot(value[0], middle, "|", color=svg.BLACK, markersize=9, zorder=3)
        if most:
            axes.plot([most, most], [middle - 5, middle + 5], color=svg.VERMILLION, linewidth=1.5)


def _names(axes: "Axes", rows: list[_Row]) -> None:
    for place, row in enumerate(rows):
        seen = {reason for t in row.case.telemetry for reason in t.throttle_reasons}
        slowed = ", ".join(sorted(reason for reason in seen if "idle" not in reason))
        name = f"{row.number}  {words.label(row.case)}" + (
            f", slowed by {slowed}" if slowed else ""
        )
        axes.annotate(
            shorten(clean(name), _LETTERS), (0, place * _ROW_PT + 11),
            xycoords=("axes fraction", "data"), fontsize=svg.FONT_PT - 0.5, annotation_clip=False,
        )  # fmt: skip


def _in_words(row: _Row) -> str:
    clock = f"{row.clock[1]:.0f} MHz, at least {row.clock[0]:.0f}" if row.clock else "no clock"
    power = f"up to {row.power[1]:.0f} W" if row.power else "no power"
    return f"{row.number}, {words.label(row.case)}: {clock}; {power}"


def _remarks(rows: int) -> list[str]:
    return [
        "A bar ends at the highest median of any process. Black marks: the lowest clock seen, and"
        " the lowest median of power. Red marks: the most that the GPU allows.",
        *([f"The first {_ROWS} of {rows} cases are drawn."] if rows > _ROWS else []),
    ]
