"""How far the reported figure scatters over fresh processes, beside torch.utils.benchmark at equal
time.

The product of two float32 matrices, (512, 512) @ (512, 512), each figure from a fresh process: `inv
bench`, then torch.utils.benchmark's blocked_autorange for as long as `inv bench` sampled, in turn,
eight times; once on the machine as it is, and once with a program that keeps the last core busy.
Then one process sets the lab's figure beside the best of many plain loops over the same product.
Run it with the lab's own Python, from the clone:

    ./inv shell --engine host --command "python $PWD/benchmarks/repeatability.py"

Ends with 3 when the spread is more than half of blocked_autorange's, or the rate under 0.98 of the
best loop's."""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SIZE = 512
FLOP = 2 * SIZE**3
LOOP_CALLS = 200
"""Of one plain loop: a quarter of a second here, as long as a round of the lab's."""
MOST_SPREAD = 0.5
LEAST_RATE = 0.98


def spread(values: list[float]) -> float:
    """Coefficient of variation: standard deviation over mean."""
    return statistics.stdev(values) / statistics.fmean(values)


@contextmanager
def load(on: bool) -> Iterator[None]:
    """Keep the last core busy, where asked for."""
    if not on:
        yield
        return
    core = max(os.sched_getaffinity(0))
    code = (
        f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile os.getppid() == {os.getpid()}:\n"
        " for _ in range(10**6): pass"
    )
    burner = subprocess.Popen([sys.executable, "-c", code])
    try:
        yield
    finally:
        burner.kill()
        burner.wait()


def lab(budget_s: float) -> dict[str, object]:
    """The case that `inv bench` reports from one fresh process."""
    done = subprocess.run(
        [
            str(ROOT / "inv"), "bench", "--engine", "host", "--device", "cpu", "--quick",
            "--only", "matmul", "--size", str(SIZE), "--dtype", "float32",
            "--budget", f"{budget_s:g}", "--json",
        ],
        stdout=subprocess.PIPE, text=True, check=True,
        env={**os.environ, "LAB_STATE": os.environ.get("LAB_STATE", str(ROOT / ".lab"))},
    )  # fmt: skip
    case: dict[str, object] = json.loads(done.stdout)["cases"][0]
    return case


def peer_here(seconds: float) -> float:
    """Median of torch.utils.benchmark's blocked_autorange, in this process."""
    import torch
    from torch.utils.benchmark import Timer

    a, b = torch.randn(2, SIZE, SIZE)
    timer = Timer(
        "torch.mm(a, b, out=c)", globals={"torch": torch, "a": a, "b": b, "c": torch.empty_like(a)},
        num_threads=torch.get_num_threads(),
    )  # fmt: skip
    return float(timer.blocked_autorange(min_run_time=seconds).median)


def best_loop_here(seconds: float) -> tuple[float | None, float]:
    """The lab's figure, and the best of many plain loops that ran between its rounds; seconds a
    call."""
    import torch

    from lab.bench.case import discover
    from lab.bench.sampler import Subject, calibrate, measure, warm_up
    from lab.bench.timer import HostTimer

    workload = discover()["matmul"].prepare(device="cpu", size=SIZE, dtype="float32", cache="hot")
    timer, subject = HostTimer(), Subject(index=0, workload=workload)
    calibrate(subject, timer)
    warm_up(subject, timer, 5)
    a, b = torch.randn(2, SIZE, SIZE)
    out = torch.empty_like(a)
    best = float("inf")
    for _ in measure(
        [subject], timer, end_s=time.monotonic() + seconds, precision=0.0, order=random.Random(1)
    ):
        begin = time.perf_counter()
        for _ in range(LOOP_CALLS):
            torch.mm(a, b, out=out)
        best = min(best, (time.perf_counter() - begin) / LOOP_CALLS)
    return statistics.median(subject.estimates) if subject.estimates else None, best


def fresh(what: str, seconds: float) -> list[float]:
    """Run one of the functions above in a fresh process."""
    done = subprocess.run(
        [sys.executable, __file__, "--in-this-process", what, "--seconds", f"{seconds:g}"],
        stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    values: list[float] = json.loads(done.stdout)
    return values


def scatter(runs: int, budget_s: float, *, busy: bool) -> dict[str, object]:
    """Both figures from so many fresh processes, in turn."""
    ours: list[float] = []
    theirs: list[float] = []
    verdicts: list[object] = []
    percents: list[float] = []
    with load(busy):
        for number in range(runs):
            case = lab(budget_s)
            samples = case["samples_s"]
            assert isinstance(samples, list)
            sampled = sum(samples)
            if isinstance(case["median_s"], float):
                ours.append(case["median_s"])
            if isinstance(case["percent_of_peak"], float):
                percents.append(case["percent_of_peak"])
            theirs += fresh("peer", sampled)
            verdicts.append(case["verdict"])
            print(
                f"{'busy' if busy else 'as it is'} {number + 1}: inv bench"
                f" {FLOP / ours[-1] / 1e9 if case['median_s'] else 0:.1f} GFLOP/s"
                f" ({case['verdict']}), blocked_autorange {FLOP / theirs[-1] / 1e9:.1f} GFLOP/s,"
                f" {sampled:.1f} s each",
                file=sys.stderr,
            )
    enough = len(ours) == runs
    return {
        "busy": busy, "lab_s": ours, "peer_s": theirs, "verdicts": verdicts,
        "lab_spread": spread(ours) if enough else None, "peer_spread": spread(theirs),
        "percent_of_peak": percents,
        "percent_of_peak_spread": spread(percents) if len(percents) == runs else None,
        "ratio": spread(ours) / spread(theirs) if enough else None,
    }  # fmt: skip


def _share(value: object) -> str:
    return f"{100 * value:.1f} %" if isinstance(value, float) else "no figure"


def main() -> int:
    """Measure and print; 0 when both targets are reached, else 3."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=8, help="fresh processes of each")
    parser.add_argument("--budget", type=float, default=5, help="seconds of one inv bench")
    parser.add_argument("--json", action="store_true", help="print JSON alone on standard output")
    parser.add_argument("--in-this-process", choices=("peer", "loop"), help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_this_process == "peer":
        print(json.dumps([peer_here(options.seconds)]))
        return 0
    if options.in_this_process == "loop":
        print(json.dumps(best_loop_here(options.seconds)))
        return 0
    results = [scatter(options.runs, options.budget, busy=busy) for busy in (False, True)]
    figure, best = fresh("loop", 8)
    rate = best / figure if figure else None
    document = {"scatter": results, "figure_s": figure, "best_loop_s": best, "of_best_loop": rate}
    if options.json:
        print(json.dumps(document, indent=2))
    else:
        for result in results:
            print(
                f"{'with a load on one core' if result['busy'] else 'as the machine is'}: spread"
                f" {_share(result['lab_spread'])}, blocked_autorange's"
                f" {_share(result['peer_spread'])}, ratio {_share(result['ratio'])}"
                f" (target: at most {_share(MOST_SPREAD)}); of the percentage of the peak at the"
                f" clock seen {_share(result['percent_of_peak_spread'])}"
            )
        print(f"rate beside the best plain loop: {rate or 0:.3f} (target: at least {LEAST_RATE})")
    reached = rate is not None and rate >= LEAST_RATE
    for result in results:
        ratio = result["ratio"]
        reached = reached and isinstance(ratio, float) and ratio <= MOST_SPREAD
    return 0 if reached else 3


if __name__ == "__main__":
    sys.exit(main())
