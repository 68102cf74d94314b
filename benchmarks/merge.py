"""Merging the results of many nodes: seconds and the most memory that it takes, from 10 nodes on.

Makes the folder of a run with a `lab/bench/1` file for each node, as large as a run of
`./inv bench --quick` is (18 cases, 32 samples each) or one with the default budget (45 cases in
five processes, 320 samples each), and merges it as `./inv bench --collect` does. Each merge is a
process of its own, so that the generator's memory does not count. Run it in the runner's or the
lab's environment: `python benchmarks/merge.py`; three minutes, 2 GB of temporary files. Ends with 3
where 1,000 nodes take 5 s or more.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lab.cluster.attempt import Entry
from lab.cluster.batch import BEGUN, RESULT
from lab.cluster.folder import open_folder
from lab.cluster.look import Jobs
from lab.cluster.merge import merge
from lab.records.bench import BenchReport, CaseResult, CgroupLimits, CpuFacts, Environment
from lab.records.cluster import Submitted
from lab.records.save import to_json
from lab.render.cluster_page.page import cluster_page

TARGET_S = 5.0
TARGET_NODES = 1_000
CALLS = 10


class Shape(NamedTuple):
    """How large a node's run is."""

    name: str
    cases: int
    processes: int
    rounds: int
    samples: int


QUICK = Shape("quick", 18, 1, 8, 4)
DEFAULT = Shape("default", 45, 5, 8, 8)
RUNS = ((QUICK, 10), (QUICK, 100), (QUICK, 1_000), (QUICK, 10_000), (DEFAULT, 10), (DEFAULT, 1_000))


def make_run(path: Path, nodes: int, shape: Shape, seed: int = 0) -> None:
    """The folder of a run that is over: one node in a hundred is slow, as many set up otherwise.

    A sample varies by 1 % within a round, rounds by 1 %, nodes by 1 %; a slow node takes 1.4 times
    as long in every case.
    """
    chance = random.Random(seed)
    names = [f"n{number}" for number in range(1, nodes + 1)]
    submitted = Submitted(
        run=path.name, argv=["bench", "--nodes", "all"], nodes=names, floor_percent=5.0,
        submitted_utc="2026-11-27T10:00:00+00:00",
    )  # fmt: skip
    (path / "nodes").mkdir(parents=True)
    (path / "run.json").write_text(to_json(submitted))
    (path / "job.sh").write_text("#!/bin/sh\n")
    run = open_folder(str(path))
    for number, node in enumerate(names, 1):
        run.note(Entry(node=node, attempt=1, purpose="first", group=node, job=str(number)))
        folder = path / "nodes" / node / "1"
        folder.mkdir(parents=True)
        (folder / BEGUN).write_text(f"{number}\n")
        report = make_report(chance, shape, node, number)
        (folder / RESULT).write_text(to_json(report, compact=True))


def make_report(chance: random.Random, shape: Shape, node: str, number: int) -> BenchReport:
    """A node's run."""
    slow = 1.4 if number % 100 == 7 else 1.0
    environment = Environment(
        host=node, engine="host", platform="Linux-x86_64", python="3.11.2", torch="2.13.0+cpu",
        threads=2, interop_threads=1, matmul_precision="highest", cgroup=CgroupLimits(),
        lock_sha256="0" * 64, cpu=CpuFacts(model="EPYC", cores=1 if number % 100 == 9 else 2,
                                           logical=2, isa="avx512", clock_hz=3.7e9),
    )  # fmt: skip
    return BenchReport(
        argv=["bench", f"--{shape.name}"], started_utc="2026-11-27T10:00:00+00:00", duration_s=40.0,
        seed=1, level=shape.name, ended="done", processes=shape.processes, environment=environment,
        cases=[_case(chance, shape, index, slow) for index in range(shape.cases)],
    )  # fmt: skip


def _case(chance: random.Random, shape: Shape, index: int, slow: float) -> CaseResult:
    time_s = 1e-6 * 1.3**index * slow * chance.gauss(1, 0.01)
    process = [p for p in range(shape.processes) for _ in range(shape.rounds * shape.samples)]
    rounds = [
        r for _ in range(shape.processes) for r in range(shape.rounds) for _ in range(shape.samples)
    ]
    levels = [time_s * CALLS * chance.gauss(1, 0.01) for _ in range(shape.processes * shape.rounds)]
    samples = [
        round(level * chance.gauss(1, 0.01), 10) for level in levels for _ in range(shape.samples)
    ]
    return CaseResult(
        name=("matmul", "memory", "conv2d", "attention", "training")[index % 5],
        params={"size": 2 ** (5 + index // 5), "dtype": "float32"}, device="cpu",
        calls_per_sample=CALLS, samples_s=samples, clean=[True] * len(samples), process=process,
        round=rounds, at_s=[round(0.01 * i, 4) for i in range(len(samples))], median_s=time_s,
        p10_s=time_s, p90_s=time_s, ci95_s=(time_s, time_s), clock_hz=3.7e9,
        interval_over="rounds" if shape.processes == 1 else "processes", verdict="ok",
    )  # fmt: skip


class Merged(NamedTuple):
    """What a merge took."""

    seconds: float
    cpu_s: float
    peak_mib: float
    record_bytes: int
    page_bytes: int
    page_s: float
    slow: int


def merge_one(path: Path) -> Merged:
    """Merge a run, in this process; then make the page of it."""
    begun = time.perf_counter()
    worked = time.process_time()
    report = merge(open_folder(str(path)), Jobs())
    record = to_json(report, compact=True)
    seconds, cpu_s = time.perf_counter() - begun, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    begun = time.perf_counter()
    page = cluster_page(report, {})
    return Merged(
        seconds=seconds, cpu_s=cpu_s, peak_mib=peak, record_bytes=len(record),
        page_bytes=len(page.encode()), page_s=time.perf_counter() - begun,
        slow=sum(node.verdict in ("suspect", "straggler") for node in report.nodes),
    )  # fmt: skip


def measure(path: Path) -> Merged:
    """Merge a run in a fresh process."""
    argv = [sys.executable, __file__, "--merge", str(path)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    return Merged(*json.loads(done.stdout))


def main() -> int:
    """Make runs, merge them, print a line for each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--merge", type=Path, help="merge this run; what the benchmark calls")
    parser.add_argument("--most", type=int, default=10_000, help="leave larger runs out")
    asked = parser.parse_args()
    if asked.merge:
        print(json.dumps(merge_one(asked.merge)))
        return 0
    print("run      nodes  files      merge    on CPU   peak       record   page     made     slow")
    late = False
    for shape, nodes in RUNS:
        if nodes > asked.most:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "cluster-made"
            make_run(path, nodes, shape)
            size = sum(file.stat().st_size for file in path.glob(f"nodes/*/1/{RESULT}"))
            found = [measure(path) for _ in range(3)]
        best = min(found)
        late |= nodes == TARGET_NODES and best.seconds >= TARGET_S
        print(
            f"{shape.name:<7} {nodes:>6}  {size / 2**20:>5.0f} MiB {best.seconds:>6.2f} s"
            f"  {best.cpu_s:>6.2f} s  {best.peak_mib:>4.0f} MiB"
            f"  {best.record_bytes / 2**20:>4.1f} MiB {best.page_bytes / 2**20:>4.2f} MiB"
            f"  {best.page_s:>5.2f} s   {best.slow:>4}",
            flush=True,
        )
    print(f"the best of three; target: {TARGET_NODES} nodes under {TARGET_S:g} s")
    return 3 if late else 0


if __name__ == "__main__":
    sys.exit(main())
