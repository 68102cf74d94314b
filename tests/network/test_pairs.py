"""What a rank counts while pairs are measured: by its count it is told who stayed behind."""

from pathlib import Path

import pytest

from lab.network import pairs
from lab.network.meet import Place
from lab.network.pairs import measure_pairs
from lab.network.sweep import Bench, Run
from lab.network.watch import Watch
from lab.records.network import NetworkOrder

pytest.importorskip("torch")

ORDER = NetworkOrder(
    device="cpu", sizes_bytes=[1024], pair_bytes=4096, budget_s=1.0, seed=1
)  # fmt: skip


class Counting(Bench):
    """Calls nobody, and counts as if it had; remembers the count at each barrier."""

    def times(self, run: Run, count: int) -> list[float]:
        self.watch.count += count
        return [1e-3] * count

    def barrier(self) -> None:
        self.watch.count += 1
        counts[self.place.rank].append(self.watch.count)


counts: dict[int, list[int]] = {}


@pytest.mark.parametrize("nodes", [2, 5])
def test_who_rests_in_a_round_counts_like_the_others(
    nodes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "check_exchange", lambda *_: None)
    counts.clear()
    seats = tuple((f"n{number}", 1) for number in range(nodes))
    for rank in range(nodes):
        counts[rank] = []
        watch = Watch(path=tmp_path / f"{rank}.jsonl", end=lambda *_: None)
        place = Place(rank=rank, local=0, seats=seats, node=rank)
        bench = Counting(order=ORDER, place=place, device="cpu", watch=watch, exchange_s=1e-3)
        measure_pairs(bench, {})
    assert len({tuple(each) for each in counts.values()}) == 1
    assert len(counts[0]) == pairs.PASSES * (5 if nodes == 5 else 1)
