"""Which nodes send to each other in which round."""

from hypothesis import given, settings
from hypothesis import strategies as st

from lab.network.pairing import pairings

COUNTS = st.integers(2, 40)
SEEDS = st.integers(0, 1 << 31)


@settings(deadline=None)
@given(COUNTS, st.integers(1, 20), SEEDS)
def test_every_node_has_one_partner_in_a_round_and_another_one_each_time(
    count: int, most: int, seed: int
) -> None:
    rounds = pairings(count, most, seed)
    assert len(rounds) == min(most, count - 1 + count % 2)
    for pairs in rounds:
        nodes = [node for pair in pairs for node in pair]
        assert len(nodes) == len(set(nodes)) == count - count % 2
        assert all(0 <= a < b < count for a, b in pairs)
    pairs = [pair for each in rounds for pair in each]
    assert len(pairs) == len(set(pairs))


@settings(deadline=None)
@given(st.integers(2, 12), SEEDS)
def test_of_few_nodes_every_pair_is_measured(count: int, seed: int) -> None:
    pairs = {pair for each in pairings(count, 15, seed) for pair in each}
    assert len(pairs) == count * (count - 1) // 2


def test_seed_decides() -> None:
    assert pairings(30, 5, 1) == pairings(30, 5, 1)
    assert pairings(30, 5, 1) != pairings(30, 5, 2)
