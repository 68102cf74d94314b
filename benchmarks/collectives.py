"""All-reduce between nodes as `inv bench --nodes` times it, beside a plain torch.distributed loop.

Both in the same processes, in turns: what disturbs one disturbs the other. The plain loop is the
usual one: warm up, wait for all, read the clock, call so often, read the clock; a step of a
training waits for the slowest rank, so its largest time counts. From the clone:

    srun --nodes=4 --ntasks-per-node=1 ./inv shell --engine host --device cpu \\
        --command "python $PWD/benchmarks/collectives.py FOLDER"

FOLDER is new, and on a file system that the nodes share. Ends with 3 where the two differ by more
than the noise: 3.5 robust standard deviations of the ratio's median, and at least 5 %.
"""

import argparse
import math
import os
import statistics
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab.cluster.judge import LIMIT, scale_of
from lab.network.collectives import Operation, make_buffers, operations
from lab.network.meet import Place, open_store, ranks_here, seat_of, take_places
from lab.network.rank import join
from lab.network.sweep import Bench, largest, size_words
from lab.network.watch import Watch
from lab.records.network import NetworkOrder

SIZES = (1 << 10, 1 << 16, 1 << 20, 1 << 22, 1 << 24, 1 << 26)
LEAST_DIFFERENCE = 0.05


def plain(data: torch.Tensor, calls: int) -> float:
    """Seconds of a call in the usual loop, of the slowest rank."""
    dist.barrier()
    begin = time.perf_counter()
    for _ in range(calls):
        dist.all_reduce(data)
    if data.is_cuda:
        torch.cuda.synchronize()
    return (time.perf_counter() - begin) / calls


def ours(bench: Bench, operation: Operation, calls: int) -> float:
    """Seconds of a call as a round of `inv bench --nodes` has them."""
    bench.barrier()
    return statistics.fmean(bench.times(operation.run, calls))


def compare(bench: Bench, size: int, rounds: int, seconds: float) -> bool:
    """Measure one size both ways and print a line; whether the two agree."""
    buffers = make_buffers(size, bench.place.ranks, bench.device)
    operation = next(iter(operations(size, bench.place, buffers)))
    operation.check()
    data = buffers.give[: size // 4]
    once = largest(bench, ours(bench, operation, 3))
    calls = min(max(int(seconds / (2 * rounds) / once), 3), 200)
    pairs = []
    for number in range(rounds):
        first = ours(bench, operation, calls) if number % 2 else plain(data, calls)
        second = plain(data, calls) if number % 2 else ours(bench, operation, calls)
        both = largest(bench, first), largest(bench, second)
        pairs.append(both if number % 2 else both[::-1])
    scale = scale_of([own / other for own, other in pairs])
    # The standard error of a median is 1.2533 times that of a mean, for values that are normal.
    noise = 1.2533 * scale.deviation / math.sqrt(rounds)
    bound = max(LIMIT * noise, math.log1p(LEAST_DIFFERENCE))
    agrees = abs(math.log(scale.median_s)) <= bound
    if bench.place.rank == 0:
        own, other = (statistics.median(each) for each in zip(*pairs, strict=True))
        bus = 2 * (bench.place.ranks - 1) / bench.place.ranks * size / 1e6
        print(
            f"{size_words(size):>8}  {1e3 * own:9.3f}  {1e3 * other:9.3f}  {bus / own:9.1f}"
            f"  {bus / other:9.1f}  {scale.median_s:6.3f}  {math.expm1(bound):7.1%}"
            f"  {'agrees' if agrees else 'DIFFERS'}",
            flush=True,
        )
    return agrees


def main() -> int:
    """Measure all sizes; 0 where both ways agree in all of them, else 3."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="bytes")
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=12.0, help="for each size")
    words = parser.parse_args()
    order = NetworkOrder(
        device=words.device, sizes_bytes=list(SIZES), pair_bytes=8, budget_s=60.0, seed=1
    )  # fmt: skip
    words.folder.mkdir(exist_ok=True)
    seat = seat_of(dict(os.environ))
    if ranks_here(words.device) > 1:
        print("this compares one rank a node", file=sys.stderr)
    store, _ = open_store(seat, words.folder, order.meet_s)
    place = Place(
        rank=seat.index, local=0, seats=take_places(store, seat, 1), node=seat.index
    )  # fmt: skip
    device = "cpu" if words.device == "cpu" else "cuda:0"
    join(order, place, store, device)
    watch = Watch(path=words.folder / f"{seat.node}.jsonl", end=lambda ended, error: None)
    bench = Bench(order=order, place=place, device=device, watch=watch)
    if place.rank == 0:
        print(f"all-reduce, {place.ranks} ranks, {'nccl' if device != 'cpu' else 'gloo'}")
        print("    size    ours, ms  plain, ms  bus, MB/s  bus, MB/s   ratio    noise")
    agree = [
        compare(bench, size, words.rounds, words.seconds) for size in SIZES if size <= words.largest
    ]
    dist.barrier()
    dist.destroy_process_group()
    return 0 if all(agree) else 3


if __name__ == "__main__":
    sys.exit(main())
