"""Runs of nodes, made up: what a test needs of them without measuring."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from lab.cluster.attempt import Purpose
from lab.cluster.batch import BEGUN, ENDED, RESULT
from lab.cluster.folder import RunFolder
from lab.records.bench import BenchReport, CaseResult, CgroupLimits, CpuFacts, Environment
from lab.records.cluster import Kind, Submitted
from lab.records.save import save, to_json

CALLS = 10


def case(
    time_s: float | None = 1e-3, *, name: str = "matmul", clock_hz: float | None = 3e9,
    pauses_s: float = 0.0, disturbed: Mapping[str, int] | None = None, reason: str | None = None,
) -> CaseResult:  # fmt: skip
    """A case with five rounds of four samples, the last of each longer by a pause."""
    rounds = [number for number in range(5) for _ in range(4)] if time_s else []
    samples = [
        (time_s or 0) * CALLS + (pauses_s if i % 4 == 3 else 0) for i, _ in enumerate(rounds)
    ]
    bad = sum((disturbed or {}).values())
    return CaseResult(
        name=name, params={"size": 256}, device="cpu", calls_per_sample=CALLS, samples_s=samples,
        clean=[i >= bad for i in range(len(rounds))], process=[0] * len(rounds), round=rounds,
        median_s=time_s, clock_hz=clock_hz, disturbances=dict(disturbed or {}),
        verdict="ok" if time_s else "not_run", reason=reason,
    )  # fmt: skip


def environment(*, cpus: float | None = None, torch: str = "2.13.0") -> Environment:
    return Environment(
        host="n", engine="host", torch=torch, threads=4, cgroup=CgroupLimits(cpus=cpus),
        cpu=CpuFacts(model="EPYC", cores=4, logical=4),
    )  # fmt: skip


def report(
    *cases: CaseResult, where: Environment | None = None, ended: str = "done"
) -> BenchReport:  # fmt: skip
    return BenchReport(
        argv=["bench"], started_utc="2026-11-27T10:00:00+00:00", duration_s=8.0, seed=1,
        level="quick", ended=ended, processes=1, environment=where or environment(),  # type: ignore[arg-type]
        cases=list(cases),
    )  # fmt: skip


class Run:
    """A run's folder, into which results are put as nodes would."""

    def __init__(
        self, path: Path, *nodes: str, floor_percent: float = 5.0, kind: Kind = "bench",
        **values: Any,
    ) -> None:  # fmt: skip
        submitted = Submitted(
            kind=kind, run="cluster-test", argv=["bench", "--nodes", "all"], nodes=list(nodes),
            submitted_utc="2026-11-27T10:00:00+00:00", floor_percent=floor_percent,
            **values,
        )  # fmt: skip
        (path / "nodes").mkdir(parents=True)
        save(to_json(submitted), path / "run.json")
        save("#!/bin/sh\n", path / "job.sh")
        self.folder = RunFolder(path=path, submitted=submitted)
        self._job = 0

    def submitted(self, node: str, *, purpose: Purpose = "first", error: str = "") -> Path:
        """An attempt that Slurm took, or did not."""
        self.folder.want([node], purpose)
        wanted = self.folder.attempts()[node][-1]
        entry = self.folder.claim(wanted, f"{node}/{wanted.entry.attempt}")
        assert entry is not None
        self._job += 1
        self.folder.note(replace(entry, job="" if error else str(self._job), error=error))
        return wanted.folder

    def wanted(self, node: str, *, purpose: Purpose = "first") -> None:
        """An attempt that nobody has submitted yet."""
        self.folder.want([node], purpose)

    def begun(self, node: str, *, purpose: Purpose = "first") -> Path:
        folder = self.submitted(node, purpose=purpose)
        (folder / BEGUN).write_text(f"{self._job}\n")
        return folder

    def done(self, node: str, run: Struct, *, purpose: Purpose = "first") -> Path:
        folder = self.begun(node, purpose=purpose)
        save(to_json(run, compact=True), folder / RESULT)
        (folder / ENDED).touch()
        return folder
