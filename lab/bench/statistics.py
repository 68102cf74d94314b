"""From samples to a figure with an interval, and whether the figure can be believed. Pure Python:
the runner has no numpy.

Samples of one process are not independent: an interval between them covers the truth far too
seldom. So the samples of a round give one estimate, the rounds of a process give one, and the
interval is taken between processes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist, fmean, median, stdev

CONFIDENCE = 0.95
_TREND_P = 0.01
_GROUP_SHARE = 0.25
_GROUP_GAP = 0.05
_TERMS = 200  # of the continued fraction: twelve digits up to a million degrees of freedom


def quantile(values: Sequence[float], share: float) -> float:
    """The quantile of values, linear between the two nearest (type 7 of Hyndman and Fan, numpy's
    default).

    Args:
        values: at least one, in any order.
        share: from 0 to 1.
    """
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


@lru_cache(maxsize=256)
def t_quantile(share: float, freedom: float) -> float:
    """The quantile of Student's t distribution, by bisection of its distribution function.

    Args:
        share: between 0 and 1, not at the ends.
        freedom: degrees of freedom, above 0; need not be whole.
    """
    if share < 0.5:
        return -t_quantile(1 - share, freedom)
    low, high = 0.0, 1.0
    while _t_distribution(high, freedom) < share:
        low, high = high, high * 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_distribution(middle, freedom) < share else (low, middle)
    return (low + high) / 2


def _t_distribution(t: float, freedom: float) -> float:
    """P(T <= t) for t >= 0: DLMF 8.17, Student's t through the incomplete beta function."""
    return 1 - _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Regularized incomplete beta function I_x(a, b), by its continued fraction (DLMF 8.17.22)."""
    if x <= 0 or x >= 1:
        return min(max(x, 0.0), 1.0)
    if x > (a + 1) / (a + b + 2):  # where the fraction converges quickly: DLMF 8.17.4
        return 1 - _incomplete_beta(b, a, 1 - x)
    log_front = (
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
        + a * math.log(x) + b * math.log1p(-x)
    )  # fmt: skip
    return math.exp(log_front) / a * _fraction(a, b, x)


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of DLMF 8.17.22, from its far end on."""
    value = 1.0
    for n in range(_TERMS, 0, -1):
        m = n // 2
        if n % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        value = 1 + term / value
    return 1 / value


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate and its 95 % interval, in the unit of what went in."""

    center: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """The larger side, as a share of the estimate."""
        return max(self.high / self.center, self.center / self.low) - 1


def process_interval(estimates: Sequence[float]) -> Interval:
    """Geometric mean of the processes' estimates; the interval is Student's, on their logarithms.

    Args:
        estimates: one for each process, above 0, at least two.
    """
    logs = [math.log(value) for value in estimates]
    half = t_quantile((1 + CONFIDENCE) / 2, len(logs) - 1) * stdev(logs) / math.sqrt(len(logs))
    return _around(fmean(logs), half)


def round_interval(estimates: Sequence[float]) -> Interval:
    """Median of the rounds' estimates in one process, with an interval for a median.

    Args:
        estimates: one for each round, above 0, at least two.

    Source: the standard error of a median is sqrt(pi / 2) times a mean's for normal errors (Kendall
    and Stuart, The Advanced Theory of Statistics, volume 1, section 10.11)."""
    logs = [math.log(value) for value in estimates]
    error = math.sqrt(math.pi / 2) * stdev(logs) / math.sqrt(len(logs))
    return _around(median(logs), t_quantile((1 + CONFIDENCE) / 2, len(logs) - 1) * error)


# Beyond it a float ends; a spread that large, of a damaged record, says nothing anyway.
_MOST = 700.0


def _around(center: float, half: float) -> Interval:
    return Interval(
        center=math.exp(center), low=math.exp(center - half),
        high=math.exp(min(center + half, _MOST)),
    )  # fmt: skip


def ratio_interval(new: Sequence[float], old: Sequence[float]) -> Interval:
    """Time now over time before, from independent estimates of both: Welch's interval on
    logarithms.

    A bootstrap of three to ten processes has intervals that are far too narrow; Welch's has its
    confidence at any number.

    Args:
        new, old: one estimate for each process (or for each round of the one process), at least
            two.

    Source: Welch, The generalization of Student's problem, Biometrika 34 (1947).
    """
    logs = [[math.log(value) for value in side] for side in (new, old)]
    center = fmean(logs[0]) - fmean(logs[1])
    return welch_interval(
        math.exp(center), [(stdev(side) / math.sqrt(len(side)), len(side)) for side in logs]
    )


def welch_interval(ratio: float, errors: Sequence[tuple[float, int]]) -> Interval:
    """The interval of a ratio, from how well its two sides are known.

    Args:
        ratio: the estimate.
        errors: for each side the standard error of its logarithm, and from how many estimates that
            is, at least two.

    Source: as `ratio_interval`.
    """
    shares = [error**2 for error, _ in errors]
    total = sum(shares)
    if total == 0:
        return _around(math.log(ratio), 0.0)
    freedom = total**2 / sum(
        share**2 / (count - 1) for share, (_, count) in zip(shares, errors, strict=True)
    )
    return _around(math.log(ratio), t_quantile((1 + CONFIDENCE) / 2, freedom) * math.sqrt(total))


def paired_ratio_interval(new: Sequence[float], old: Sequence[float]) -> Interval:
    """Time of one over time of the other, from estimates that were taken side by side, in pairs.

    A disturbance that met one of a pair alone is left out: the mean of the logarithms without the
    lowest and the highest fifth, and Student's interval for it from the winsorized deviation.

    Args:
        new, old: as many of each, above 0, at least two.

    Source: Tukey and McLaughlin, Less vulnerable confidence and significance procedures for
    location, Sankhya A 25 (1963)."""
    logs = sorted(math.log(a) - math.log(b) for a, b in zip(new, old, strict=True))
    n, cut = len(logs), len(logs) // 5
    kept = logs[cut : n - cut]
    winsorized = [kept[0]] * cut + kept + [kept[-1]] * cut
    error = stdev(winsorized) / ((len(kept) / n) * math.sqrt(n))
    return _around(fmean(kept), t_quantile((1 + CONFIDENCE) / 2, len(kept) - 1) * error)


def robust_deviation(values: Sequence[float]) -> float:
    """The median absolute deviation from the median, scaled to a standard deviation.

    Source: Rousseeuw and Croux, Alternatives to the median absolute deviation, JASA 88 (1993), for
    the factor 1.4826."""
    middle = median(values)
    return 1.4826 * median(abs(value - middle) for value in values)


def trend(estimates: Sequence[float]) -> float:
    """How far the rounds of one process drifted from first to last, as a share; 0 where that may be
    chance.

    Source: Mann, Nonparametric tests against trend, Econometrica 13 (1945), with the normal
    approximation, p < 0.01; the size is Sen's slope (Journal of the American Statistical
    Association 63, 1968)."""
    n = len(estimates)
    if n < 5:  # fewer cannot reach the significance asked for
        return 0.0
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    score = sum((estimates[j] > estimates[i]) - (estimates[j] < estimates[i]) for i, j in pairs)
    sd = math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    z = max(abs(score) - 1, 0) / sd
    if 2 * (1 - NormalDist().cdf(z)) >= _TREND_P:
        return 0.0
    slope = median(math.log(estimates[j] / estimates[i]) / (j - i) for i, j in pairs)
    return math.expm1(slope * (n - 1))


def two_groups(values: Sequence[float]) -> tuple[float, float] | None:
    """The medians of two groups that values fall into, or None where they are one group.

    Two groups are told by a gap of more than 5 % that holds less than one value in fifty, with at
    least a quarter of the values on either side: then a median says which group is larger by a
    little, not how long a call takes."""
    ordered = sorted(values)
    least = math.ceil(len(ordered) * _GROUP_SHARE)
    if len(ordered) < 20:
        return None
    spare = len(ordered) // 50
    best: tuple[float, int] | None = None
    for i in range(least, len(ordered) - least - spare + 1):
        gap = ordered[i + spare] / ordered[i - 1] - 1 if i + spare < len(ordered) else 0.0
        if gap > _GROUP_GAP and (best is None or gap > best[0]):
            best = (gap, i)
    if best is None:
        return None
    below, above = ordered[: best[1]], ordered[best[1] + spare :]
    spread = max(quantile(side, 0.75) / quantile(side, 0.25) - 1 for side in (below, above))
    if best[0] < 2 * spread:  # a wide spread has gaps by chance
        return None
    return median(below), median(above)
