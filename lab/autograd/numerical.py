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

# Steps are 4**-k of the typical size of the input.
_FIRST: tuple[int, ...] = (3, 4, 5, 6)
_LAST = 17
_FIRST_FLOAT32: tuple[int, ...] = (1, 2, 3, 4)
_LAST_FLOAT32 = 6
# An error of this share of the derivative, or of the value, is small.
_GOAL = 1e-9
_GOAL_VALUE = 5e-12
# From here on the fourth power of a step is mostly less than rounding.
_SMALL = 7
# What jumps about by this share of its whole change, however small the step, has no slope.
_ROUGH = 1e-4


@dataclass(frozen=True, kw_only=True)
class Derivative:
    """Along some directions, for each output, shape (d, m).

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

    def __getitem__(self, i: int) -> Derivative:
        """Along one of several directions; along it alone, shape (1, m)."""
        pick = slice(i, i + 1)
        return Derivative(
            value=self.value[pick], error=self.error[pick], kink=self.kink[pick],
            kink_error=self.kink_error[pick],
        )  # fmt: skip


class _Ladder:
    """Values along d directions at steps that are taken once each, shape (d, m)."""

    def __init__(
        self, function: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, u: Tensor
    ) -> None:
        self.function, self.u = function, u
        self.x, self.y = x.expand(len(u), -1), y.expand(len(u), -1)
        self.odd: dict[int, Tensor] = {}
        self.even: dict[int, Tensor] = {}
        self.size: dict[int, Tensor] = {}
        self._noises: dict[int, Tensor] = {}

    def take(self, steps: tuple[int, ...], active: Tensor) -> None:
        """Evaluate at some steps, along the directions that are `active`, shape (d,), bool."""
        import torch

        every = bool(active.all())
        x, y, u = (t if every else t[active] for t in (self.x, self.y, self.u))
        h = self._steps(steps)
        moves = h * u
        points = torch.stack([x + moves, x - moves], 1).reshape(-1, x.shape[1])
        values = self.function(points).reshape(len(steps), 2, *y.shape)
        plus, minus = values[:, 0], values[:, 1]
        odd, even = (plus - minus) / (2 * h), (plus - y) - (y - minus)
        size = torch.maximum(torch.maximum(plus.abs(), minus.abs()), y.abs())
        for into, found in ((self.odd, odd), (self.even, even), (self.size, size)):
            if not every:
                whole = torch.full_like(self.y, torch.nan).repeat(len(steps), 1, 1)
                whole[:, active] = found
                found = whole
            into.update(zip(steps, found, strict=True))

    def _steps(self, ks: tuple[int, ...]) -> Tensor:
        """Sizes of some steps, shape (k, 1, 1)."""
        import torch

        steps = [4.0**-k for k in ks]
        return torch.tensor(steps, dtype=self.y.dtype, device=self.y.device)[:, None, None]

    def _stack(self, kept: dict[int, Tensor], ks: tuple[int, ...], back: int) -> Tensor:
        """What was kept of the steps `back` before some steps, shape (k, d, m)."""
        import torch

        return (
            torch.stack([kept[k - back] for k in ks]) if len(ks) > 1 else kept[ks[0] - back][None]
        )

    def _spread(self, ks: tuple[int, ...], value: Tensor, fine: Tensor, coarse: Tensor) -> Tensor:
        """How far estimates of other orders and other steps are from this one.

        Agreement of the orders alone can be chance, and tells nothing where the error does not
        shrink with the square of the step: the next larger step is asked as well.
        """
        import torch

        spread = (value - fine).abs()
        if ks[0] - 3 not in self.odd:
            return torch.maximum(spread, (value - coarse).abs())
        wider = (16 * self._stack(self.odd, ks, 2) - self._stack(self.odd, ks, 3)) / 15
        before = (256 * coarse - wider) / 255
        return torch.maximum(spread, (value - before).abs() / 20)

    def _noise(self, k: int) -> Tensor:
        """What is left of the second differences without their parts in h and h**2."""
        if k not in self._noises:
            even = self.even
            self._noises[k] = (even[k] - (5 / 16) * even[k - 1] + (1 / 64) * even[k - 2]).abs()
        return self._noises[k]

    def _rounding(self, ks: tuple[int, ...], h: Tensor, size: Tensor) -> Tensor:
        """What rounding and noise of the values do to the derivative from some steps down.

        Values come in units of their last place, so that noise is nothing now and then by chance:
        the steps before are asked as well, as far as their own part in h**4 lets them tell.
        """
        import torch

        noise = torch.stack([self._noise(k) for k in ks])
        for back, share in ((1, 16), (2, 256)):
            if ks[0] - back - 2 in self.even:
                before = torch.stack([self._noise(k - back) for k in ks])
                noise = torch.fmax(noise, before / share)
        return (0.5 * noise + size) / h

    def is_staircase(self, step: Tensor, large: int) -> Tensor:
        """Which values do not change by a small step, here and a large step away to either side,
        though they do by the large one: they come in coarse steps, and have no slope to measure.

        1 - sigmoid(28), say, has three digits.

        Args:
            step: the power of the small step for each value, shape (d, m).
            large: the power of the large one.
        """
        import torch

        still = torch.zeros_like(self.y, dtype=torch.bool)
        for k, odd in self.odd.items():
            still = still | ((step == k) & (odd == 0) & (self.even[k] == 0))
        if not bool(still.any()):
            return still
        far = 4.0**-large * self.u
        near = 4.0 ** -step.amax(1, keepdim=True) * self.u
        points = [self.x + far, self.x + far + near, self.x - far, self.x - far + near]
        up, above, down, below = self.function(torch.cat(points)).reshape(4, *self.y.shape)
        return still & (up == above) & (up != self.y) & (down == below) & (down != self.y)

    def last_noise(self) -> Tensor:
        """The noise at the smallest step along each direction, shape (d, m)."""
        import torch

        widest, *_, smallest = sorted(self.even)
        noise = self._noise(smallest)
        for k in range(smallest - 1, widest + 1, -1):  # along others fewer steps were taken
            noise = torch.where(torch.isnan(noise), self._noise(k), noise)
        return torch.nan_to_num(noise, nan=0.0)

    def most_noise(self) -> Tensor:
        """The most noise of each output at small steps, shape (m,).

        Noise is that of the output, whatever the direction and the step: now and then it hides by
        chance. From the smallest step up, as far as it may be noise: what a step itself leaves
        grows by 256 from one to the next.
        """
        import torch

        most = self.last_noise().amax(0)
        small = [k for k in self.even if k >= _SMALL and k - 2 in self.even]
        going = torch.ones_like(most, dtype=torch.bool)
        for k in sorted(small, reverse=True):
            noise = torch.nan_to_num(self._noise(k), nan=0.0).amax(0)
            going = going & (noise <= 32 * most)
            most = torch.where(going, torch.maximum(most, noise), most)
        return most

    def rough(self, noise: Tensor, eps: float) -> Tensor:
        """Which values jump about, at the smallest step, by much of their change at the widest."""
        import torch

        widest = min(self.even)
        change = torch.maximum(self.odd[widest].abs() * 4.0**-widest, self.even[widest].abs())
        rounding = 1e3 * eps * self.size[widest]
        # Below the rounding of the largest value it is no matter.
        rounding = torch.clamp(rounding, min=eps * float(torch.nan_to_num(self.y).abs().max()))
        return (noise > _ROUGH * change) & (noise > rounding)

    def estimate(self, ks: tuple[int, ...], eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Value, its error, change of slope, its error, shape (k, d, m): from each of some steps k,
        with k - 1 and k - 2."""
        import torch

        h = self._steps(ks)
        d0, d1, d2 = (self._stack(self.odd, ks, back) for back in range(3))
        fine, coarse = (16 * d0 - d1) / 15, (16 * d1 - d2) / 15
        value = (256 * fine - coarse) / 255
        s0, s1, s2 = (self._stack(self.even, ks, back) for back in range(3))
        size = 2 * eps * self._stack(self.size, ks, 0)
        error = self._spread(ks, value, fine, coarse) + self._rounding(ks, h, size)
        slopes, wider = (4 * s0 - s1 / 4) / (3 * h), (s1 - s2 / 16) / (3 * h)
        kink_error = (slopes - wider).abs() + 2 * size / h
        # A kink nearer than the step: what lies between its slopes is no derivative.
        bent = slopes.abs() > 20 * kink_error + 1e-5 * value.abs()
        error = torch.where(bent, error + slopes.abs(), error)
        bad = ~torch.isfinite(value + error)
        return (
            value.masked_fill(bad, 0.0), error.masked_fill(bad, torch.inf),
            slopes.masked_fill(bad, 0.0), kink_error.masked_fill(bad, torch.inf),
        )  # fmt: skip


