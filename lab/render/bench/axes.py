"""Axes that the drawings of a speed test share, and where labels go."""

from typing import TYPE_CHECKING

from msgspec import Struct

from lab.render.bench.svg import FONT_PT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LETTER_PT = 0.62 * FONT_PT
"""The width of a letter, a little generously."""
_STEPS = (1, 3, 10, 30, 100, 300, 1000, 10_000, 100_000, 1e6, 1e7, 1e9)


def percent_scale(axes: "Axes", direction: str, low: float, high: float) -> None:
    """Make an axis of percent that shows both 1 % and 300 %: even near 0, then logarithmic.

    Args:
        direction: `x` or `y`.
        low, high: the smallest and the largest value.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = min(1.25 * low, -1.5), max(1.25 * high, 1.5)
    steps = [float(step) for step in _STEPS if step <= max(-low, high)]
    if len(steps) > 5:
        steps = steps[:: (len(steps) + 4) // 5]
    ticks = [-step for step in reversed(steps)] + [0.0, *steps]
    ticks = [tick for tick in ticks if low <= tick <= high]
    getattr(axes, f"set_{direction}scale")("asinh", linear_width=1.0)
    getattr(axes, f"set_{direction}lim")(low, high)
    axis = axes.xaxis if direction == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: signed_percent(value)))


def signed_percent(percent: float) -> str:
    """A difference such as `+3 %`."""
    if percent == 0:
        return "0"
    size = abs(percent)
    return f"{'+' if percent > 0 else '-'}{size:{',.0f' if size >= 100 else '.3g'}} %"


class Box(Struct, frozen=True):
    """A rectangle, in points."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "Box") -> float:
        """The area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0) * max(height, 0)


def place_labels(
    points: list[tuple[float, float]], texts: list[str], inside: Box
) -> list[tuple[float, float]]:
    """Offsets in points from each point to its label's middle, so that little is covered.

    Each label takes the best of sixteen places around its point, one after the other.
    """
    taken = [Box(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    offsets = []
    for (x, y), text in zip(points, texts, strict=True):
        half = LETTER_PT * len(text) / 2
        places = [
            (side * (half + 4 + away), up * (8 + away))
            for away in (0, 9)
            for side, up in ((1, 0.5), (-1, 0.5), (0, 1), (0, -1), (1, -0.5), (-1, -0.5), (1, 0),
                             (-1, 0))
        ]  # fmt: skip
        boxes = [Box(x + a - half, y + b - 5, x + a + half, y + b + 5) for a, b in places]
        costs = [_cost(box, taken, inside) for box in boxes]
        best = costs.index(min(costs))
        offsets.append(places[best])
        taken.append(boxes[best])
    return offsets


def _cost(box: Box, taken: list[Box], inside: Box) -> float:
    area = (box.right - box.left) * (box.top - box.bottom)
    outside = area - box.overlap(inside)
    return 3 * outside + sum(box.overlap(other) for other in taken)


def spread(positions: list[float], sizes: list[float]) -> list[float]:
    """Middles of things of some sizes, in rising order, moved up so that none cover each other."""
    moved: list[float] = []
    for position, size in zip(positions, sizes, strict=True):
        least = moved[-1] + (sizes[len(moved) - 1] + size) / 2 if moved else position
        moved.append(max(position, least))
    return moved


def shorten(text: str, letters: int) -> str:
    """The text, or its beginning with three dots where it is longer than so many letters."""
    return text if len(text) <= letters else f"{text[: max(letters - 1, 1)]}…"
