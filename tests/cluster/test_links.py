"""Who is named among pairs of nodes: on made figures."""

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from lab.cluster.links import Link, judge_links
from lab.network.pairing import pairings

FLOOR = 0.2
NODES = st.integers(3, 40)
SEEDS = st.integers(0, 1 << 31)


@st.composite
def figures(draw: st.DrawFn) -> dict[Link, float]:
    """Pairs as they are measured, that differ by less than the floor."""
    count = draw(NODES)
    pairs = [pair for each in pairings(count, 15, draw(SEEDS)) for pair in each]
    unit = draw(st.floats(1e-6, 10))
    noise = st.floats(1.0, 1.15)
    return {(f"n{a}", f"n{b}"): unit * draw(noise) for a, b in pairs}


@settings(deadline=None)
@given(figures())
def test_where_none_is_slow_nobody_is_named(times: dict[Link, float]) -> None:
    found = judge_links(times, FLOOR)
    assert not found.nodes
    assert not found.links


@settings(deadline=None)
@given(figures(), st.data())
def test_node_that_is_slow_with_all_is_named_and_none_of_its_links(
    times: dict[Link, float], data: st.DataObject
) -> None:
    slow = data.draw(st.sampled_from(sorted({node for link in times for node in link})))
    found = judge_links({k: t * (3 if slow in k else 1) for k, t in times.items()}, FLOOR)
    assert set(found.nodes) == {slow}
    assert not found.links
    assert 2 < found.nodes[slow].ratio < 4


@settings(deadline=None)
@given(figures(), st.data())
def test_link_that_is_slow_alone_is_named_and_neither_of_its_nodes(
    times: dict[Link, float], data: st.DataObject
) -> None:
    slow = data.draw(st.sampled_from(sorted(times)))
    found = judge_links({k: t * (3 if k == slow else 1) for k, t in times.items()}, FLOOR)
    assert not found.nodes
    assert set(found.links) == {slow}


def test_slow_node_and_slow_link_are_told_apart() -> None:
    names = [f"n{i}" for i in range(1, 7)]
    times = dict.fromkeys(combinations(names, 2), 1e-3)
    times = {link: t * (4 if "n2" in link else 1) for link, t in times.items()}
    times["n4", "n6"] *= 2
    found = judge_links(times, FLOOR)
    assert set(found.nodes) == {"n2"}
    assert set(found.links) == {("n4", "n6")}
    assert found.standing["n1", "n2"].slow  # shown as slow, though the node is named for it


def test_of_one_pair_nobody_can_say_anything() -> None:
    found = judge_links({("a", "b"): 1.0}, FLOOR)
    assert (found.nodes, found.links, found.standing) == ({}, {}, {})
