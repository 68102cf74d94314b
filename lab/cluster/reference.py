"""Sets a run beside an earlier one of the same nodes: which became slower, and what else is not the
same."""

import json
import math
from collections.abc import Iterable, Mapping
from statistics import NormalDist, median

import msgspec
from msgspec.structs import replace

from lab.bench.compare import UNKNOWN_FLOOR, decide
from lab.bench.statistics import welch_interval
from lab.cluster.figures import Key
from lab.cluster.judge import LEAST_NODES, LIMIT, Usual, scale_of
from lab.errors import LabError
from lab.paths import results, typed_path
from lab.records.cluster import (
    CaseChange,
    ClusterReport,
    Difference,
    Node,
    NodeCase,
    Reference,
    ReferenceCase,
)  # fmt: skip
from lab.records.unreadable import UNREADABLE

# Of so many nodes and cases a few change by more than the limit by chance: the limit is such that
# of all of them together one does in a hundred runs.
_CHANCE = 0.01
# What is beyond was never a time; a file that was changed may hold it.
_LEAST_S, _MOST_S = 1e-15, 1e9
_MOST_LOG = 700.0  # beyond that a float ends
_Side = Mapping[Key, Mapping[str, NodeCase]]


def read_reference(named: str) -> ClusterReport:
    """Read an earlier run: by its name, its folder, or its cluster.json.

    Raises:
        LabError: there is none, or it cannot be read.
    """
    kept = results() / named
    path = kept if "/" not in named and kept.is_dir() else typed_path(named)
    path = path / "cluster.json" if path.is_dir() else path
    try:
        report = msgspec.json.decode(path.read_bytes(), type=ClusterReport)
    except OSError as error:
        unfinished = (path.parent / "run.json").exists()
        raise LabError(
            f"The reference {named!r} cannot be read.",
            why=f"{path}: {error.strerror}",
            next_step=f"first: ./inv bench --collect {named}"
            if unfinished
            else "name a run of `inv bench --nodes`, or its cluster.json",
        ) from error
    except UNREADABLE as error:
        raise LabError(
            f"{path} is not a run of `inv bench --nodes`.",
            why=str(error),
            next_step="name a run, or the cluster.json (lab/cluster/1) in its folder",
        ) from error
    if not any(_counted(case) for node in report.nodes for case in node.cases):
        raise LabError(
            f"The reference {named!r} has no figures.",
            why="none of its nodes has a case with a time",
            next_step="name another run",
        )
    return report


def compare_with(report: ClusterReport, reference: ClusterReport) -> ClusterReport:
    """Set a run beside an earlier one; returns it with `reference`, and each case with its
    `change`.

    A change is one when it is above the threshold, and the rounds of both runs leave no room for
    none. The threshold is the floor, or what the changes of the other nodes vary by, whichever is
    more: so much does a node's time vary from one run to the next. It is not how nodes differ from
    each other.
    """
    now, before = _by_key(report), _by_key(reference)
    ratios = _ratios(now, before)
    changes = _Changes(ratios, report.floor_percent / 100)
    nodes = [
        replace(node, cases=[_changed(node, case, before, changes) for case in node.cases])
        for node in report.nodes
    ]
    return replace(report, nodes=nodes, reference=_summary(report, reference, nodes, ratios))


def _counted(case: NodeCase) -> bool:
    time = case.counted_s
    return time is not None and _LEAST_S < time < _MOST_S


def _key(case: NodeCase | ReferenceCase) -> Key:
    return case.name, json.dumps(case.params, sort_keys=True), case.device.partition(":")[0]


def _by_key(report: ClusterReport) -> _Side:
    found: dict[Key, dict[str, NodeCase]] = {}
    for node in report.nodes:
        for case in node.cases:
            if _counted(case):
                found.setdefault(_key(case), {})[node.name] = case
    return found


def _ratios(now: _Side, before: _Side) -> dict[Key, dict[str, float]]:
    """Time now over time before, for each case and each node that has both."""
    return {
        key: {
            node: (case.counted_s or 0) / (before[key][node].counted_s or 1)
            for node, case in cases.items()
            if node in before[key]
        }
        for key, cases in now.items()
        if key in before
    }


