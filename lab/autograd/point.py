"""A function at a point: directions, weights, and both derivatives beside each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lab.autograd.inputs import Tensor
from lab.autograd.numerical import Derivative, along
from lab.autograd.problem import Problem

# Fail beyond so many times the measured error, and this share of the typical part.
_ERRORS = 20.0
_RELATIVE = {False: 2e-9, True: 2e-4}
# What numbers inside the function may lose to rounding, where its values are not tiny themselves.
_LOST = {False: 3e-12, True: 5e-7}
_TINY = 1e-8
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
