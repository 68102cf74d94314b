"""Finds the entries whose gradient is wrong, and puts both values beside each other."""

from __future__ import annotations

from dataclasses import dataclass

from lab.autograd.inputs import Tensor
from lab.autograd.point import Point, Residual

_SAMPLES = 40
_MOST = 12
_TRIES = 160


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
    return entries(point, [i], v, gradient)[0]


def entries(
    point: Point, numbers: list[int], v: Tensor, gradient: Tensor | None = None
) -> list[Entry]:
    """Both derivatives by some numbers, outputs weighted by `v`, shape (m,)."""
    import torch

    units = [point.unit(i) for i in numbers]
    steps = [float(u[i]) for u, i in zip(units, numbers, strict=True)]
    u = torch.stack(units)
    slopes = point.along(u)
    gradient = point.pull(v) if gradient is None else gradient
    seen = point.residuals(u, v[None], slopes, gradient[None])
    halves = ((slopes.kink @ v) / 2).tolist()
    errors = (v * slopes.error)[:, v != 0].norm(dim=1).tolist()
    found = []
    for i, step, one, half, error in zip(numbers, steps, seen, halves, errors, strict=True):
        numerical = one.numerical / step
        found.append(
            Entry(
                i=i, analytical=float(gradient[i]), numerical=numerical, uncertainty=error / step,
                wrong=one.fails, smooth=one.smooth, left=numerical - half / step,
                right=numerical + half / step,
            )
        )  # fmt: skip
    return found


def sample(point: Point, v: Tensor, begin: int, end: int, extra: list[int]) -> list[Entry]:
    """Both derivatives by some numbers of one tensor, evenly spread, and by `extra`."""
    import torch

    count = min(_SAMPLES, end - begin)
    spread = torch.randperm(end - begin, generator=point.random)[:count] + begin
    chosen = sorted({int(i) for i in spread} | {i for i in extra if begin <= i < end})
    return entries(point, chosen, v)


def search(point: Point, residual: Residual) -> list[int]:
    """The entries behind a failing comparison, by halving; a few where there are many."""
    import torch

    v, u = residual.v, residual.u
    gradient = point.pull(v)
    found: list[int] = []
    parts = [(u.nonzero().flatten(), residual.excess)]
    tries = 0
    while parts and len(found) < _MOST and tries < _TRIES:
        parts.sort(key=lambda part: part[1])
        indices, _ = parts.pop()
        if len(indices) == 1:
            found.append(int(indices[0]))
            continue
        halves = indices.chunk(2)
        masked = torch.zeros(len(halves), len(u), dtype=u.dtype, device=u.device)
        for row, half in zip(masked, halves, strict=True):
            row[half] = u[half]
        seen = point.residuals(masked, v[None], point.along(masked), gradient[None])
        tries += len(halves)
        parts += [(h, r.excess) for h, r in zip(halves, seen, strict=True) if r.fails]
    return found


def row_of(point: Point, i: int, v: Tensor) -> int:
    """The output whose derivative by number `i` is most wrong, by halving: backwards alone."""
    import torch

    slope = point.along(point.unit(i)[None])
    step = float(point.unit(i)[i])
    rows = (v != 0).nonzero().flatten()
    while len(rows) > 1:
        worst = (-1.0, rows)
        for half in rows.chunk(2):
            masked = torch.zeros_like(v)
            masked[half] = point.noise(len(half))
            error = abs(float(point.pull(masked)[i]) * step - float(slope.value[0] @ masked))
            worst = max(worst, (error, half), key=lambda pair: pair[0])
        rows = worst[1]
    return int(rows[0])
