"""How long `inv gpu` takes for eight GPUs, beside a bare invoke task that only reads the same
values with nvidia-ml-py, and beside `nvitop -1` and `gpustat`.

All read the simulated driver of the tests (gcc and Debian's libcjson-dev build it), each as a whole
process, in turn, in one run of this script: a warm-up of each that is not counted, then 20 rounds.
From the clone:

    .lab/runner-$(uname -s)-$(uname -m)/bin/python benchmarks/gpu.py

Ends with 3 when the median of `inv gpu` is more than 1.3 times the bare task's.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lab.gpu.fields import FIELDS
from lab.locks.install import ensure_environment
from tests.nvml import scenarios
from tests.nvml.library import Driver, build

TARGET = 1.3
ROUNDS = 20
GPUS = 8

# What a person would write to have these values: one call after the other, no verdict, no table.
BARE = '''
from invoke import task

CALLS = {calls!r}


@task
def gpu(context):
    """Read the values of all GPUs and print them."""
    import json

    import pynvml as n

    def ask(name, *arguments):
        try:
            return getattr(n, name)(*arguments)
        except n.NVMLError as error:
            return str(error)

    n.nvmlInit()
    system = [ask("nvmlSystemGetDriverVersion"), ask("nvmlSystemGetCudaDriverVersion_v2")]
    handles = [n.nvmlDeviceGetHandleByIndex(i) for i in range(n.nvmlDeviceGetCount())]
    gpus = []
    for handle in handles:
        values = [
            ask(name, handle, *[getattr(n, a) if isinstance(a, str) else a for a in rest])
            for name, *rest in CALLS
        ]
        values += [ask("nvmlDeviceGetNumFans", handle)]
        values += [ask("nvmlDeviceGetFieldValues", handle, [82])]
        for link in range(36):
            state = ask("nvmlDeviceGetNvLinkState", handle, link)
            if isinstance(state, str):
                break
            values += [state, ask("nvmlDeviceGetNvLinkVersion", handle, link)]
            values += [ask("nvmlDeviceGetNvLinkRemoteDeviceType", handle, link)]
            values += [ask("nvmlDeviceGetNvLinkRemotePciInfo", handle, link)]
            values += [ask("nvmlDeviceGetNvLinkErrorCounter", handle, link, c) for c in range(4)]
        values += [
            ask("nvmlDeviceGetMigDeviceHandleByIndex", handle, i)
            for i in range(n.nvmlDeviceGetMaxMigDeviceCount(handle))
        ]
        for kind in ("Compute", "Graphics", "MPSCompute"):
            values += [ask(f"nvmlDeviceGet{{kind}}RunningProcesses", handle)]
        values += [ask("nvmlDeviceGetProcessUtilization", handle, 0)]
        gpus.append(values)
    pairs = [
        [ask("nvmlDeviceGetTopologyCommonAncestor", a, b), ask("nvmlDeviceGetP2PStatus", a, b, 0),
         ask("nvmlDeviceGetP2PStatus", a, b, 2)]
        for i, a in enumerate(handles) for b in handles[i + 1:]
    ]
    print(json.dumps([system, gpus, pairs], default=str))
'''


def commands(folder: Path) -> dict[str, list[str]]:
    """What is timed, by name."""
    calls = list(dict.fromkeys(f.calls[0] for f in FIELDS if not f.slow))
    (folder / "tasks.py").write_text(BARE.format(calls=calls))
    peers = ensure_environment("peers", say=print) / "bin"
    return {
        "bare": [sys.executable, "-m", "invoke", "--search-root", str(folder), "gpu"],
        "inv gpu": [str(ROOT / "inv"), "gpu"],
        "inv gpu --json": [str(ROOT / "inv"), "gpu", "--json"],
        "nvitop -1": [str(peers / "nvitop"), "-1"],
        "gpustat": [str(peers / "gpustat")],
    }


def one_s(command: list[str], env: Mapping[str, str]) -> float:
    """Seconds that one call takes."""
    begun = time.perf_counter()
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def main() -> int:
    """Time all of them in turn, and print their medians."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        driver = Driver(build(folder / "driver"), scenarios.healthy(GPUS), folder / "driver")
        env = {**os.environ, **driver.variables}
        timed = commands(folder)
        times: dict[str, list[float]] = {name: [] for name in timed}
        for number in range(ROUNDS + 1):
            for name, command in timed.items():
                seconds = one_s(command, env)
                if number:  # the first round warms up
                    times[name].append(seconds)
    bare = statistics.median(times["bare"])
    for name, seconds in times.items():
        median = statistics.median(seconds)
        print(
            f"{name:<15} {median:.3f} s, {median / bare:.2f} times bare; fastest {min(seconds):.3f}"
        )
    ratio = statistics.median(times["inv gpu"]) / bare
    print(f"median of {ROUNDS}, {GPUS} GPUs; target: at most {TARGET} times the bare task")
    return 0 if ratio <= TARGET else 3


if __name__ == "__main__":
    sys.exit(main())
