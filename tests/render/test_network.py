"""What was measured between nodes, as text."""

from itertools import combinations

import pytest
from msgspec.structs import replace

from lab.records.cluster import ClusterReport
from lab.records.network import Collective, Network, Pair, Rank
from lab.render.cluster import cluster_text

NODES = [f"n{i}" for i in range(1, 5)]
NETWORK = Network(
    state="ok", backend="gloo", nodes=NODES, pair_bytes=4 << 20,
    ranks=[Rank(node=node, local=0, state="ok") for node in NODES],
    collectives=[
        Collective(
            name="all_reduce", size_bytes=1 << 26, rounds=5, time_s=0.2,
            deviation_percent=3.0, algorithm_bytes_per_s=335e6, bus_bytes_per_s=503e6,
        )
    ],
    pairs=[
        Pair(a=a, b=b, latency_s=1e-4, time_s=1e-2, bytes_per_s=4e8, ratio=1.0)
        for a, b in combinations(NODES, 2)
    ],
)  # fmt: skip


def text(network: Network, width: int = 100) -> str:
    report = ClusterReport(
        run="cluster-1", folder="/x", argv=[], submitted_utc="", collected_utc="", complete=True,
        floor_percent=5.0, nodes=[], network=network,
    )  # fmt: skip
    return cluster_text(report, width=width)


def test_text_has_a_line_for_each_collective_and_each_pair() -> None:
    shown = text(NETWORK)
    assert "between the nodes: ok, 4 ranks on 4 nodes, gloo" in shown
    (line,) = [line.split() for line in shown.splitlines() if line.startswith("all_reduce")]
    assert line == ["all_reduce", "64.0", "MiB", "200", "ms", "3.0", "%", "335", "MB/s", "503",
                    "MB/s"]  # fmt: skip
    assert sum(" - n" in line for line in shown.splitlines()) == 6
    assert not [line for line in shown.splitlines() if line.endswith("slow")]


def test_text_of_many_pairs_shows_the_slowest() -> None:
    names = [f"n{i}" for i in range(1, 41)]
    pairs = [Pair(a=a, b=b, time_s=1.0, ratio=1.0) for a, b in combinations(names, 2)]
    pairs[500] = replace(pairs[500], ratio=3.0, slow=True)
    shown = text(replace(NETWORK, pairs=pairs))
    (line,) = [line for line in shown.splitlines() if line.endswith("slow")]
    assert line.startswith(f"{pairs[500].a} - {pairs[500].b} ")
    assert "the slowest 12 of 780 pairs" in shown


@pytest.mark.parametrize("width", [20, 60])
def test_text_says_why_there_is_nothing(width: int) -> None:
    shown = text(Network(state="never_started", reasons=["it was not submitted yet"]), width)
    assert "between the nodes: never_started" in " ".join(shown.split())
    assert "it was not submitted yet" in " ".join(shown.split())
