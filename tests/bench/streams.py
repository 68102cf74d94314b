"""Streams of samples with a known truth, as a process that measures would tell of them."""

import random
from collections.abc import Callable

from lab.bench.judge import Tally
from lab.bench.messages import CaseRequest, Sampled

# Seconds of one call, from the process's number, the round's and the draw.
Truth = Callable[[int, int, random.Random], float]


def tally_of(
    truth: Truth,
    *,
    processes: int = 5,
    rounds: int = 8,
    samples: int = 20,
    disturbed: float = 0.0,
    foreign_share: float = 0.01,
    steady: bool = True,
    seed: int = 1,
    calls: int = 10,
) -> Tally:
    """A tally of what processes would have sampled; a disturbed sample takes half as long again."""
    rng = random.Random(seed)
    tally = Tally(
        wanted=CaseRequest(name="matmul", params={"size": 512, "dtype": "float32"}), device="cpu",
        calls=calls, flop_per_call=2.0 * 512**3, bytes_per_call=3 * 512**2 * 4,
    )  # fmt: skip
    for process in range(processes):
        tally.steady.append(steady)
        for number in range(rounds):
            late = [rng.random() < disturbed for _ in range(samples)]
            durations = [calls * truth(process, number, rng) * (1.5 if x else 1) for x in late]
            block = Sampled(
                index=0, round=number, samples_s=durations, at_s=[0.1 * number] * samples,
                disturbances=["preempted" if x else None for x in late],
                foreign_share=foreign_share,
            )  # fmt: skip
            tally.add(block, process, 10.0 * process)
    return tally


def steady_truth(mean_s: float, *, process: float = 0.005, sample: float = 0.01) -> Truth:
    """Processes and samples that scatter by these shares around a mean."""

    def truth(number: int, round_number: int, rng: random.Random) -> float:
        own = random.Random(f"{mean_s}{number}").gauss(0, process)
        return mean_s * (1 + own) * (1 + abs(rng.gauss(0, sample)))

    return truth
