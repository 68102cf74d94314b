"""The process that measures between nodes: `python -m lab.network.rank FOLDER`, one a node by srun.

It writes NODE-LOCAL.jsonl, a line for each step, and at its end NODE-LOCAL.json, whatever came. On
nodes with several GPUs it starts a process for each of the others.
"""

import multiprocessing
import os
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lab.network.meet import (
    Fault,
    Meeting,
    Place,
    connect,
    interface_towards,
    open_store,
    ranks_here,
    seat_of,
    take_places,
)
from lab.network.pairs import measure_pairs
from lab.network.sweep import Bench, sweep
from lab.network.watch import Watch
from lab.records.network import Ended, Exchange, NetworkOrder, RankReport
from lab.records.save import save, to_json

if TYPE_CHECKING:
    from torch.distributed import TCPStore

ORDER = "order.json"
_INTERFACE = "GLOO_SOCKET_IFNAME"  # a site may have set it


@dataclass(kw_only=True)
class RankProcess:
    """One rank: what it does, and what it says of itself.

    Args:
        folder: of the attempt.
        order: what it is to do.
        node: its node.
        local: its number there.
    """

    folder: Path
    order: NetworkOrder
    node: str
    local: int
    place: Place | None = None
    bench: Bench | None = None
    exchanges: dict[tuple[int, int], Exchange] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Have itself watched from the first moment."""
        steps = self.folder / f"{self.node}-{self.local}.jsonl"
        self.watch = Watch(path=steps, end=self.write)
        self.watch.begin(self.order.meet_s)

    @property
    def backend(self) -> str:
        """torch.distributed's."""
        return "nccl" if self.order.device == "cuda" else "gloo"

    @property
    def device(self) -> str:
        """torch's name of its own one."""
        return f"cuda:{self.local}" if self.order.device == "cuda" else "cpu"

    def write(self, ended: Ended, error: str) -> None:
        """Write down how it ended, with all that was measured by then."""
        bench = self.bench
        report = RankReport(
            node=self.node, local=self.local, rank=self.place.rank if self.place else None,
            ranks=self.place.ranks if self.place else None, backend=self.backend,
            device=self.device, ended=ended, error=error, step=self.watch.step,
            count=self.watch.count, at_s=self.watch.at_s,
            collectives=list(bench.collectives) if bench else [],
            left_out=list(bench.left_out) if bench else [],
            exchanges=list(self.exchanges.values()),
        )  # fmt: skip
        save(to_json(report, compact=True), self.folder / f"{self.node}-{self.local}.json")

    def measure(self, place: Place, store: "TCPStore") -> None:
        """Measure everything.

        Raises:
            Fault: something is wrong here.
            RuntimeError: a call did not come back as it should.
        """
        from torch.distributed import barrier, destroy_process_group

        self.place = place
        self.watch.at("joining", self.order.meet_s)
        join(self.order, place, store, self.device)
        self.watch.met()
        self.bench = Bench(order=self.order, place=place, device=self.device, watch=self.watch)
        sweep(self.bench)
        measure_pairs(self.bench, self.exchanges)
        barrier()
        if self.watch.close():
            self.write("done", "")
        destroy_process_group()

    def ends(self, error: Exception) -> int:
        """Say why it ends before its time; the exit code."""
        traceback.print_exc()
        if self.watch.close():
            self.write("failed" if _own(error) else "cut_off", _words(error))
        return 1


def join(order: NetworkOrder, place: Place, store: "TCPStore", device: str) -> None:
    """Make the group of all ranks; returns when all are in it."""
    import torch
    from torch.distributed import PrefixStore, barrier, init_process_group

    gpu = torch.device(device) if device != "cpu" else None
    if gpu is not None:
        torch.cuda.set_device(gpu)
    elif _INTERFACE not in os.environ:
        other = place.seats[(place.node + 1) % len(place.seats)][0]
        if interface := interface_towards(other):
            os.environ[_INTERFACE] = interface
    init_process_group(
        "gloo" if gpu is None else "nccl", store=PrefixStore("group", store), rank=place.rank,
        world_size=place.ranks, timeout=timedelta(seconds=order.patience_s), device_id=gpu,
    )  # fmt: skip
    barrier()


def _own(error: Exception) -> bool:
    """Whether it is this rank's own fault, and not that another one's call did not come."""
    import torch

    if not isinstance(error, RuntimeError) or isinstance(error, torch.AcceleratorError):
        return True
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _words(error: Exception) -> str:
    """The first sentence, without the place in torch's source."""
    words = str(error).partition("\n")[0].partition(". This is typically")[0]
    words = words.partition("] ")[2] if words.startswith("[/") else words
    return words if isinstance(error, Fault) else f"{type(error).__name__}: {words}"[:300]


def _other(folder: Path, seat: tuple[str, int], local: int, place: Place, meeting: Meeting) -> None:
    """The life of the process of one more GPU."""
    process = RankProcess(folder=folder, order=_order(folder), node=seat[0], local=local)
    try:
        process.measure(place, connect(meeting, process.order.meet_s))
    except Exception as error:
        sys.exit(process.ends(error))


def _order(folder: Path) -> NetworkOrder:
    return msgspec.json.decode((folder / ORDER).read_bytes(), type=NetworkOrder)


def _places(seats: tuple[tuple[str, int], ...], node: int) -> list[Place]:
    first = sum(count for _, count in seats[:node])
    return [
        Place(rank=first + local, local=local, seats=seats, node=node)
        for local in range(seats[node][1])
    ]


def main() -> int:
    """Measure with the others; the exit code is 0 where all went well, and counts for nothing."""
    folder = Path(sys.argv[1])
    seat = seat_of(dict(os.environ))
    process = RankProcess(folder=folder, order=_order(folder), node=seat.node, local=0)
    others = []
    try:
        here = ranks_here(process.order.device)
        process.watch.at("meeting", process.order.meet_s)
        store, meeting = open_store(seat, folder, process.order.meet_s)
        seats = take_places(store, seat, here)
        mine, *rest = _places(seats, seat.index)
        spawn = multiprocessing.get_context("spawn")
        for place in rest:
            words = (folder, seats[seat.index], place.local, place, meeting)
            others.append(spawn.Process(target=_other, args=words, daemon=True))
            others[-1].start()
        process.measure(mine, store)
    except Exception as error:
        code = process.ends(error)
    else:
        code = 0
    for other in others:
        with suppress(OSError):
            other.join(process.order.patience_s)
    return code


if __name__ == "__main__":
    sys.exit(main())
