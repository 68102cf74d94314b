"""Makes a report of a snapshot: numbers that only this system knows, verdicts, notes."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from lab.gpu.compatibility import (
    WHEEL_ARCHITECTURES,
    WHEEL_CUDA,
    judge_driver,
)
from lab.gpu.cuda_order import cuda_indices
from lab.gpu.host import in_container
from lab.gpu.judge import judge
from lab.gpu.snapshot import Snapshot
from lab.records.doctor import Verdict
from lab.records.gpu import Gpu, GpuReport, Place, Wheel


def make_report(
    snapshot: Snapshot, *, root: Path = Path("/"), environ: Mapping[str, str] = os.environ
) -> GpuReport:
    """A report of a snapshot that answers.

    Args:
        snapshot: as read.
        root: where /proc is.
        environ: variables of the environment.
    """
    wheel = judge_wheel(snapshot.driver_version)
    total, available = _system_memory(root)
    gpus = judge(_complete(snapshot.gpus, environ), wheel, snapshot.driver_version)
    place: Place = "container" if in_container(root) else "host"
    return GpuReport(
        read_utc=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        place=place, host=os.uname().nodename, verdict=worst(gpus),
        driver_version=snapshot.driver_version, cuda_version=_dotted(snapshot.cuda_version),
        nvml_version=snapshot.nvml_version, wheel=wheel, system_memory_total_bytes=total,
        system_memory_available_bytes=available, gpus=gpus, topology=snapshot.topology,
        notes=list(_notes(snapshot, wheel, environ)),
    )  # fmt: skip


def worst(gpus: Sequence[Gpu]) -> Verdict:
    """The worst verdict of some GPUs."""
    verdicts = {gpu.verdict for gpu in gpus}
    return "fail" if "fail" in verdicts else "warn" if "warn" in verdicts else "ok"


def judge_wheel(driver_version: str | None) -> Wheel:
    """Whether a driver runs the torch of the lab's cuda lock."""
    wheel = Wheel(
        cuda_version=".".join(map(str, WHEEL_CUDA)), architectures=list(WHEEL_ARCHITECTURES)
    )
    try:
        judged = judge_driver(driver_version or "")
    except ValueError:  # no version, or none that is numbers
        return wheel
    return replace(wheel, outcome=judged.outcome, least_driver=judged.least_driver)


def _dotted(cuda: int | None) -> str | None:
    """13000 is 13.0, 12080 is 12.8."""
    return None if cuda is None else f"{cuda // 1000}.{cuda % 1000 // 10}"


def _complete(gpus: Sequence[Gpu], environ: Mapping[str, str]) -> list[Gpu]:
    """The GPUs with CUDA's numbers, and with what is known of their kind of memory."""
    numbers = cuda_indices(gpus, environ)
    completed = []
    for gpu in gpus:
        number, missing = numbers[gpu.index], dict(gpu.missing)
        if isinstance(number, str):
            missing["cuda_index"] = number
        completed.append(
            replace(
                gpu,
                cuda_index=number if isinstance(number, int) else None,
                missing=missing,
                memory=_kind_of_memory(gpu),
                unreadable=gpu.unreadable or ("lost" if "lost" in missing.values() else None),
            )
        )
    return completed


def _kind_of_memory(gpu: Gpu) -> str | None:
    if gpu.memory_total_bytes is not None:
        return "own"
    return "unified" if gpu.missing.get("memory_total_bytes") == "not_supported" else None


def _system_memory(root: Path) -> tuple[int | None, int | None]:
    """Total and available memory of the system in bytes, from /proc/meminfo."""
    try:
        text = (root / "proc/meminfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None, None
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return _kib(lines.get("MemTotal")), _kib(lines.get("MemAvailable"))


def _kib(words: str | None) -> int | None:
    """`  24684084 kB` in bytes."""
    number = (words or "").split()[:1]
    return int(number[0]) * 1024 if number and number[0].isdigit() else None


def _notes(snapshot: Snapshot, wheel: Wheel, environ: Mapping[str, str]) -> list[str]:
    notes = []
    if wheel.outcome == "minor":
        notes.append(
            f"driver {snapshot.driver_version} runs torch's CUDA {wheel.cuda_version} by minor"
            " version compatibility: code compiled on the spot (PTX) may fail;"
            f" {wheel.least_driver} has it"
        )
    if environ.get("LAB_IMAGE_DEVICE") == "cpu":
        notes.append("this image's torch computes on the CPU; the lab's cuda image uses the GPUs")
    return notes
