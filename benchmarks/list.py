"""How long `./inv --list` takes from the second time on: the median of 20 calls, start of the
process included."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

INV = str(Path(__file__).resolve().parent.parent / "inv")
TARGET_S = 0.3


def one_s() -> float:
    """Seconds that one call takes."""
    begun = time.perf_counter()
    subprocess.run([INV, "--list"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


if __name__ == "__main__":
    one_s()  # the first call may make the runner's environment
    times = [one_s() for _ in range(20)]
    median = statistics.median(times)
    print(f"median of 20: {median:.3f} s, slowest {max(times):.3f} s (target: under {TARGET_S} s)")
    sys.exit(0 if median < TARGET_S else 3)
