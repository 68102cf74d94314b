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
# Elsewhere derivatives need not be known as sharply.
_EASE = 100.0
# A difference of a smaller share there is no matter: a function may be ill-conditioned.
CLEAR = 1e-6
# A derivative with an error of a larger share of it is not known.
_KNOWN = {False: 1e-4, True: 0.05}
_TINY = 1e-8
_LOST = {False: 3e-12, True: 5e-7}
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
        y: the value there, shape (m,).
    """

    problem: Problem
    x: Tensor
    random: Any
    native: bool = False
    natural: float = 0.0
    floor: float = 1e-13
    y: Tensor = None
    scale: Tensor = field(init=False)
    _grain: tuple[Tensor, Tensor] | None = None

    def __post_init__(self) -> None:
        """Take the gradient's graph once, and the value where it is not known."""
        if self.y is None:
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

    @property
    def inside(self) -> float:
        """What rounding of numbers inside the function may do to a derivative."""
        return _LOST[self.native] if self.largest > _TINY else 0.0

    def elsewhere(self, x: Tensor, y: Tensor | None = None) -> Point:
        """The same problem at another point, with steps of the same size.

        Args:
            x: where, shape (n,).
            y: the value there, where it is known.

        Raises:
            Unusable: the function cannot be evaluated there.
        """
        other = Point(problem=self.problem, x=x, random=self.random, native=self.native, y=y)
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

        if self._grain is None or self._grain[0] is not self.scale:
            size = torch.maximum(self.x.abs(), self.scale)
            power = torch.floor(torch.log2(size)) - (11.0 if self.native else 16.0)
            self._grain = self.scale, torch.exp2(power)
        grain = self._grain[1]
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
        """The numerical derivatives of all outputs along some directions, shape (d, n)."""
        return along(
            self.problem.values, self.x, self.y, u, eps=self.eps, floor=self.inside,
            together=self.problem.together,
        )  # fmt: skip

    def residuals(
        self, u: Tensor, v: Tensor, slope: Derivative, gradient: Tensor
    ) -> list[Residual]:
        """Compare along each direction, outputs weighted in each way.

        Args:
            u: directions, shape (d, n).
            v: weights, shape (k, m); outputs of weight 0 are left out.
            slope: along the directions, shape (d, m).
            gradient: of the outputs so weighted, shape (k, n).
        """
        import torch

        used, nothing = v != 0, torch.zeros((), dtype=v.dtype, device=v.device)
        known = torch.isfinite(slope.value) & torch.isfinite(slope.error)
        value = torch.where(known, slope.value, nothing)
        error = torch.where(known, slope.error, nothing)
        bent = (slope.has_kink | ~known).to(v.dtype)
        numerical = value @ v.T
        error = ((error**2) @ (v**2).T).sqrt()
        error = torch.where(((~known).to(v.dtype) @ used.to(v.dtype).T) > 0, torch.inf, error)
        scale = ((u**2) @ (gradient**2).T).sqrt() + ((value**2) @ (v**2).T).sqrt()
        step: Any = 0.0
        if self.native:
            step = self.eps * ((u != 0).to(v.dtype) @ ((gradient * self.x) ** 2).T).sqrt()
        tolerance = _ERRORS * (error + step) + _RELATIVE[self.native] * scale
        # Analytical gradients are rounded too: differences of numbers of this size.
        rounding = max(self.floor * self.natural, 4 * self.eps * self.largest)
        # And so are values, beside larger numbers inside the function that no output shows: a one,
        # say, in log(1 + x**2). Where all is tiny the numbers inside most likely are.
        rounding = max(rounding, self.inside)
        tolerance = tolerance + v.norm(dim=1) * rounding
        # A value that never changes may be lost beside a number inside the function.
        lost = ((slope.value == 0) & (slope.error == 0)).to(v.dtype)
        tolerance = tolerance + _LOST[self.native] * (lost @ v.abs().T)
        smooth = (bent @ used.to(v.dtype).T) == 0
        parts = zip(
            *(t.flatten().tolist() for t in (u @ gradient.T, numerical, tolerance, smooth)),
            strict=True,
        )
        return [
            Residual(
                u=u[i // len(v)], v=v[i % len(v)], analytical=a, numerical=n, tolerance=t, smooth=s
            )
            for i, (a, n, t, s) in enumerate(parts)
        ]


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
        first.problem.values, x, y, u, eps=first.eps, ease=_EASE, together=first.problem.together
    )
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