class _Best:
    """The most certain estimate of each derivative so far, shape (d, m)."""

    def __init__(self, ladder: _Ladder, eps: float, ease: float, floor: float) -> None:
        self.ladder, self.eps, self.ease, self.floor = ladder, eps, ease, floor
        self.parts: list[Tensor] = []
        self.step: Tensor = None
        self.known: Tensor = None

    def take_in(self, ks: tuple[int, ...]) -> Tensor:
        """Consider the estimates from some steps down; says which directions they helped, (d,)."""
        import torch

        value, error, kink, kink_error = self.ladder.estimate(ks, self.eps)
        error, at = error.min(0)
        kink_error, where = kink_error.min(0)
        value, kink = value.gather(0, at[None])[0], kink.gather(0, where[None])[0]
        step = ks[0] + at.to(value.dtype)
        if not self.parts:
            self.parts, self.step = [value, error, kink, kink_error], step
            self.known = self._good()
            return torch.ones(len(value), dtype=torch.bool, device=value.device)
        better, sharper = error < self.parts[1], kink_error < self.parts[3]
        helped = ((error < 0.5 * self.parts[1]) & ~self.known).any(1)
        self.step = torch.where(better, step, self.step)
        self.parts = [
            torch.where(better, value, self.parts[0]), torch.where(better, error, self.parts[1]),
            torch.where(sharper, kink, self.parts[2]),
            torch.where(sharper, kink_error, self.parts[3]),
        ]  # fmt: skip
        self.known = self._good()
        return helped

    def _good(self) -> Tensor:
        """Which are certain enough, shape (d, m)."""
        import torch

        of_value = _GOAL_VALUE * max(1.0, self.eps / 2.3e-16) * self.ladder.y.abs()
        goal = self.ease * (_GOAL * self.parts[0].abs() + of_value)
        return self.parts[1] <= torch.clamp(goal, min=self.floor)

    def limited(self, k: int) -> Tensor:
        """Along which directions rounding limits: smaller steps make it worse, shape (d,)."""
        rounding = 2 * self.eps * self.ladder.size[k] * 4.0**k
        return (self.known | (rounding > 0.02 * self.parts[1])).all(1)


