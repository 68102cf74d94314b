"""Judges the nodes of a run of `bench`: each beside the others, case by case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import expm1
from statistics import median

from lab.cluster.causes import likely_cause
from lab.cluster.figures import Figure, Figures, Key
from lab.cluster.gather import Gathered, Judged
from lab.cluster.judge import LEAST_NODES, Standing, Usual, scale_of, standings, times_of
from lab.cluster.odd import facts_of, odd_ones_out, setups
from lab.records.cluster import Cause, Node, NodeCase, Spread, State, Verdict

_MOST_CASES = 4


@dataclass(frozen=True, kw_only=True)
class _Ground:
    """What a node is compared with."""

    gathered: Mapping[str, Gathered]
    figures: Mapping[str, Figures]
    standing: Mapping[str, Mapping[Key, Standing]]
    measured: frozenset[Key]
    """The cases that at least one node has a figure of."""


def judge_speed(nodes: Sequence[Node], gathered: Mapping[str, Gathered], floor: float) -> Judged:
    """Say of each node whether it is slow.

    Args:
        nodes: not judged yet.
        gathered: what they left, by name.
        floor: a node that is slower by less than this share is not slow.
    """
    figures: dict[str, Figures] = {
        node: own.content.data for node, own in gathered.items() if own.content is not None
    }
    usual = Usual(times_of(figures))
    standing = {
        node: standings(node, own, _recheck(gathered[node]), usual, floor)
        for node, own in figures.items()
    }
    measured = frozenset(
        key for own in figures.values() for key, f in own.cases.items() if f.time_s is not None
    )
    ground = _Ground(gathered=gathered, figures=figures, standing=standing, measured=measured)
    facts = {node: facts_of(own) for node, own in figures.items()}
    return Judged(
        nodes=[_node(node, ground) for node in nodes], cases=_spreads(figures),
        odd_ones_out=odd_ones_out(facts), setups=setups(facts),
    )  # fmt: skip


def _recheck(own: Gathered) -> Figures | None:
    if own.recheck is None:
        return None
    figures: Figures = own.recheck.data
    return figures


def _node(node: Node, ground: _Ground) -> Node:
    from msgspec.structs import replace

    state, lacking = _complete(node, ground)
    verdict, cause, words = _verdict(node.name, ground)
    return replace(
        node, state=state, verdict=verdict, cause=cause,
        reasons=[*node.reasons, *lacking, *words], cases=_cases(node.name, ground),
    )  # fmt: skip


def _complete(node: Node, ground: _Ground) -> tuple[State, list[str]]:
    """A node's state, beside what the others measured: what one alone lacks makes it partial."""
    own = ground.figures.get(node.name)
    if node.state != "ok" or own is None:
        return node.state, []
    lacking = [why for key, whys in own.lacking.items() if key in ground.measured for why in whys]
    return ("partial" if lacking else "ok"), _few(lacking)


def _verdict(name: str, ground: _Ground) -> tuple[Verdict, Cause | None, list[str]]:
    own, figures = ground.gathered[name], ground.figures.get(name)
    if figures is None:
        return "unknown", None, []
    standing = ground.standing[name]
    if not standing:
        few = f"fewer than {LEAST_NODES} nodes have figures to compare"
        return "unknown", None, [few]
    slow = [key for key, where in standing.items() if where.slow]
    if not slow:
        return "ok", None, []
    seen = _slownesses(figures, slow, standing)
    if own.recheck is None and not own.rechecked:
        return "suspect", None, [*seen, "it was not run again yet"]
    if own.rechecked:
        seen.append(f"its second run has no figures: {own.rechecked}")
    others = [
        theirs for node, theirs in ground.figures.items()
        if not any(where.slow for where in ground.standing[node].values())
    ]  # fmt: skip
    cause, words = likely_cause(figures, others, slow)
    return "straggler", cause, [*seen, words]


def _slownesses(
    figures: Figures, slow: list[Key], standing: Mapping[Key, Standing]
) -> list[str]:  # fmt: skip
    """The slow cases of a node in words, the slowest first."""
    worst = sorted(slow, key=lambda key: -standing[key].ratio)
    return _few([_slowness(figures, key, standing[key]) for key in worst])


def _few(words: list[str]) -> list[str]:
    """The first lines of what is said case by case; all of it is in the node's cases."""
    more = len(words) - _MOST_CASES
    return [*words[:_MOST_CASES], *([f"and {more} more cases"] if more > 0 else [])]


def _slowness(figures: Figures, key: Key, where: Standing) -> str:
    case = figures.cases[key].case
    params = " ".join(str(value) for value in case.params.values())
    on = f"on {case.device} " if ":" in case.device else ""
    return (
        f"{case.name} {params} {on}takes {where.ratio:.2f} times as long as on the others".replace(
            "  ", " "
        )
    )


def _cases(name: str, ground: _Ground) -> list[NodeCase]:
    figures, recheck = ground.figures.get(name), _recheck(ground.gathered[name])
    if figures is None:
        return []
    cases = []
    for key, figure in figures.cases.items():
        again = recheck.cases.get(key) if recheck is not None else None
        where = ground.standing[name].get(key)
        counts = _counting(figure, again)
        cases.append(
            NodeCase(
                name=figure.case.name, params=figure.case.params, device=figure.case.device,
                time_s=figure.time_s, recheck_time_s=again.time_s if again else None,
                error_percent=None if counts.error is None else 100 * counts.error,
                estimates=counts.estimates,
                median_s=figure.case.median_s, case_verdict=figure.case.verdict,
                clean_percent=None if figure.clean_share is None else 100 * figure.clean_share,
                ratio=where.ratio if where else None, score=where.score if where else None,
                slow=where.slow if where else False,
            )
        )  # fmt: skip
    return cases


def _counting(first: Figure, again: Figure | None) -> Figure:
    """Of two runs of a case the one that counts: the faster."""
    if again is None or again.time_s is None:
        return first
    return again if first.time_s is None or again.time_s < first.time_s else first


def _spreads(figures: Mapping[str, Figures]) -> list[Spread]:
    """What is usual for each case, in the order in which the nodes measured them."""
    found: dict[Key, list[Figure]] = {}
    for own in figures.values():
        for key, figure in own.cases.items():
            if figure.time_s is not None:
                found.setdefault(key, []).append(figure)
    return [_spread(cases, key[2]) for key, cases in found.items()]


def _spread(cases: list[Figure], device: str) -> Spread:
    times = [figure.time_s for figure in cases if figure.time_s is not None]
    deviation = None
    if len(times) >= LEAST_NODES:
        deviation = 100 * expm1(min(scale_of(times).deviation, 700))  # beyond that a float ends
    first = cases[0].case
    return Spread(
        name=first.name, params=first.params, device=device, nodes=len(times),
        median_s=median(times), deviation_percent=deviation,
    )  # fmt: skip
