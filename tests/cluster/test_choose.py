"""Which nodes a run is for."""

import pytest

from lab.cluster.choose import choose_nodes
from lab.cluster.slurm import parse_nodes
from lab.errors import LabError

# As `sinfo --Node --format=%N|%T|%P|%f|%E` of Slurm 22.05 prints it, a line for each partition.
SINFO = """\
n1|allocated|main*|(null)|none
n2|idle|main*|a100,ib|none
n3|drained|main*|a100|bad memory | slot 3
n4|down*|main*|a100|Not responding
n5|idle~|main*|ib|none
n5|idle~|long|ib|none
g1|idle|gpu|h100,ib|none
"""
NODES = parse_nodes(SINFO)


def test_nodes_are_read_from_sinfo() -> None:
    drained, down, powered_off = NODES[2], NODES[3], NODES[4]
    assert (drained.available, drained.reason) == (False, "bad memory | slot 3")
    assert (down.state, down.available) == ("down", False)
    assert (powered_off.state, powered_off.available) == ("idle", True)
    assert NODES[1].features == {"a100", "ib"}
    assert NODES[0].features == frozenset()
    assert (NODES[0].default, NODES[6].default, NODES[6].partition) == (True, False, "gpu")


def test_all_are_those_of_the_default_partition_each_once() -> None:
    chosen = choose_nodes("all", NODES)
    assert chosen.nodes == ("n1", "n2", "n3", "n4", "n5")
    assert chosen.to_submit == ["n1", "n2", "n5"]
    assert chosen.unavailable["n3"] == "the node is drained: bad memory | slot 3"


def test_a_number_takes_what_is_free_first_and_leaves_out_what_is_down() -> None:
    assert choose_nodes("2", NODES).nodes == ("n2", "n5")
    assert choose_nodes("3", NODES).nodes == ("n1", "n2", "n5")


def test_partition_and_constraint_narrow_the_choice() -> None:
    assert choose_nodes("all", NODES, "gpu").nodes == ("g1",)
    assert choose_nodes("all", NODES, "gpu,long").nodes == ("n5", "g1")
    assert choose_nodes("all", NODES, "", "a100&ib").nodes == ("n2",)
    assert choose_nodes("all", NODES, "", "a100|ib").nodes == ("n2", "n3", "n4", "n5")


def test_a_list_is_taken_as_it_is_and_says_what_is_down() -> None:
    chosen = choose_nodes("g1,n[3,1]", NODES)
    assert chosen.nodes == ("g1", "n3", "n1")
    assert chosen.to_submit == ["g1", "n1"]


@pytest.mark.parametrize(
    ("wish", "what"),
    [
        ("n[1-9]", "There is no node n[6-9]."),
        ("4", "There are not 4 nodes to choose from."),
        ("0", "A run needs at least one node."),
        ("n[", "There is no list of nodes 'n['."),
    ],
)
def test_nodes_that_there_are_not_are_refused(wish: str, what: str) -> None:
    with pytest.raises(LabError) as refused:
        choose_nodes(wish, NODES)
    assert refused.value.what == what


def test_a_partition_without_nodes_is_refused() -> None:
    with pytest.raises(LabError, match="no node to choose"):
        choose_nodes("all", NODES, "nope")


def test_a_constraint_that_only_slurm_understands_is_refused_for_a_number() -> None:
    with pytest.raises(LabError, match="one by one"):
        choose_nodes("2", NODES, "", "[rack1*2]")
    assert choose_nodes("n2", NODES, "", "[rack1*2]").nodes == ("n2",)