def along(
    function: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, u: Tensor, *, eps: float,
    floor: float = 0.0, ease: float = 1.0, together: int = 1, stairs: bool = True,
) -> Derivative:  # fmt: skip
    """The derivatives of a function along some directions.

    Args:
        function: maps p points (p, n) to (p, m); nan where it has no value.
        x: where, float64, shape (n,); or (d, n), a point for each direction.
        y: its value there, shape (m,) or (d, m).
        u: directions, in units of x's typical size, shape (d, n).
        eps: relative rounding of the function's values.
        floor: an error that needs no improvement.
        ease: be content with an error so many times larger.
        together: how many further steps to take at once; more where a call is what costs.
        stairs: whether the slope of values that come in coarse steps is that within one, nothing;
            else it is not known.
    """
    import torch

    narrow = eps > 1e-10
    first, last = (_FIRST_FLOAT32, _LAST_FLOAT32) if narrow else (_FIRST, _LAST)
    if ease > 1 and not narrow:  # begin with smaller steps, whose rounding is small enough here
        first = tuple(k + 2 for k in first)
    ladder = _Ladder(function, x, y, u)
    active = torch.ones(len(u), dtype=torch.bool, device=u.device)
    ladder.take(first, active)
    best = _Best(ladder, eps, ease, floor)
    best.take_in(first[-1:])
    in_vain = torch.zeros(len(u), dtype=torch.int64, device=u.device)
    for k in range(first[-1] + 1, last + 1, together):
        active = (in_vain < 3) & ~best.known.all(1)
        if not bool(active.any()):
            break
        steps = tuple(range(k, min(k + together, last + 1)))
        ladder.take(steps, active)
        helped = best.take_in(steps)
        in_vain = torch.where(helped | ~best.limited(steps[-1]), 0, in_vain + len(steps))
    rough = ~(best.parts[1] <= 1e-5 * best.parts[0].abs() + 1e-9 * y.abs()).all(1)
    if bool(rough.any()):  # noise limits: larger steps
        for k in range(first[0] - 1, -1, -1):
            ladder.take((k,), rough)
            best.take_in((k + 2,))
    value, error, kink, kink_error = best.parts
    noise = ladder.last_noise()
    error = torch.maximum(error, 0.5 * ladder.most_noise() * 4.0**best.step)
    error = torch.where(ladder.rough(noise, eps), torch.inf, error)
    if not stairs:
        error = torch.where(ladder.is_staircase(best.step, first[0]), torch.inf, error)
    return Derivative(value=value, error=error, kink=kink, kink_error=kink_error)
