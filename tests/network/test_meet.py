"""How the ranks find each other."""

from pathlib import Path

import pytest

from lab.network import meet
from lab.network.meet import Fault, Meeting, Place, Seat, interface_towards, open_store, seat_of
from lab.records.save import save, to_json

PLACE = Place(rank=3, local=1, seats=(("n1", 2), ("n2", 2), ("n3", 1)), node=1)


def test_ranks_are_numbered_node_by_node() -> None:
    assert PLACE.ranks == 5
    assert [PLACE.node_of(rank) for rank in range(5)] == ["n1", "n1", "n2", "n2", "n3"]


def test_partner_on_another_node_has_the_same_number_there() -> None:
    assert (PLACE.peer(0), PLACE.peer(1), PLACE.peer(2)) == (1, 3, None)


def test_seat_is_what_srun_says() -> None:
    variables = {"SLURMD_NODENAME": "n3", "SLURM_NODEID": "2", "SLURM_NNODES": "4"}
    assert seat_of(variables) == Seat(node="n3", index=2, nodes=4)
    with pytest.raises(Fault, match="srun did not say"):
        seat_of({"SLURMD_NODENAME": "n1"})


def test_node_that_is_told_of_no_meeting_gives_up(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="the first node did not say where to meet"):
        open_store(Seat(node="n2", index=1, nodes=2), tmp_path, 0.2)


def test_node_that_knows_none_of_the_names_says_which(tmp_path: Path) -> None:
    save(to_json(Meeting(["no-such-host.invalid"], 1)), tmp_path / "meeting.json")
    with pytest.raises(Fault, match=r"no address of no-such-host\.invalid"):
        open_store(Seat(node="n2", index=1, nodes=2), tmp_path, 5)


@pytest.fixture
def interfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose way to others is 192.0.2.7, on ib0."""
    import psutil

    class Row:
        def __init__(self, address: str) -> None:
            self.address = address

    class Way:
        def __init__(self, *_: object) -> None:
            self.own = ""

        def __enter__(self) -> "Way":
            return self

        def __exit__(self, *_: object) -> None: ...

        def connect(self, address: tuple[str, int]) -> None:
            if address[0] == "nobody":
                raise OSError("no such name")
            self.own = "127.0.0.1" if address[0] == "here" else "192.0.2.7"

        def getsockname(self) -> tuple[str, int]:
            return self.own, 1

    known = {"lo": [Row("127.0.0.1")], "eth0": [Row("198.51.100.7")], "ib0": [Row("192.0.2.7")]}
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: known)
    monkeypatch.setattr(meet.socket, "socket", Way)


@pytest.mark.usefixtures("interfaces")
def test_interface_is_the_one_that_leads_to_the_other_node() -> None:
    assert interface_towards("n2") == "ib0"
    assert interface_towards("here") is None
    assert interface_towards("nobody") is None
