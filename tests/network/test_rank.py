"""The process that measures between nodes: several on this machine, over gloo."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from lab.cluster.network_states import rank_states
from lab.records.network import NetworkOrder
from tests.conftest import wait_for
from tests.network.ranks import ORDER, Ranks

pytest.importorskip("torch")
pytestmark = pytest.mark.alone  # patience is measured

Begin = Callable[..., Ranks]
NODES = ("n1", "n2", "n3")
LONG = replace(ORDER, budget_s=600.0, rounds=1000)


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    begun: list[Ranks] = []

    def call(order: NetworkOrder = ORDER, nodes: tuple[str, ...] = NODES) -> Ranks:
        begun.append(Ranks(tmp_path, nodes, order))
        return begun[-1]

    yield call
    for ranks in begun:
        ranks.kill()


def measuring(ranks: Ranks, node: str) -> Callable[[], bool]:
    """Whether it has measured one collective, and is at another one."""
    return lambda: (
        sum(step.startswith(("all_", "send_")) for step in ranks.steps(node)) > 1
    )  # fmt: skip


def named(ranks: Ranks) -> dict[str, str]:
    states = rank_states(ranks.files(), going=False, end="")
    return {rank.node: words for rank, words in states if words}


def test_ranks_measure_every_collective_and_every_pair(begin: Begin) -> None:
    ranks = begin()
    assert ranks.wait() == dict.fromkeys(NODES, 0)
    reports = [ranks.report(node) for node in NODES]
    assert [(r.node, r.rank, r.ranks, r.ended) for r in reports] == [
        ("n1", 0, 3, "done"), ("n2", 1, 3, "done"), ("n3", 2, 3, "done"),
    ]  # fmt: skip
    for report in reports:
        assert [(c.name, c.size_bytes) for c in report.collectives] == [
            ("all_reduce", 1 << 10), ("all_gather", 1020), ("send_recv", 1 << 10),
            ("all_reduce", 1 << 16), ("all_gather", 65532), ("send_recv", 1 << 16),
        ]  # fmt: skip
        for collective in report.collectives:
            assert len(collective.rounds) == 3
            counts = {len(times) for times in collective.rounds}
            assert len(counts) == 1
            assert all(time > 0 for times in collective.rounds for time in times)
        others = {node for node in NODES if node != report.node}
        for size in (8, 1 << 16):
            exchanges = [e for e in report.exchanges if e.size_bytes == size]
            assert {e.peer_node for e in exchanges} == others
            assert all(len(e.passes) == 3 for e in exchanges)
    # All of them call equally often, or one would wait for ever.
    assert len({len(r.collectives[0].rounds[0]) for r in reports}) == 1


def test_rank_that_is_killed_is_named_and_costs_its_own_figures_alone(begin: Begin) -> None:
    ranks = begin(LONG)
    wait_for(measuring(ranks, "n2"), "the ranks to measure", timeout_s=120)
    ranks.processes["n2"].kill()
    codes = ranks.wait()
    assert codes == {"n1": 1, "n2": -signal.SIGKILL, "n3": 1}
    assert list(named(ranks)) == ["n2"]
    assert "its process ended without a word, at " in named(ranks)["n2"]
    for rank in ranks.files():
        if rank.node != "n2":
            assert rank.report is not None
            assert rank.report.ended == "cut_off"
            assert "Connection" in rank.report.error
            assert rank.report.collectives


def test_rank_that_hangs_is_named_within_the_patience_of_the_others(begin: Begin) -> None:
    ranks = begin(replace(LONG, patience_s=5.0), NODES[:2])
    wait_for(measuring(ranks, "n2"), "the ranks to measure", timeout_s=120)
    ranks.processes["n2"].send_signal(signal.SIGSTOP)
    assert ranks.processes["n1"].wait(timeout=60) != 0
    assert list(named(ranks)) == ["n2"]
    (first, _) = ranks.files()
    assert first.report is not None
    assert first.report.ended in ("cut_off", "stalled")


def test_rank_that_is_told_to_stop_writes_what_it_has(begin: Begin) -> None:
    ranks = begin(LONG, NODES[:2])
    wait_for(measuring(ranks, "n2"), "the ranks to measure", timeout_s=120)
    for process in ranks.processes.values():
        process.terminate()
    ranks.wait()
    reports = [each.report for each in ranks.files() if each.report is not None]
    assert len(reports) == 2
    assert {r.ended for r in reports} <= {"stopped", "cut_off"}
    assert all(r.collectives for r in reports)
    assert named(ranks) == {}


def test_rank_whose_fellows_never_come_gives_up(begin: Begin, tmp_path: Path) -> None:
    ranks = begin(replace(ORDER, meet_s=4.0), NODES[:2])
    ranks.processes["n2"].kill()
    assert ranks.wait()["n1"] == 1
    assert list(named(ranks)) == ["n2"]
