"""Measures the collectives: rounds over all, each a block of calls one after the other."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from lab.network.collectives import Operation, make_buffers, operations
from lab.network.meet import Place
from lab.network.watch import Watch
from lab.records.network import NetworkOrder, Samples

Run = Callable[[], object]
# Of the budget; the rest is for the pairs.
SHARE = 0.6
_LEAST, _MOST = 3, 100
# A size that would take so much of the budget by itself is left out.
_DEAR = 0.3


@dataclass(kw_only=True)
class Bench:
    """What all measuring of a rank needs.

    Args:
        order: what is to be measured.
        place: of this rank.
        device: such as `cuda:0`.
        watch: is told of every step and call.
    """

    order: NetworkOrder
    place: Place
    device: str
    watch: Watch
    collectives: list[Samples] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    exchange_s: float = 0.0
    """Of one exchange of the pairs' size in the ring; the same on all ranks."""

    def at(self, step: str) -> None:
        """Say what comes next."""
        self.watch.at(step, self.order.patience_s)

    def times(self, run: Run, count: int) -> list[float]:
        """Call so often, one right after the other; seconds of each call."""
        return (times_on_gpu if self.device != "cpu" else times_on_cpu)(run, count, self.watch)

    def barrier(self) -> None:
        """Wait until all ranks are here."""
        from torch.distributed import barrier

        self.watch.count += 1
        barrier()


def times_on_cpu(run: Run, count: int, watch: Watch) -> list[float]:
    """Seconds of each call, by the clock."""
    found = []
    begin = time.perf_counter()
    for _ in range(count):
        watch.count += 1  # before: a rank that hangs outside of its calls has made one less
        run()
        end = time.perf_counter()
        found.append(end - begin)
        begin = end
    return found


def times_on_gpu(run: Run, count: int, watch: Watch) -> list[float]:
    """Seconds of each call, by events between them: the host waits for none but the last."""
    import torch

    event_class: type = torch.cuda.Event  # without types of its own
    events = [event_class(enable_timing=True) for _ in range(count + 1)]
    events[0].record()
    for event in events[1:]:
        run()
        event.record()
    events[-1].synchronize()
    watch.count += count
    return [a.elapsed_time(b) / 1e3 for a, b in pairwise(events)]


def largest(bench: Bench, value: float) -> float:
    """The largest of a number over all ranks, so that all of them decide alike."""
    import torch
    from torch.distributed import ReduceOp, all_reduce

    held = torch.tensor([value], dtype=torch.float64, device=bench.device)
    all_reduce(held, op=ReduceOp.MAX)
    return float(held)


def sweep(bench: Bench) -> None:
    """Measure all collectives and sizes; what there is by then stays where a call fails.

    Raises:
        Fault: a result is wrong.
        RuntimeError: a call did not come back as it should.
    """
    order = bench.order
    buffers = make_buffers(order.sizes_bytes[-1], bench.place.ranks, bench.device)
    chosen = []
    for size in order.sizes_bytes:
        for operation in operations(size, bench.place, buffers):
            bench.at(f"warming up {_words(operation)}")
            if count := _calls(bench, operation):
                samples = Samples(
                    name=operation.name, size_bytes=operation.size_bytes, rounds=[]
                )  # fmt: skip
                bench.collectives.append(samples)
                chosen.append((operation, count, samples))
    # Each round in another order, the same one on all ranks.
    draw = random.Random(order.seed)
    for _ in range(order.rounds):
        for operation, count, samples in draw.sample(chosen, len(chosen)):
            bench.at(_words(operation))
            operation.check()
            bench.barrier()
            samples.rounds.append([round(t, 9) for t in bench.times(operation.run, count)])


def _calls(bench: Bench, operation: Operation) -> int:
    """Calls in a block, for an equal part of the budget each; none where it is too dear."""
    operation.check()
    bench.times(operation.run, 2)
    bench.barrier()
    mean = largest(bench, sum(bench.times(operation.run, 3)) / 3)
    if operation.name == "send_recv" and operation.size_bytes <= bench.order.pair_bytes:
        bench.exchange_s = mean
    rounds, budget_s = bench.order.rounds, SHARE * bench.order.budget_s
    if rounds * _LEAST * mean > _DEAR * budget_s:
        bench.left_out.append(f"{_words(operation)}: a call takes {mean:.2g} s")
        return 0
    share_s = budget_s / rounds / (3 * len(bench.order.sizes_bytes))
    return min(max(int(share_s / mean), _LEAST), _MOST)


def _words(operation: Operation) -> str:
    return f"{operation.name} of {size_words(operation.size_bytes)}"


def size_words(size_bytes: int) -> str:
    """A size such as `64 KiB`."""
    unit = "B"
    for larger in ("KiB", "MiB"):
        if size_bytes % 1024 or size_bytes < 1024:
            break
        size_bytes, unit = size_bytes // 1024, larger
    return f"{size_bytes} {unit}"
