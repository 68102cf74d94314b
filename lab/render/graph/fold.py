"""Folds the parts of large graphs into one node each, so that a drawing can be read."""

from collections.abc import Hashable, Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from msgspec.structs import replace

from lab.records.graph import Graph, Node, State, Values

MOST = 100
"""Nodes of a drawing that can still be read."""


def fold(graph: Graph, most: int = MOST) -> Graph:
    """The graph itself where it is small; else with modules folded, the innermost first.

    Where that is not enough, or there are no modules, runs of nodes that have one source and one
    use are folded as well.
    """
    deepest = max((node.module.count(".") + 1 for node in graph.nodes if node.module), default=0)
    folded = graph
    for depth in range(deepest, 0, -1):
        if len(folded.nodes) <= most:
            return folded
        folded = _merge(graph, _by_module(graph.nodes, depth))
    if len(folded.nodes) > most:
        folded = _merge(folded, _by_chain(folded))
    return folded


def _by_module(nodes: Sequence[Node], depth: int) -> dict[int, str]:
    """For each node that a module of this depth holds, that module."""
    groups = {}
    for node in nodes:
        parts = (node.module or _owner(node)).split(".")
        if parts != [""]:
            groups[node.id] = ".".join(parts[:depth])
    return groups


def _owner(node: Node) -> str:
    """The module that a parameter belongs to."""
    return node.name.rpartition(".")[0] if node.kind == "parameter" else ""


def _by_chain(graph: Graph) -> dict[int, str]:
    """For each operation in a run without forks, the run; leaves go with their only use."""
    ins: dict[int, list[int]] = {}
    outs: dict[int, list[int]] = {}
    for edge in graph.edges:
        ins.setdefault(edge.target, []).append(edge.source)
        outs.setdefault(edge.source, []).append(edge.target)
    kinds = {node.id: node.kind for node in graph.nodes}
    groups: dict[int, str] = {}
    for node in graph.nodes:
        inner = [s for s in ins.get(node.id, []) if kinds[s] in ("operation", "module")]
        if node.kind not in ("operation", "module"):
            continue
        before = groups.get(inner[0]) if len(inner) == 1 else None
        alone = len(inner) == 1 and len(outs.get(inner[0], [])) == 1
        groups[node.id] = before if before and alone else f"… {node.id}"
    for node in graph.nodes:
        uses = outs.get(node.id, [])
        if node.kind in ("constant", "parameter") and len(uses) == 1 and uses[0] in groups:
            groups[node.id] = groups[uses[0]]
    counts = list(groups.values())
    return {number: name for number, name in groups.items() if counts.count(name) > 1}


def _merge(graph: Graph, groups: dict[int, str]) -> Graph:
    """One node for each group; what lies between members of a group joins it."""
    groups = _without_cycles(graph, groups)
    members: dict[str, list[Node]] = {}
    for node in graph.nodes:
        if node.id in groups:
            members.setdefault(groups[node.id], []).append(node)
    to = {n.id: members[groups[n.id]][-1].id if n.id in groups else n.id for n in graph.nodes}
    nodes = {
        n.id: _module(groups[n.id], members[groups[n.id]]) if n.id in groups else n
        for n in graph.nodes if to[n.id] == n.id
    }  # fmt: skip
    edges = [
        replace(edge, source=to[edge.source], target=to[edge.target])
        for edge in graph.edges if to[edge.source] != to[edge.target]
    ]  # fmt: skip
    order = _sorter(nodes, [(e.source, e.target) for e in edges]).static_order()
    outputs = list(dict.fromkeys(to[i] for i in graph.outputs))
    return replace(graph, nodes=[nodes[i] for i in order], edges=edges, outputs=outputs)


def _sorter(
    numbers: Iterable[Hashable], edges: Iterable[tuple[Hashable, Hashable]]
) -> TopologicalSorter[Any]:
    sorter: TopologicalSorter[Any] = TopologicalSorter(dict.fromkeys(numbers, ()))
    for source, target in edges:
        sorter.add(target, source)
    return sorter


def _without_cycles(graph: Graph, groups: dict[int, str]) -> dict[int, str]:
    """Groups that can be single nodes: a path that leaves one and comes back is taken in."""
    groups = dict(groups)
    while True:
        place = {node.id: groups.get(node.id, node.id) for node in graph.nodes}
        edges = [(place[e.source], place[e.target]) for e in graph.edges]
        try:
            _sorter(place.values(), [(s, t) for s, t in edges if s != t]).prepare()
        except CycleError as error:
            cycle = set(error.args[1])
            name = next(str(p) for p in error.args[1] if isinstance(p, str))
            groups |= {number: name for number, p in place.items() if p in cycle}
        else:
            return groups


def _module(name: str, nodes: list[Node]) -> Node:
    last = nodes[-1]
    states: list[State] = sorted({s for n in nodes for s in n.states if s != "in_place"})
    count = sum(max(1, n.folded) for n in nodes)
    first = next((n.operation for n in nodes if n.operation), "")
    inside = last.operation if first == last.operation else f"{first} … {last.operation}"
    value: Values = last.value
    return replace(
        last, kind="module", name=name if not name.startswith("…") else last.name,
        operation=inside, arguments="", states=states, folded=count,
        value=value, findings=[f for n in nodes for f in n.findings],
    )  # fmt: skip
