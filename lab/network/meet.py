"""How the ranks find each other: a store that the first one opens, its address in a file."""

import json
import os
import socket
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lab.records.save import save
from lab.records.unreadable import UNREADABLE

if TYPE_CHECKING:
    from torch.distributed import TCPStore

MEETING = "meeting.json"
_POLL_S = 0.1


class Fault(Exception):
    """Something is wrong with this rank or this node itself, not with another one's call."""


class Meeting(msgspec.Struct, frozen=True):
    """Where the store is: names of its host, any of which may be known to others, and its port."""

    hosts: list[str]
    port: int


@dataclass(frozen=True, kw_only=True)
class Seat:
    """The task of one node, as Slurm started it.

    Args:
        node: its name in Slurm.
        index: its number among the nodes.
        nodes: how many there are.
    """

    node: str
    index: int
    nodes: int


def seat_of(variables: dict[str, str]) -> Seat:
    """Read what srun says to each of its tasks.

    Raises:
        Fault: this was not started by srun.
    """
    try:
        return Seat(
            node=variables["SLURMD_NODENAME"], index=int(variables["SLURM_NODEID"]),
            nodes=int(variables["SLURM_NNODES"]),
        )  # fmt: skip
    except (KeyError, ValueError) as error:
        raise Fault(f"srun did not say which node this is: {error}") from error


def open_store(seat: Seat, folder: Path, meet_s: float) -> tuple["TCPStore", Meeting]:
    """Connect to the store of the first node, which opens it on a port that the kernel chooses: so
    no other job can have it, and nobody has to compute an address beforehand.

    Args:
        seat: of this node.
        folder: of the attempt, on the file system that the nodes share.
        meet_s: seconds that it may take.

    Raises:
        Fault: the first node's name is not known here.
        RuntimeError: the first node did not open it in time.
    """
    end = time.monotonic() + meet_s
    if seat.index == 0:
        store = _store("127.0.0.1", 0, meet_s, master=True)
        hosts = list(dict.fromkeys([seat.node, socket.gethostname()]))
        meeting = Meeting(hosts=hosts, port=store.port)
        save(msgspec.json.encode(meeting).decode(), folder / MEETING)
        return store, meeting
    meeting = _await_meeting(folder / MEETING, end)
    return connect(meeting, max(end - time.monotonic(), 1)), meeting


def connect(meeting: Meeting, patience_s: float) -> "TCPStore":
    """Connect to a store that is open."""
    return _store(_known(meeting.hosts), meeting.port, patience_s, master=False)


def _store(host: str, port: int, patience_s: float, *, master: bool) -> "TCPStore":
    from torch.distributed import TCPStore

    return TCPStore(
        host, port, is_master=master, wait_for_workers=False,
        timeout=timedelta(seconds=patience_s),
    )  # fmt: skip


def _await_meeting(path: Path, end: float) -> Meeting:
    while True:
        try:
            return msgspec.json.decode(path.read_bytes(), type=Meeting)
        except (OSError, *UNREADABLE) as error:
            if time.monotonic() > end:
                raise RuntimeError(  # the first node's fault, not this one's
                    f"the first node did not say where to meet: {error}"
                ) from error
        time.sleep(_POLL_S)


def _known(hosts: list[str]) -> str:
    for host in hosts:
        try:
            socket.getaddrinfo(host, None)
        except OSError:
            continue
        return host
    raise Fault(f"this node knows no address of {' or '.join(hosts)}, the first node")


@dataclass(frozen=True, kw_only=True)
class Place:
    """One rank among all.

    Args:
        rank: its number.
        local: its number among those of its node.
        seats: of every node, its name and how many ranks it has; ranks are numbered in this order.
        node: the number of its node.
    """

    rank: int
    local: int
    seats: tuple[tuple[str, int], ...]
    node: int

    @property
    def ranks(self) -> int:
        """How many there are."""
        return sum(count for _, count in self.seats)

    def node_of(self, rank: int) -> str:
        """The name of a rank's node."""
        return next(name for name, count in self._spans() if rank in count)

    def peer(self, node: int) -> int | None:
        """The rank on another node that has the same number there; None where there is none."""
        if self.local >= self.seats[node][1]:
            return None
        return sum(count for _, count in self.seats[:node]) + self.local

    def _spans(self) -> list[tuple[str, range]]:
        found, first = [], 0
        for name, count in self.seats:
            found.append((name, range(first, first + count)))
            first += count
        return found


def take_places(store: "TCPStore", seat: Seat, here: int) -> tuple[tuple[str, int], ...]:
    """Learn how many ranks each node has; returns when all nodes have said it.

    Args:
        store: the one of all.
        seat: of this node.
        here: the ranks of this node.
    """
    store.set(f"node/{seat.index}", json.dumps([seat.node, here]))
    if seat.index == 0:
        said = [json.loads(store.get(f"node/{i}")) for i in range(seat.nodes)]
        store.set("seats", json.dumps(said))
    return tuple((str(name), int(count)) for name, count in json.loads(store.get("seats")))


def interface_towards(host: str) -> str | None:
    """The network interface that leads to another node.

    gloo takes the one of this node's own name, which many systems give a loopback address
    (127.0.1.1), where no other node can reach it.

    Args:
        host: the other node.

    Returns:
        Its name; None where that is the loopback one, or not to be found out.
    """
    import psutil

    try:
        # Nothing is sent: it only has the kernel choose the way.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
            way.connect((host, 9))
            own = way.getsockname()[0]
    except OSError:
        return None
    if own.startswith("127."):
        return None
    known = psutil.net_if_addrs().items()
    return next((name for name, rows in known if own in {row.address for row in rows}), None)


def ranks_here(device: str) -> int:
    """One for each GPU, or one for the processor.

    Raises:
        Fault: torch sees no GPU here.
    """
    if device == "cpu":
        return 1
    import torch

    if not torch.cuda.is_available():
        seen = os.environ.get("CUDA_VISIBLE_DEVICES", "not set")
        raise Fault(f"torch sees no GPU on this node; CUDA_VISIBLE_DEVICES is {seen}")
    return torch.cuda.device_count()
