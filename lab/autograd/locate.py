"""Finds the entries whose gradient is wrong, and puts both values beside each other."""

from __future__ import annotations

from dataclasses import dataclass

from lab.autograd.compare import Point, Residual
from lab.autograd.inputs import Tensor

_SAMPLES = 40
_MOST = 12


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One number of the inputs, outputs weighted by `v`.

    Args:
        i: which.
        analytical, numerical: derivative by it, in its own units.
        uncertainty: of `numerical`.
        wrong: whether they differ by more than explains.
        smooth: whether there is a slope there.
        left, right: one-sided slopes.
    """

    i: int
    analytical: float
    numerical: float
    uncertainty: float
    wrong: bool
    smooth: bool
    left: float
    right: float


def entry(point: Point, i: int, v: Tensor, gradient: Tensor | None = None) -> Entry:
    """Both derivatives by one number, outputs weighted by `v`, shape (m,)."""
    u = point.unit(i)
    step = float(u[i])
    slope = point.along(u)
    gradient = point.pull(v) if gradient is None else gradient
    seen = point.residual(u, v, slope, gradient)
    half = float((v * slope.kink).sum()) / 2 / step
    numerical = seen.numerical / step
    return Entry(
        i=i, analytical=float(gradient[i]), numerical=numerical,
        uncertainty=float((v * slope.error)[v != 0].norm()) / step, wrong=seen.fails,
        smooth=seen.smooth, left=numerical - half, right=numerical + half,
    )  # fmt: skip


def sample(point: Point, v: Tensor, begin: int, end: int, extra: list[int]) -> list[Entry]:
    """Both derivatives by some numbers of one tensor, evenly spread, and by `extra`."""
    import torch

    count = min(_SAMPLES, end - begin)
    spread = torch.randperm(end - begin, generator=point.random)[:count] + begin
    chosen = sorted({int(i) for i in spread} | {i for i in extra if begin <= i < end})
    gradient = point.pull(v)
    return [entry(point, i, v, gradient) for i in chosen]


def search(point: Point, residual: Residual) -> list[int]:
    """The entries behind a failing comparison, by halving; a few where there are many."""
    import torch

    v, u = residual.v, residual.u
    gradient = point.pull(v)
    found: list[int] = []
    parts = [(u.nonzero().flatten(), residual.excess)]
    tries = 0
    while parts and len(found) < _MOST and tries < 160:
        parts.sort(key=lambda part: part[1])
        indices, _ = parts.pop()
        if len(indices) == 1:
            found.append(int(indices[0]))
            continue
        for half in indices.chunk(2):
            masked = torch.zeros_like(u)
            masked[half] = u[half]
            seen = point.residual(masked, v, point.along(masked), gradient)
            tries += 1
            if seen.fails:
                parts.append((half, seen.excess))
    return found


def row_of(point: Point, i: int, v: Tensor) -> int:
    """The output whose derivative by number `i` is most wrong, by halving: backwards alone."""
    import torch

    slope = point.along(point.unit(i))
    step = float(point.unit(i)[i])
    rows = (v != 0).nonzero().flatten()
    while len(rows) > 1:
        worst = (-1.0, rows)
        for half in rows.chunk(2):
            masked = torch.zeros_like(v)
            masked[half] = point.noise(len(half))
            error = abs(float(point.pull(masked)[i]) * step - float((masked * slope.value).sum()))
            worst = max(worst, (error, half), key=lambda pair: pair[0])
        rows = worst[1]
    return int(rows[0])
