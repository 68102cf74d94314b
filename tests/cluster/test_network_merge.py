"""The record of what was measured between the nodes, from made files."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lab.cluster.attempt import Entry
from lab.cluster.look import Jobs
from lab.cluster.network_folder import NetworkFolder, network_of, plan_network
from lab.cluster.network_merge import merge_network, network_is_well
from lab.cluster.slurm import Job
from lab.records.network import Exchange, NetworkOrder, RankReport, Samples
from lab.records.save import save, to_json
from tests.cluster.samples import Run

ORDER = NetworkOrder(
    device="cpu", sizes_bytes=[1000], pair_bytes=4000, budget_s=1.0, seed=1
)  # fmt: skip
NODES = ("n1", "n2", "n3", "n4")


@pytest.fixture
def folder(tmp_path: Path) -> NetworkFolder:
    """An attempt that Slurm took."""
    run = Run(tmp_path / "of network", *NODES)
    plan_network(run.folder, ORDER, "#!/bin/sh\n#SBATCH --ntasks-per-node=1\n")
    found = network_of(run.folder, NODES)
    assert found is not None
    found.want_one(after=0)
    entry = found.claim(found.wanted()[0], "network/1")
    assert entry is not None
    found.note(replace(entry, job="7"))
    return found


def test_files_of_nodes_with_any_name_are_of_ranks(folder: NetworkFolder) -> None:
    (only,) = folder.tries
    (only.folder / "cuda-01-0.jsonl").write_text("{}\n")
    assert only.parts() == {}
    assert merge_network(folder, Jobs()).state != "ok"


@pytest.mark.parametrize("text", ["", "{", '{"schema": "x"}'])
def test_damaged_order_costs_the_figures_between_the_nodes_alone(
    folder: NetworkFolder, text: str
) -> None:
    (folder.path / "order.json").write_text(text)
    found = merge_network(folder, Jobs())
    assert found.state == "failed"
    assert "order.json cannot be read" in found.reasons[0]


def rank(
    node: str, rounds: list[list[float]], *, pair_s: float = 1e-3, slow: str = "", factor: float = 1
) -> RankReport:
    """A rank of one collective, and an exchange with each other node."""
    others = [other for other in NODES if other != node]
    return RankReport(
        node=node, local=0, rank=NODES.index(node), ranks=len(NODES), backend="gloo", device="cpu",
        ended="done",
        collectives=[Samples(name="all_reduce", size_bytes=1000, rounds=rounds)],
        exchanges=[
            Exchange(
                peer=NODES.index(other), peer_node=other, size_bytes=size,
                passes=[[pair_s * 9], [pair_s * (factor if {node, other} & {slow} else 1)]],
            )
            for other in others for size in (8, 4000)
        ],
    )  # fmt: skip


def put(folder: NetworkFolder, *reports: RankReport, whole: bool = True) -> None:
    for each in reports:
        save(to_json(each), folder.path / "1" / f"{each.node}-0.json")
    if whole:
        (folder.path / "1" / "ended").touch()


def test_time_is_the_slowest_ranks_mean_and_the_median_of_the_rounds(folder: NetworkFolder) -> None:
    quick = [[1e-3, 3e-3], [2e-3, 2e-3], [2e-3, 2e-3]]
    slow = [[2e-3, 6e-3], [3e-3, 3e-3], [9e-3, 9e-3]]
    put(folder, *[rank(node, quick) for node in NODES[:3]], rank("n4", slow))
    found = merge_network(folder, Jobs())
    (one,) = found.collectives
    assert one.time_s == pytest.approx(4e-3)
    assert one.rounds == 3
    assert one.algorithm_bytes_per_s == pytest.approx(1000 / 4e-3)
    assert one.bus_bytes_per_s == pytest.approx(1000 / 4e-3 * 2 * 3 / 4)
    assert (found.state, found.reasons, found.backend) == ("ok", [], "gloo")
    assert network_is_well(found)


def test_of_the_passes_the_fastest_one_counts_and_a_slow_node_is_named(
    folder: NetworkFolder,
) -> None:
    put(folder, *[rank(node, [[1e-3]], slow="n3", factor=2) for node in NODES])
    found = merge_network(folder, Jobs())
    assert found.slow_nodes == ["n3"]
    assert found.slow_links == []
    assert found.reasons == ["n3 is slow with every partner: 2.00 times as long as usual"]
    pairs = {(pair.a, pair.b): pair for pair in found.pairs}
    assert len(pairs) == 6
    assert pairs["n1", "n2"].time_s == pytest.approx(1e-3)
    assert pairs["n1", "n3"].ratio == pytest.approx(2)
    assert pairs["n1", "n2"].bytes_per_s == pytest.approx(4e6)
    assert not network_is_well(found)


def test_rank_that_is_lost_costs_its_own_figures_alone(folder: NetworkFolder) -> None:
    put(folder, *[rank(node, [[1e-3]]) for node in NODES[:3]])
    found = merge_network(folder, Jobs())
    assert found.state == "lost"
    assert found.reasons == ["n4: its process never began"]
    assert found.collectives
    assert len(found.pairs) == 6  # the others measured theirs with it


def test_round_that_one_rank_has_not_is_none(folder: NetworkFolder) -> None:
    put(folder, rank("n1", [[1e-3], [5e-3]]), *[rank(node, [[1e-3]]) for node in NODES[1:]])
    assert merge_network(folder, Jobs()).collectives[0].time_s == pytest.approx(1e-3)


@pytest.mark.parametrize(
    ("state", "found_state", "words"),
    [
        ("PENDING", "running", "it still waits"),
        ("CANCELLED", "never_started", "its job was cancelled"),
        ("NODE_FAIL", "never_started", "the node failed"),
    ],
)
def test_job_that_never_began_says_why(
    folder: NetworkFolder, state: str, found_state: str, words: str
) -> None:
    job = Job(id="7", state=state, comment="network/1")
    found = merge_network(folder, Jobs(known={("network", 1): job}))
    assert found.state == found_state
    assert words in " ".join(found.reasons)


def test_what_slurm_refused_is_said(folder: NetworkFolder) -> None:
    folder.note(
        Entry(node="network", attempt=1, purpose="first", group="x", error="Slurm did not take it")
    )
    found = merge_network(folder, Jobs())
    assert (found.state, found.reasons) == ("never_started", ["Slurm did not take it"])


def test_attempt_is_claimed_once(folder: NetworkFolder) -> None:
    (only,) = folder.tries
    assert folder.claim(only, "network/1") is None
    assert only.nodes == NODES
    assert (folder.path / "1" / "order.json").read_text() == (
        folder.path / "order.json"
    ).read_text()


def test_attempt_that_slurm_may_take_later_is_given_back(folder: NetworkFolder) -> None:
    folder.release(folder.tries[0].entry)
    assert [attempt.folder for attempt in folder.wanted()] == [folder.path / "1"]
    assert folder.claim(folder.wanted()[0], "network/1") is not None


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(data=st.binary(max_size=300), cut=st.integers(0, 300))
def test_damaged_file_of_a_rank_costs_itself_alone(
    folder: NetworkFolder, data: bytes, cut: int
) -> None:
    put(folder, *[rank(node, [[1e-3]]) for node in NODES])
    path = folder.path / "1" / "n2-0.json"
    path.write_bytes(path.read_bytes()[:cut] + data)
    found = merge_network(folder, Jobs())
    assert [each.state for each in found.ranks if each.node != "n2"] == ["ok"] * 3
    assert found.collectives


def test_two_commands_that_want_a_measurement_get_one(folder: NetworkFolder) -> None:
    """Both saw that there was none; the second one's line comes when the first has submitted."""
    folder.want_one(after=0)
    assert len(folder.tries) == 1
    folder.note(Entry(node="network", attempt=1, purpose="first"))
    (only,) = folder.tries
    assert (only.entry.job, only.wanted) == ("7", False)
    folder.want_one(after=1)
    assert [attempt.wanted for attempt in folder.tries] == [False, True]


def test_measurement_that_slurm_took_back_is_wanted_again(folder: NetworkFolder) -> None:
    folder.want_one(after=1)
    entry = folder.claim(folder.wanted()[0], "network/2")
    assert entry is not None
    assert folder.wanted() == []
    folder.release(entry)
    assert [attempt.entry.attempt for attempt in folder.wanted()] == [2]
