"""Layers, order and places of random graphs."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from lab.render.graph.layout import place

GAP, BEND = 10.0, 4.0
graphs = st.integers(1, 40).flatmap(
    lambda n: st.lists(
        st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda e: e[0] < e[1]),
        max_size=80,
    ).map(lambda edges: (n, edges))
)


@settings(max_examples=150, deadline=None)
@given(graphs)
def test_nothing_overlaps_and_every_edge_goes_down(
    graph: tuple[int, list[tuple[int, int]]],
) -> None:
    n, edges = graph
    layout = place(dict.fromkeys(range(n), 30.0), edges, gap=GAP, bend=BEND)
    for source, target in edges:
        assert layout.places[source].layer < layout.places[target].layer
    for (source, target), path in zip(edges, layout.paths, strict=True):
        assert (path[0], path[-1]) == (source, target)
        layers = [layout.places[number].layer for number in path]
        assert all(b == a + 1 for a, b in pairwise(layers))
    for layer in range(layout.layers):
        row = sorted((p for p in layout.places.values() if p.layer == layer), key=lambda p: p.at)
        for left, right in pairwise(row):
            assert right.at - left.at >= (left.size + right.size) / 2 + GAP - 1e-6
    assert all(p.at - p.size / 2 + 1e-6 >= 0 for p in layout.places.values())
    assert all(p.at + p.size / 2 <= layout.breadth + 1e-6 for p in layout.places.values())


def test_chain_is_a_straight_line() -> None:
    layout = place(
        dict.fromkeys(range(6), 30.0), [(i, i + 1) for i in range(5)], gap=GAP, bend=BEND
    )
    assert len({round(p.at, 6) for p in layout.places.values()}) == 1


def test_two_crossed_pairs_are_uncrossed() -> None:
    layout = place(dict.fromkeys(range(4), 30.0), [(0, 3), (1, 2)], gap=GAP, bend=BEND)
    at = {i: layout.places[i].at for i in range(4)}
    assert (at[0] < at[1]) == (at[3] < at[2])


def test_empty_graph_has_a_layout() -> None:
    assert place({}, [], gap=GAP, bend=BEND).places == {}
