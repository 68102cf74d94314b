"""What taking a sample costs, as a share of the least duration that a sample has.

Samples of an empty call, as `inv bench` takes them: what such a sample lasts is what its clock
readings add to every sample's duration, and how long it takes to have it is what the counters
around it cost. Run it with the lab's own Python, from the clone:

    ./inv shell --engine host --command "python $PWD/benchmarks/overhead.py"

Ends with 3 when either is 1 % or more.
"""

import json
import statistics
import sys
import time

from lab.bench.case import Workload
from lab.bench.timer import HostTimer

SAMPLES = 20_000
TARGET = 0.01


def nothing() -> None:
    """An empty call."""


def main() -> int:
    """Measure and print; 0 when both are under 1 %, else 3."""
    timer, workload = HostTimer(), Workload(run=nothing)
    least_s = timer.least_s()
    inside, around = [], []
    for _ in range(SAMPLES):
        begin = time.perf_counter()
        sample = timer.sample(workload, 1)
        around.append(time.perf_counter() - begin)
        inside.append(sample.duration_s)
    shares = {
        "inside": statistics.median(inside) / least_s,
        # The mean: now and then a counter has to be read from files, and that belongs to it.
        "around": statistics.fmean(around) / least_s,
    }
    if "--json" in sys.argv:
        print(json.dumps({"sample_s": least_s, **shares}))
    else:
        print(
            f"of a sample of {1e3 * least_s:g} ms, its own clock readings are"
            f" {shares['inside']:.4%}; taking it costs {shares['around']:.3%} more time (target:"
            f" under {TARGET:.0%} each)"
        )
    return 0 if max(shares.values()) < TARGET else 3


if __name__ == "__main__":
    sys.exit(main())