class _Changes:
    """What is usual for changes, case by case."""

    def __init__(self, ratios: Mapping[Key, Mapping[str, float]], floor: float) -> None:
        self.ratios = ratios
        self._floor = floor
        self._usual = Usual(ratios)
        count = sum(map(len, ratios.values()))
        self._limit = max(LIMIT, NormalDist().inv_cdf(1 - _CHANCE / max(count, 1)))

    def threshold(self, node: str, key: Key) -> float:
        """As a share: the floor, or what other nodes' changes vary by; of few nodes it is not
        known, and taken as between single runs of one machine."""
        scale = self._usual.beside(node, key)
        if scale is None:
            return max(self._floor, UNKNOWN_FLOOR)
        return max(self._floor, math.expm1(min(self._limit * scale.deviation, _MOST_LOG)))


def _changed(node: Node, case: NodeCase, before: _Side, changes: _Changes) -> NodeCase:
    key = _key(case)
    ratio = changes.ratios.get(key, {}).get(node.name)
    if ratio is None:
        return case
    then = before[key][node.name]
    share = changes.threshold(node.name, key)
    errors = [
        (each.error_percent / 100, each.estimates)
        for each in (case, then)
        if each.error_percent is not None and each.estimates > 1
    ]
    if len(errors) < 2:
        change = CaseChange(
            verdict="INCONCLUSIVE", ratio=ratio, threshold_percent=100 * share,
            reason="there are fewer than two rounds to compare",
        )  # fmt: skip
    else:
        interval = welch_interval(ratio, errors)
        verdict, reason = decide(interval, share)
        change = CaseChange(
            verdict=verdict, ratio=ratio, ci95=(interval.low, interval.high),
            threshold_percent=100 * share, reason=reason,
        )  # fmt: skip
    return replace(case, change=change)


def _summary(
    report: ClusterReport, reference: ClusterReport, nodes: list[Node],
    ratios: Mapping[Key, Mapping[str, float]],
) -> Reference:  # fmt: skip
    names = [_with_figures(report), _with_figures(reference)]
    labels = [_labels(report), _labels(reference)]
    return Reference(
        run=reference.run, submitted_utc=reference.submitted_utc,
        slower=_changed_nodes(nodes, "SLOWER"), faster=_changed_nodes(nodes, "FASTER"),
        cases=_cases(report, ratios), differences=_differences(report, reference),
        nodes_only_now=_lacking(*names), nodes_only_before=_lacking(*reversed(names)),
        cases_only_now=_lacking(*labels), cases_only_before=_lacking(*reversed(labels)),
    )  # fmt: skip


def _changed_nodes(nodes: list[Node], verdict: str) -> list[str]:
    return [
        node.name
        for node in nodes
        if any(case.change is not None and case.change.verdict == verdict for case in node.cases)
    ]


def _lacking(these: Iterable[str], those: Iterable[str]) -> list[str]:
    there = set(those)
    return [each for each in these if each not in there]


def _with_figures(report: ClusterReport) -> list[str]:
    return [node.name for node in report.nodes if any(map(_counted, node.cases))]


def _labels(report: ClusterReport) -> list[str]:
    """The cases that have a figure, in words, each once."""
    return list(
        dict.fromkeys(
            " ".join([case.name, *map(str, case.params.values()), case.device.partition(":")[0]])
            for node in report.nodes
            for case in node.cases
            if _counted(case)
        )
    )


def _cases(
    report: ClusterReport, ratios: Mapping[Key, Mapping[str, float]]
) -> list[ReferenceCase]:  # fmt: skip
    first: dict[Key, NodeCase] = {}
    for node in report.nodes:
        for case in node.cases:
            first.setdefault(_key(case), case)
    return [
        ReferenceCase(
            name=first[key].name, params=first[key].params, device=key[2], nodes=len(found),
            ratio=median(found.values()), deviation_percent=_deviation(list(found.values())),
        )
        for key, found in ratios.items()
        if found
    ]  # fmt: skip


def _deviation(ratios: list[float]) -> float | None:
    if len(ratios) < LEAST_NODES:
        return None
    return 100 * math.expm1(min(scale_of(ratios).deviation, _MOST_LOG))


def _differences(report: ClusterReport, reference: ClusterReport) -> list[Difference]:
    """What nodes that both runs have are set up with now and were not before."""
    before = {node: setup.facts for setup in reference.setups for node in setup.nodes}
    found: dict[tuple[str, str, str], list[str]] = {}
    for setup in report.setups:
        for node in setup.nodes:
            then = before.get(node, {})
            for field, value in setup.facts.items():
                if field in then and then[field] != value:
                    found.setdefault((field, then[field], value), []).append(node)
    return [
        Difference(field=field, before=then, now=value, nodes=nodes)
        for (field, then, value), nodes in sorted(found.items())
    ]
