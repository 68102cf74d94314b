"""Measures nodes two by two, all pairs of a round at once."""

from collections.abc import Iterator
from functools import partial

from lab.network.collectives import Buffers, check_exchange, exchange, make_buffers
from lab.network.pairing import Round, pairings
from lab.network.sweep import SHARE, Bench, size_words
from lab.records.network import LATENCY_BYTES, Exchange

PASSES = 3
_SMALL_CALLS = 400
_WARM_UPS = 3
_LEAST, _MOST = 3, 30


def measure_pairs(bench: Bench, found: dict[tuple[int, int], Exchange]) -> None:
    """Measure every pair of the rounds in three passes, each over all of them: what disturbs one
    has passed by the next, and the fastest counts.

    Args:
        bench: of this rank; its collectives have been measured.
        found: takes the exchanges, by the other rank and the size.

    Raises:
        Fault: what came is not what was sent.
        RuntimeError: a call did not come back as it should.
    """
    rounds = pairings(len(bench.place.seats), bench.order.pair_rounds, bench.order.seed)
    buffers = make_buffers(bench.order.pair_bytes, 0, bench.device)
    calls = _large_calls(bench, len(rounds))
    for number in range(PASSES):
        for pairs in rounds if number % 2 == 0 else reversed(rounds):
            bench.at(f"pairs, pass {number + 1}")
            bench.barrier()
            begun = bench.watch.count
            for peer in _peers(bench, pairs):
                _measure(bench, peer, buffers, calls, found)
            # Who has no partner in it counts like the others, or would seem to have stayed behind.
            bench.watch.count = begun + 2 * (1 + _WARM_UPS) + _SMALL_CALLS + calls


def _large_calls(bench: Bench, rounds: int) -> int:
    share_s = (1 - SHARE) * bench.order.budget_s / (PASSES * rounds)
    return min(max(int(share_s / max(bench.exchange_s, 1e-6)), _LEAST), _MOST)


def _peers(bench: Bench, pairs: Round) -> Iterator[int]:
    """The partner of this rank, if it has one."""
    for a, b in pairs:
        if bench.place.node in (a, b):
            peer = bench.place.peer(b if bench.place.node == a else a)
            if peer is not None:
                yield peer


def _measure(
    bench: Bench, peer: int, buffers: Buffers, calls: int, found: dict[tuple[int, int], Exchange]
) -> None:
    for size, count in ((LATENCY_BYTES, _SMALL_CALLS), (bench.order.pair_bytes, calls)):
        node = bench.place.node_of(peer)
        bench.at(f"exchange of {size_words(size)} with {node}")
        items = size // buffers.give.element_size()
        give, take = buffers.give[:items], buffers.take[:items]
        check_exchange(give, take, bench.place, peer)
        run = partial(exchange, give, take, peer, peer)
        bench.times(run, _WARM_UPS)
        times = [round(t, 9) for t in bench.times(run, count)]
        whole = found.setdefault(
            (peer, size), Exchange(peer=peer, peer_node=node, size_bytes=size, passes=[])
        )
        whole.passes.append(times)
