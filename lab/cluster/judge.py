"""Finds the nodes that are slow: by a robust score for each case, with a floor in percent."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from lab.cluster.figures import Figures, Key

# Fewer nodes do not show which of them is the odd one.
LEAST_NODES = 3
# Robust standard deviations above the median. Source: Iglewicz and Hoaglin, How to Detect and
# Handle Outliers, ASQC Basic References in Quality Control 16 (1993), who propose 3.5.
LIMIT = 3.5
# The median absolute deviation of few values is too small. Source: Croux and Rousseeuw, Time-
# efficient algorithms for two highly robust estimators of scale, Computational Statistics 1 (1992).
_FEW = {2: 1.196, 3: 1.495, 4: 1.363, 5: 1.206, 6: 1.200, 7: 1.140, 8: 1.129, 9: 1.107}
_NORMAL = 1.4826
# Of so few nodes a slow one widens the deviation that it is judged by, so it is judged by the
# others'; of more nodes none does.
MANY = 16


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A node's case beside the others'."""

    ratio: float
    score: float
    slow: bool


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What is usual for a case: the median of the nodes' times, the deviation of their
    logarithms."""

    nodes: int
    median_s: float
    deviation: float

    def standing(self, time_s: float, floor: float) -> Standing:
        """Where a time stands.

        Args:
            time_s: of one node.
            floor: a node that is slower by less than this share is not slow. Nodes that agree to a
                thousandth would else make a straggler of one that is slower by half a percent.
        """
        above = math.log(time_s / self.median_s)
        score = above / max(self.deviation, math.log1p(floor) / LIMIT)
        return Standing(ratio=time_s / self.median_s, score=score, slow=score > LIMIT)


def scale_of(times_s: Sequence[float]) -> Scale:
    """What is usual among these times, in seconds above 0, at least two."""
    logs = [math.log(time) for time in times_s]
    middle = median(logs)
    few = _FEW.get(len(logs), len(logs) / (len(logs) - 0.8))
    deviation = few * _NORMAL * median(abs(value - middle) for value in logs)
    return Scale(nodes=len(logs), median_s=math.exp(middle), deviation=deviation)


def times_of(nodes: Mapping[str, Figures]) -> dict[Key, dict[str, float]]:
    """The times of nodes, in seconds, by case and node."""
    times: dict[Key, dict[str, float]] = {}
    for node, figures in nodes.items():
        for key, figure in figures.cases.items():
            if figure.time_s is not None:
                times.setdefault(key, {})[node] = figure.time_s
    return times


class Usual:
    """What is usual among the nodes of a run, case by case, where enough of them have figures."""

    def __init__(self, times: Mapping[Key, Mapping[str, float]]) -> None:
        """Take up their times, or what else is compared.

        Args:
            times: above 0, by case and node; only how they differ from each other counts.
        """
        self._times = {key: found for key, found in times.items() if len(found) >= LEAST_NODES}
        self._scales = {
            key: scale_of(list(found.values()))
            for key, found in self._times.items()
            if len(found) > MANY
        }

    def beside(self, node: str, key: Key) -> Scale | None:
        """What a node's case is compared with: the others; None where they are too few."""
        times = self._times.get(key)
        if times is None or key in self._scales:
            return self._scales.get(key)
        return scale_of([time for name, time in times.items() if name != node])


def standings(
    node: str, first: Figures, recheck: Figures | None, usual: Usual, floor: float
) -> dict[Key, Standing]:
    """Where a node stands in each of its cases; of two runs the faster one counts.

    Args:
        node: its name.
        first: its figures.
        recheck: those of its second run.
        usual: what they are compared with.
        floor: as in `Scale.standing`.
    """
    found = {}
    for key, figure in first.cases.items():
        again = recheck.cases.get(key) if recheck is not None else None
        times = [each.time_s for each in (figure, again) if each and each.time_s is not None]
        scale = usual.beside(node, key)
        if times and scale is not None:
            found[key] = scale.standing(min(times), floor)
    return found
