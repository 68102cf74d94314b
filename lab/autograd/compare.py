"""Sets the gradient under test beside numerical derivatives, along random directions.

One wrong entry changes the derivative along every direction that has no zero, so a few directions
see it whatever the number of inputs. Directions have random signs and random sizes (a half to one):
with signs alone, errors of equal size would cancel in every second one. Entries whose parts differ
by more than 1e4 are looked at in groups of their own, since the large ones would hide the small;
outputs are weighted by their own derivative for the same reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lab.autograd.inputs import Tensor
from lab.autograd.numerical import Derivative, along
from lab.autograd.problem import Problem

_DIRECTIONS = 4
# Up to so many inputs each is perturbed by itself.
SINGLE = 64
_SINGLE_OUTPUTS = 16
_GROUP = 1e-4
_ROW_GROUP = 1e-6
# Fail beyond so many times the measured error, and this share of the typical part.
_ERRORS = 20.0
_RELATIVE = {False: 2e-9, True: 2e-4}
_EPS = {False: 2.3e-16, True: 1.2e-7}


def noise(size: int, random: Any) -> Tensor:
    """Random signs times random sizes from a half to one, float64 on the CPU, shape (size,)."""
    import torch

    sizes = torch.rand(size, generator=random, dtype=torch.float64) / 2 + 0.5
    return sizes * (torch.randint(2, (size,), generator=random) * 2 - 1)


@dataclass(frozen=True, kw_only=True)
class Residual:
    """Analytical and numerical derivative of `v` times the outputs along `u`.

    Args:
        u: direction, shape (n,).
        v: weights of the outputs, shape (m,).
        analytical, numerical: the two.
        tolerance: what explains a difference.
        smooth: whether the outputs concerned have a slope there at all.
    """

    u: Tensor
    v: Tensor
    analytical: float
    numerical: float
    tolerance: float
    smooth: bool

    @property
    def fails(self) -> bool:
        """Whether the difference is more than rounding and steps explain."""
        return not abs(self.analytical - self.numerical) <= self.tolerance

    @property
    def excess(self) -> float:
        """How many tolerances they differ by."""
        return abs(self.analytical - self.numerical) / max(self.tolerance, 1e-300)


@dataclass(kw_only=True)
class Point:
    """A problem at a point, with what was computed there.

    Args:
        problem: the map and its gradient.
        x: where, shape (n,).
        random: generator of directions.
        native: values are float32.
        natural: the largest derivative along any direction so far: what is far below is rounding.
        floor: how far below, as a share.
    """

    problem: Problem
    x: Tensor
    random: Any
    native: bool = False
    natural: float = 0.0
    floor: float = 1e-13
    y: Tensor = field(init=False)
    scale: Tensor = field(init=False)

    def __post_init__(self) -> None:
        """Take the value and the gradient's graph once."""
        self.y = self.problem.value(self.x)
        self.problem.try_batches(self.x, self.y)
        self.pull = self.problem.pullback(self.x)
        self.scale = self.problem.inputs.scale

    @property
    def largest(self) -> float:
        """The largest value."""
        return float(self.y.abs().max())

    @property
    def eps(self) -> float:
        """Relative rounding of the values."""
        return _EPS[self.native]

    def elsewhere(self, x: Tensor) -> Point:
        """The same problem at another point, with steps of the same size.

        Raises:
            Unusable: the function cannot be evaluated there.
        """
        other = Point(problem=self.problem, x=x, random=self.random, native=self.native)
        other.scale = self.scale
        return other

    def noise(self, size: int) -> Tensor:
        """Random signs times random sizes from a half to one, shape (size,)."""
        return noise(size, self.random).to(self.x.device)

    def direction(self, mask: Tensor | None = None) -> Tensor:
        """A random direction in units of the inputs' size, shape (n,); steps along it are exact."""
        u = self.noise(self.x.numel()) * self.scale
        return self.exact(u if mask is None else u * mask)

    def exact(self, u: Tensor) -> Tensor:
        """Round a direction so that the input plus any step is without rounding error."""
        import torch

        size = torch.maximum(self.x.abs(), self.scale)
        grain = torch.exp2(torch.floor(torch.log2(size)) + (-16.0 if not self.native else -11.0))
        rounded = torch.round(u / grain) * grain
        return torch.where((rounded == 0) & (u != 0), grain * torch.sign(u), rounded)

    def unit(self, i: int) -> Tensor:
        """The direction of one entry, as far as its typical size."""
        import torch

        u = torch.zeros_like(self.x)
        u[i] = self.scale[i]
        return self.exact(u)

    def weights(self) -> Tensor:
        """Random weights of the outputs; ones where only the gradient of their sum is known."""
        import torch

        return torch.ones_like(self.y) if self.problem.fixed_weights else self.noise(self.y.numel())

    def along(self, u: Tensor) -> Derivative:
        """The numerical derivative of all outputs along a direction."""
        return self.along_all([u])[0]

    def along_all(self, directions: list[Tensor]) -> list[Derivative]:
        """The numerical derivatives of all outputs along each of some directions."""
        import torch

        u = torch.stack(directions)
        return along(self.problem.values, self.x, self.y, u, eps=self.eps).rows()

    def residual(self, u: Tensor, v: Tensor, slope: Derivative, gradient: Tensor) -> Residual:
        """Compare along `u`, outputs weighted by `v`; those without a slope are left out."""
        import torch

        used = v != 0
        numerical = float((v * slope.value)[used].sum())
        error = float((v * slope.error)[used].norm())
        parts = gradient * u
        analytical = float(parts.sum())
        scale = float(parts.norm()) + float((v * slope.value).norm())
        step = self.eps * float((gradient * self.x)[u != 0].norm()) if self.native else 0.0
        smooth = bool(torch.isfinite(slope.error[used]).all()) and not bool(
            slope.has_kink[used].any()
        )
        tolerance = _ERRORS * (error + step) + _RELATIVE[self.native] * scale
        # Analytical gradients are rounded too: differences of numbers of this size.
        tolerance += float(v.norm()) * max(self.floor * self.natural, 4 * self.eps * self.largest)
        return Residual(
            u=u, v=v, analytical=analytical, numerical=numerical, tolerance=tolerance, smooth=smooth
        )


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


