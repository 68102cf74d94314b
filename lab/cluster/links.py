"""Finds the node or the link that is slow among pairs of nodes that were measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from lab.cluster.judge import LEAST_NODES, MANY, Scale, Standing, scale_of

Link = tuple[str, str]
Name = TypeVar("Name", str, Link)
# What shares the network moves a link's speed by more than a node's: less than this is no finding.
LEAST_FLOOR = 0.2


@dataclass(frozen=True, kw_only=True)
class Links:
    """What stands out.

    Args:
        nodes: slow with every partner.
        links: slow, though neither of their nodes is.
        standing: of every pair that could be compared, beside pairs of nodes that are not slow.
    """

    nodes: Mapping[str, Standing]
    links: Mapping[Link, Standing]
    standing: Mapping[Link, Standing]


def judge_links(times_s: Mapping[Link, float], floor: float) -> Links:
    """Judge pairs by the time of an exchange, as nodes are judged by that of a case.

    A node counts by its fastest partner: one that is slow itself is slow with all of them, while a
    slow link spoils the figure of neither end. Links are then compared without the slow nodes.

    Args:
        times_s: of each pair, above 0.
        floor: as in `Scale.standing`.
    """
    best: dict[str, float] = {}
    for link, time in times_s.items():
        for node in link:
            best[node] = min(time, best.get(node, time))
    # Two nodes have one pair, and of one pair nobody can say which end it is.
    nodes = {node: where for node, where in _standings(best, floor).items() if where.slow}
    sound = {link: t for link, t in times_s.items() if not set(link) & nodes.keys()}
    standing = _standings(sound, floor)
    usual = scale_of(list(sound.values())) if len(sound) > 1 else None
    if usual is not None:
        standing |= {
            link: usual.standing(time, floor) for link, time in times_s.items() if link not in sound
        }
    links = {link: where for link, where in standing.items() if where.slow and link in sound}
    return Links(nodes=nodes, links=links, standing=standing)


def _standings(times_s: Mapping[Name, float], floor: float) -> dict[Name, Standing]:
    """Where each stands beside the others, of many beside all; none where they are too few."""
    if len(times_s) < LEAST_NODES:
        return {}
    usual = scale_of(list(times_s.values())) if len(times_s) > MANY else None
    return {
        name: (usual or _without(times_s, name)).standing(time, floor)
        for name, time in times_s.items()
    }


def _without(times_s: Mapping[Name, float], name: Name) -> Scale:
    return scale_of([time for other, time in times_s.items() if other != name])
