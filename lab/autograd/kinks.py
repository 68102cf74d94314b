"""Points at which the function has no derivative: what the gradient may be there.

Around such a point the gradient is checked as anywhere else. At the point itself every entry of the
gradient must lie in the range that its neighbours' gradients span: between the slopes of a kink,
or, where the value jumps, at the slope beside the jump.
"""

from __future__ import annotations

from dataclasses import dataclass

from lab.autograd.compare import Comparison, compare
from lab.autograd.inputs import Tensor
from lab.autograd.point import Point
from lab.autograd.problem import Unusable

_NEAR = 1e-4
_NEARBY = 0.3
_PAIRS = 32
# Outermost combinations of many kinks are rare among random neighbours: so much wider is allowed.
_SLACK = 0.5
_MOST = 64


@dataclass(frozen=True, kw_only=True)
class Kink:
    """A point without derivative.

    Args:
        beside: the comparison at a point beside it.
        at: that point.
        outside: numbers whose gradient lies outside what its neighbours span.
        where: a number that has the kink; None where it could not be told.
        jumps: whether the value itself jumps.
        v: weights of the outputs.
    """

    beside: Comparison
    at: Point
    outside: tuple[int, ...]
    where: int | None
    jumps: bool
    v: Tensor


def nearby(point: Point) -> Tensor:
    """A random step of a third of the inputs' size that changes no sign: a domain may end there."""
    import torch

    step = point.direction() * _NEARBY
    own = torch.where(point.x == 0, step.abs(), 0.5 * point.x.abs())
    return torch.clamp(step, -own, own)


def beside(point: Point) -> Point | None:
    """A random point close by at which the function can be evaluated; None: there is none."""
    import torch

    for attempt in range(6):
        step = point.direction() * _NEAR
        if attempt >= 3:  # a domain that ends at zero
            step = point.noise(point.x.numel()) * point.x * _NEAR
        try:
            near = point.elsewhere(point.x + step)
        except Unusable:
            continue
        if bool(torch.isfinite(near.y).all()):
            return near
    return None


def examine(point: Point) -> Kink | None:
    """Look at a point where the function has no derivative; None where it has no neighbours."""
    import torch

    near = beside(point)
    if near is None:
        return None
    v = point.weights()
    own = point.pull(v)
    spans = _neighbours(point, v)
    if spans is None:
        return None
    low, high = spans
    width = high - low
    floor = 1e-5 * torch.maximum(own.abs(), width.max() * 1e-3) + 1e-9
    outside = (own < low - _SLACK * width - floor) | (own > high + _SLACK * width + floor)
    numbers = tuple(int(i) for i in outside.nonzero().flatten()[:_MOST])
    where = int(width.argmax()) if float(width.max()) > 1e-2 * float(own.abs().max()) else None
    return Kink(
        beside=compare(near), at=near, outside=numbers, where=where, jumps=_jumps(point), v=v
    )


def _neighbours(point: Point, v: Tensor) -> tuple[Tensor, Tensor] | None:
    """Least and largest gradient of each number around a point."""
    import torch

    seen = []
    for _ in range(_PAIRS):
        step = point.direction() * 1e-6
        for x in (point.x + step, point.x - step):
            try:
                gradient = point.problem.pullback(x)(v)
            except Unusable:
                continue
            if bool(torch.isfinite(gradient).all()):
                seen.append(gradient)
    if not seen:
        return None
    stacked = torch.stack(seen)
    return stacked.amin(0), stacked.amax(0)


def _jumps(point: Point) -> bool:
    """Whether the value itself changes at once: a change that does not shrink with the step."""
    u = point.direction()
    try:
        sizes = [
            float(
                (point.problem.value(point.x + h * u) - point.problem.value(point.x - h * u)).norm()
            )
            for h in (1e-4, 1e-7)
        ]
    except Unusable:
        return False
    return sizes[1] > 0.1 * sizes[0] > 1e-12 * float(point.y.norm())
