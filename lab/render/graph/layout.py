"""Places the nodes of a graph in layers, so that edges go one way and cross little.

The method of Sugiyama, Tagawa and Toda (Methods for visual understanding of hierarchical system
structures, IEEE Trans. SMC 11(2), 1981): layers by the longest path, an edge over several layers
bent in each, the order in a layer by the mean place of the neighbours, sweep after sweep.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

_SWEEPS = 24


@dataclass(kw_only=True)
class Place:
    """Where a node is, or the bend of an edge.

    Args:
        layer: from 0.
        size: room that it takes within its layer.
        at: its middle there.
    """

    layer: int
    size: float
    at: float = 0.0
    before: list[int] = field(default_factory=list)
    after: list[int] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A graph that has been placed.

    Args:
        places: of nodes, by id, and of bends, by negative numbers.
        paths: for each edge, the places that it passes, in its direction.
        layers: how many.
        breadth: room of the broadest layer.
    """

    places: dict[int, Place]
    paths: list[list[int]]
    layers: int
    breadth: float


def place(
    sizes: dict[int, float], edges: Sequence[tuple[int, int]], *, gap: float, bend: float
) -> Layout:
    """Place a graph without cycles.

    Args:
        sizes: of each node, the room that it takes in its layer; in an order in which each comes
            after those that lead to it.
        edges: pairs of nodes; two of one pair take one path.
        gap: between neighbours.
        bend: room of an edge that passes a layer.
    """
    layers = _layers(sizes, edges)
    places = {i: Place(layer=layers[i], size=size) for i, size in sizes.items()}
    paths = [_path(places, source, target, bend) for source, target in edges]
    rows: list[list[int]] = [[] for _ in range(max(layers.values(), default=0) + 1)]
    for number, one in places.items():
        rows[one.layer].append(number)
    rows = _ordered(places, rows)
    _spread(places, rows, gap)
    low = min((p.at - p.size / 2 for p in places.values()), default=0.0)
    for one in places.values():
        one.at -= low
    breadth = max((p.at + p.size / 2 for p in places.values()), default=0.0)
    return Layout(places=places, paths=paths, layers=len(rows), breadth=breadth)


def _layers(sizes: Iterable[int], edges: Sequence[tuple[int, int]]) -> dict[int, int]:
    """The longest path from any leaf; a leaf comes right before its first use."""
    before: dict[int, list[int]] = {}
    after: dict[int, list[int]] = {}
    for source, target in edges:
        before.setdefault(target, []).append(source)
        after.setdefault(source, []).append(target)
    layers: dict[int, int] = {}
    for number in sizes:
        layers[number] = max((layers[s] + 1 for s in before.get(number, [])), default=0)
    for number in layers:
        if not before.get(number) and after.get(number):
            layers[number] = min(layers[t] for t in after[number]) - 1
    return layers


def _path(places: dict[int, Place], source: int, target: int, bend: float) -> list[int]:
    """The places that an edge passes; a bend in each layer between."""
    path = [source]
    for layer in range(places[source].layer + 1, places[target].layer):
        number = min(0, *places) - 1
        places[number] = Place(layer=layer, size=bend)
        path.append(number)
    path.append(target)
    for one, other in pairwise(path):
        places[one].after.append(other)
        places[other].before.append(one)
    return path


def _ordered(places: dict[int, Place], rows: list[list[int]]) -> list[list[int]]:
    """Rows in an order with few crossings: the best of some sweeps there and back."""
    best, fewest = rows, _crossings(places, rows)
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        rows = [list(row) for row in rows]
        walk = range(1, len(rows)) if forward else range(len(rows) - 2, -1, -1)
        for number in walk:
            fixed = rows[number - 1 if forward else number + 1]
            rank = {one: i for i, one in enumerate(fixed)}
            own = {one: i for i, one in enumerate(rows[number])}

            def mean(one: int, rank: dict[int, int] = rank, own: dict[int, int] = own) -> float:
                beside = places[one].before + places[one].after
                seen = [rank[other] for other in beside if other in rank]
                return sum(seen) / len(seen) if seen else float(own[one])

            rows[number].sort(key=mean)
        crossings = _crossings(places, rows)
        if crossings < fewest:
            best, fewest = rows, crossings
        if not fewest:
            break
    return best


def _crossings(places: dict[int, Place], rows: list[list[int]]) -> int:
    """How often edges between neighbouring layers cross."""
    count = 0
    for upper, lower in pairwise(rows):
        rank = {one: i for i, one in enumerate(lower)}
        ends = [sorted(rank[t] for t in places[s].after if t in rank) for s in upper]
        seen: list[int] = []
        for targets in ends:
            for target in targets:
                count += sum(other > target for other in seen)
            seen += targets
    return count


def _spread(places: dict[int, Place], rows: list[list[int]], gap: float) -> None:
    """Coordinates within the layers: near the neighbours' mean, in order, without overlap."""
    for row in rows:
        _push(places, row, [0.0] * len(row), gap)
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wished = []
            for one in row:
                beside = places[one].before if sweep % 2 == 0 else places[one].after
                beside = beside or places[one].before + places[one].after
                at = [places[other].at for other in beside]
                wished.append(sum(at) / len(at) if at else places[one].at)
            _push(places, row, wished, gap)


def _push(places: dict[int, Place], row: list[int], wished: list[float], gap: float) -> None:
    """Place a row at its wishes, pushed apart as far as its members need; least squares.

    Members that touch move as a block to their mean wish (pool adjacent violators; Robertson,
    Wright and Dykstra, Order Restricted Statistical Inference, 1988, section 1.2).
    """
    offset, offsets = 0.0, []
    for i, one in enumerate(row):
        if i:
            offset += (places[row[i - 1]].size + places[one].size) / 2 + gap
        offsets.append(offset)
    blocks: list[tuple[float, int]] = []  # mean of wish less offset, members
    for wish, off in zip(wished, offsets, strict=True):
        mean, count = wish - off, 1
        while blocks and blocks[-1][0] > mean:
            other, members = blocks.pop()
            mean = (mean * count + other * members) / (count + members)
            count += members
        blocks.append((mean, count))
    means = [mean for mean, count in blocks for _ in range(count)]
    for one, mean, off in zip(row, means, offsets, strict=True):
        places[one].at = mean + off
