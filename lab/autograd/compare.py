"""Sets the gradient under test beside numerical derivatives, along random directions.

One wrong entry changes the derivative along every direction that has no zero, so a few directions
see it whatever the number of inputs. Directions have random signs and random sizes (a half to one):
with signs alone, errors of equal size would cancel in every second one. Entries whose parts differ
by more than 1e4 are looked at in groups of their own, since the large ones would hide the small;
outputs are weighted by their own derivative for the same reason.
"""

from __future__ import annotations

from dataclasses import dataclass

from lab.autograd.inputs import Tensor
from lab.autograd.numerical import Derivative, along
from lab.autograd.point import Point, Residual

_DIRECTIONS = 4
# Up to so many inputs each is perturbed by itself.
SINGLE = 64
_SINGLE_OUTPUTS = 16
_GROUP = 1e-4
_ROW_GROUP = 1e-6
# Elsewhere derivatives need not be known as sharply.
_EASE = 100.0
# A difference of a smaller share there is no matter: a function may be ill-conditioned.
CLEAR = 1e-6
# A derivative with an error of a larger share of it is not known.
_KNOWN = {False: 1e-4, True: 0.05}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What comparing at one point gave.

    Args:
        failing: differences that nothing explains, the worst first.
        unresolved: outputs whose derivative could not be measured, shape (m,), bool.
        kinks: whether any output has a kink or a jump exactly here.
        not_finite: number of an input whose gradient is nan or inf; None: there is none.
    """

    failing: list[Residual]
    unresolved: Tensor
    kinks: bool
    not_finite: int | None = None


def compare(point: Point) -> Comparison:
    """Compare at a point, along several directions, outputs weighted in several ways.

    Raises:
        BackwardFailed: the gradient under test raises.
    """
    import torch

    gradient = point.pull(point.weights())
    bad = ~torch.isfinite(gradient)
    if bool(bad.any()):
        return Comparison(
            failing=[], unresolved=torch.zeros_like(point.y, dtype=torch.bool), kinks=False,
            not_finite=int(bad.nonzero()[0]),
        )  # fmt: skip
    u = _directions(point, gradient.abs() * point.scale)
    slopes = point.along(u)
    return _compare(point, u, slopes, thorough=True)


def glance(points: list[Point]) -> list[Comparison]:
    """Compare at each of some points of a problem along one direction, and not as sharply.

    Raises:
        BackwardFailed: the gradient under test raises.
    """
    import torch

    first = points[0]
    x, y = torch.stack([p.x for p in points]), torch.stack([p.y for p in points])
    u = torch.stack([p.direction() for p in points])
    slopes = along(
        first.problem.values, x, y, u, eps=first.eps, ease=_EASE, together=first.problem.together,
        stairs=False,
    )  # fmt: skip
    return [
        _compare(point, u[i : i + 1], slopes[i], thorough=False) for i, point in enumerate(points)
    ]


def _compare(point: Point, u: Tensor, slopes: Derivative, *, thorough: bool) -> Comparison:
    import torch

    point.natural = float(slopes.value.abs().max())
    unresolved = _unresolved(point, slopes)
    weights = _weights(point, slopes, ~unresolved, thorough=thorough)
    failing: list[Residual] = []
    if weights:
        gradients = torch.stack([point.pull(v) for v in weights])
        v = torch.stack(weights)
        if not thorough and _agree(u, v, slopes, gradients):
            return Comparison(failing=[], unresolved=unresolved, kinks=False)
        found = point.residuals(u, v, slopes, gradients)
        failing = sorted((r for r in found if r.fails), key=lambda r: -r.excess)
    return Comparison(failing=failing, unresolved=unresolved, kinks=bool(slopes.has_kink.any()))


def _agree(u: Tensor, v: Tensor, slopes: Derivative, gradients: Tensor) -> bool:
    """Whether both derivatives are so close that a glance has nothing to tell."""
    numerical, analytical = slopes.value @ v.T, u @ gradients.T
    size = numerical.abs() + analytical.abs()
    return bool(((numerical - analytical).abs() <= CLEAR * size).all())


def _directions(point: Point, contribution: Tensor) -> Tensor:
    """Each entry by itself where there are few, else random ones; shape (d, n)."""
    import torch

    n = point.x.numel()
    if n <= SINGLE:
        return torch.stack([point.unit(i) for i in range(n)] + [point.direction()] * (n > 1))
    found = [point.direction() for _ in range(_DIRECTIONS)]
    largest = float(contribution.max())
    for low, high in ((_GROUP**2, _GROUP), (_GROUP**3, _GROUP**2), (-1.0, _GROUP**3)):
        mask = (contribution <= high * largest) & (contribution > low * largest)
        if largest and bool(mask.any()):
            found += [point.direction(mask.to(point.x.dtype)) for _ in range(2)]
    return torch.stack(found)


def _unresolved(point: Point, slopes: Derivative) -> Tensor:
    """Outputs whose derivative is not known well, nor known to be nothing beside the value."""
    import torch

    typical, error = slopes.value.abs().amax(0), slopes.error.amax(0)
    floor = 1e-7 * (point.y.abs() + 1e-3 * point.y.abs().max())
    known = torch.clamp(_KNOWN[point.native] * typical, min=point.inside)
    return ~(error <= torch.maximum(known, floor * (1e4 if point.native else 1)))


def _weights(point: Point, slopes: Derivative, usable: Tensor, *, thorough: bool) -> list[Tensor]:
    """Weights of the outputs: each by its own derivative, so that none hides another."""
    import torch

    if point.problem.fixed_weights:
        return [torch.ones_like(point.y)] if bool(usable.all()) else []
    if not bool(usable.any()):
        return []
    if point.y.numel() == 1:  # there is nothing to weight
        return [torch.ones_like(point.y)]
    size, error = slopes.value.square().mean(0).sqrt(), slopes.error.amin(0)
    size = torch.maximum(size, torch.where(torch.isfinite(error), 1e3 * error, 0.0))
    largest = float(size[usable].max())
    # Beside the largest these are nothing, or lost to underflow.
    size = torch.where(size > 1e-150 * largest, size, largest or 1.0)
    found = []
    for low, high in ((_ROW_GROUP, 2.0), (_ROW_GROUP**2, _ROW_GROUP)):
        rows = usable & (size > low * largest) & (size <= high * largest) if largest else usable
        if bool(rows.any()):
            share = torch.where(rows, float(size[rows].max()) / size, 0.0)
            share = share / share.max() if largest else share
            count = _DIRECTIONS if thorough else 1
            found += [point.noise(point.y.numel()) * share for _ in range(count)]
        if not largest:
            break
    if thorough and point.y.numel() <= _SINGLE_OUTPUTS and point.x.numel() <= SINGLE:
        found += list(torch.diag(torch.ones_like(point.y))[usable])
    return found