def compare(point: Point, *, thorough: bool = True) -> Comparison:
    """Compare at a point.

    Args:
        point: where.
        thorough: False takes two directions over all inputs alone: a look elsewhere.

    Raises:
        BackwardFailed: the gradient under test raises.
    """
    import torch

    first = [point.pull(v) for v in (point.weights(), point.weights())]
    for gradient in first:
        bad = ~torch.isfinite(gradient)
        if bool(bad.any()):
            return Comparison(
                failing=[], unresolved=torch.zeros_like(point.y, dtype=torch.bool), kinks=False,
                not_finite=int(bad.nonzero()[0]),
            )  # fmt: skip
    contribution = torch.stack([g.abs() for g in first]).amax(0) * point.scale
    directions = _directions(point, contribution, thorough=thorough)
    slopes = point.along_all(directions)
    point.natural = max(float(s.value.abs().max()) for s in slopes)
    unresolved = _unresolved(point, slopes)
    failing = []
    for v in _weights(point, slopes, ~unresolved, thorough=thorough):
        gradient = point.pull(v)
        found = [point.residual(u, v, s, gradient) for u, s in zip(directions, slopes, strict=True)]
        failing += [r for r in found if r.fails]
    failing.sort(key=lambda r: -r.excess)
    kinks = any(bool(s.has_kink.any()) for s in slopes)
    return Comparison(failing=failing, unresolved=unresolved, kinks=kinks)


def _directions(point: Point, contribution: Tensor, *, thorough: bool) -> list[Tensor]:
    n = point.x.numel()
    if not thorough:
        return [point.direction()]
    if n <= SINGLE:
        return [point.unit(i) for i in range(n)] + [point.direction()] * (n > 1)
    found = [point.direction() for _ in range(_DIRECTIONS)]
    largest = float(contribution.max())
    if largest == 0:
        return found
    for low, high in ((_GROUP**2, _GROUP), (_GROUP**3, _GROUP**2), (-1.0, _GROUP**3)):
        mask = (contribution <= high * largest) & (contribution > low * largest)
        if bool(mask.any()):
            found += [point.direction(mask.to(point.x.dtype)) for _ in range(2)]
    return found


def _unresolved(point: Point, slopes: list[Derivative]) -> Tensor:
    """Outputs whose derivative is not known to a twentieth, nor to be nothing beside the value."""
    import torch

    typical = torch.stack([s.value.abs() for s in slopes]).amax(0)
    error = torch.stack([s.error for s in slopes]).amax(0)
    floor = 1e-7 * (point.y.abs() + 1e-3 * point.y.abs().max())
    return ~(error <= torch.maximum(0.05 * typical, floor * (1e4 if point.native else 1)))


def _weights(
    point: Point, slopes: list[Derivative], usable: Tensor, *, thorough: bool
) -> list[Tensor]:
    """Weights of the outputs: each by its own derivative, so that none hides another."""
    import torch

    if point.problem.fixed_weights:
        return [torch.ones_like(point.y)] if bool(usable.all()) else []
    if not bool(usable.any()):
        return []
    size = torch.stack([s.value.abs() for s in slopes]).square().mean(0).sqrt()
    error = torch.stack([s.error for s in slopes]).amin(0)
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
        found += [
            row
            for row, use in zip(
                torch.eye(point.y.numel(), dtype=torch.float64, device=point.y.device),
                usable,
                strict=True,
            )
            if use
        ]
    return found
