"""Derivatives along a direction, by perturbing the input, with a measured error.

Central differences at steps h, 4h, 16h are extrapolated to order 6 (Richardson; Press et al.,
Numerical Recipes, 3rd ed., section 5.7, after Ridders 1982). The error is not assumed: it is the
difference to order 4 plus the rounding and the noise that the values show at these steps. Steps
shrink until that error is small, past kinks nearby, and grow where noise is what limits it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lab.autograd.inputs import Tensor
from lab.autograd.problem import Unusable

# Steps are 4**-k of the typical size of the input.
_FIRST = (2, 3, 4, 5)
_LAST = 17
_LAST_FLOAT32 = 6
# An error of this share of the derivative, or of the value, is small.
_GOAL = 1e-9
_GOAL_VALUE = 2e-12


@dataclass(frozen=True, kw_only=True)
class Derivative:
    """Along one direction, for each output, shape (m,).

    Args:
        value: the two-sided derivative.
        error: an upper estimate of its error; inf where it could not be taken.
        kink: the slope to the right less the one to the left.
        kink_error: of that.
    """

    value: Tensor
    error: Tensor
    kink: Tensor
    kink_error: Tensor

    @property
    def has_kink(self) -> Tensor:
        """Which outputs change their slope exactly here."""
        return self.kink.abs() > 20 * self.kink_error + 1e-5 * self.value.abs()


class _Ladder:
    """Values at steps that are taken once each."""

    def __init__(self, function: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, u: Tensor) -> None:
        self.function, self.x, self.y, self.u = function, x, y, u
        self.odd: dict[int, Tensor] = {}
        self.even: dict[int, Tensor] = {}
        self.size: dict[int, Tensor] = {}

    def take(self, k: int) -> None:
        import torch

        h = 4.0**-k
        try:
            plus, minus = self.function(self.x + h * self.u), self.function(self.x - h * self.u)
        except Unusable:
            plus = minus = torch.full_like(self.y, float("nan"))
        self.odd[k] = (plus - minus) / (2 * h)
        self.even[k] = (plus - self.y) - (self.y - minus)
        self.size[k] = torch.maximum(torch.maximum(plus.abs(), minus.abs()), self.y.abs())

    def _spread(self, k: int, value: Tensor, fine: Tensor, coarse: Tensor) -> Tensor:
        """How far estimates of other orders and other steps are from this one.

        Agreement of the orders alone can be chance, and tells nothing where the error does not
        shrink with the square of the step: the next larger step is asked as well.
        """
        import torch

        spread = (value - fine).abs()
        if k - 3 not in self.odd:
            return torch.maximum(spread, (value - coarse).abs())
        wider = (16 * self.odd[k - 2] - self.odd[k - 3]) / 15
        before = (256 * coarse - wider) / 255
        return torch.maximum(spread, (value - before).abs() / 20)

    def estimate(self, k: int, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Value, its error, change of slope, its error, from the steps k, k - 1 and k - 2."""
        import torch

        h = 4.0**-k
        d0, d1, d2 = self.odd[k], self.odd[k - 1], self.odd[k - 2]
        fine, coarse = (16 * d0 - d1) / 15, (16 * d1 - d2) / 15
        value = (256 * fine - coarse) / 255
        s0, s1, s2 = self.even[k], self.even[k - 1], self.even[k - 2]
        # What is left of the second differences without their parts in h and h**2.
        noise = (s0 - (5 / 16) * s1 + (1 / 64) * s2).abs()
        error = self._spread(k, value, fine, coarse) + 0.5 * noise / h + 2 * eps * self.size[k] / h
        slopes, wider = (4 * s0 / h - s1 / (4 * h)) / 3, (4 * s1 / (4 * h) - s2 / (16 * h)) / 3
        kink_error = (slopes - wider).abs() + 4 * eps * self.size[k] / h
        # A kink nearer than the step: what lies between its slopes is no derivative.
        bent = slopes.abs() > 20 * kink_error + 1e-5 * value.abs()
        error = torch.where(bent, error + slopes.abs(), error)
        bad = ~torch.isfinite(value + error)
        infinite = torch.full_like(error, float("inf"))
        return (
            torch.where(bad, torch.zeros_like(value), value), torch.where(bad, infinite, error),
            torch.where(bad, torch.zeros_like(slopes), slopes), torch.where(bad, infinite, kink_error),
        )  # fmt: skip


def along(
    function: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, u: Tensor, *, eps: float,
    deepest: int | None = None,
) -> Derivative:  # fmt: skip
    """The derivative of a function along a direction.

    Args:
        function: maps (n,) to (m,).
        x: where, float64, shape (n,).
        y: its value there, shape (m,).
        u: the direction, in units of x's typical size, shape (n,).
        eps: relative rounding of the function's values.
        deepest: the smallest step is 4**-deepest; None chooses by `eps`.
    """
    import torch

    last = deepest or (_LAST_FLOAT32 if eps > 1e-10 else _LAST)
    ladder = _Ladder(function, x, y, u)
    for k in _FIRST:
        ladder.take(k)
    best = list(ladder.estimate(_FIRST[-2], eps))

    def improve(k: int) -> bool:
        """Take in another step; says whether it made anything more certain."""
        value, error, kink, kink_error = ladder.estimate(k, eps)
        better = error < best[1]
        helped = bool((better & (error < 0.5 * best[1]) & ~good()).any())
        best[0] = torch.where(better, value, best[0])
        best[1] = torch.where(better, error, best[1])
        sharper = kink_error < best[3]
        best[2] = torch.where(sharper, kink, best[2])
        best[3] = torch.where(sharper, kink_error, best[3])
        return helped

    def good() -> Tensor:
        return best[1] <= _GOAL * best[0].abs() + _GOAL_VALUE * y.abs()

    def limited(k: int) -> bool:
        """Whether rounding is what the error comes from: smaller steps make it larger only."""
        rounding = 2 * eps * ladder.size[k] * 4.0**k
        return bool((good() | (rounding > 0.02 * best[1])).all())

    improve(_FIRST[-1])
    in_vain = 0
    for k in range(_FIRST[-1] + 1, last + 1):
        if in_vain >= 3 or bool(good().all()):
            break
        ladder.take(k)
        in_vain = 0 if improve(k) or not limited(k) else in_vain + 1
    if not bool((best[1] <= 1e-5 * best[0].abs() + 1e-9 * y.abs()).all()):
        for k in (1, 0):
            ladder.take(k)
            improve(k + 2)
    return Derivative(value=best[0], error=best[1], kink=best[2], kink_error=best[3])
