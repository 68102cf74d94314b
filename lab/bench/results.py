"""Keeps every run in a file of its own: written whole, at once, also while the run goes on."""

import os
import re
import socket
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from lab.errors import LabError
from lab.paths import results
from lab.records.bench import BenchReport, SelfTest
from lab.records.save import save, to_json
from lab.records.unreadable import UNREADABLE

# A longer sample was never waited for.
_MOST_S = 1e9
_FLOOR = "repeatability-floor.json"


def new_file(kind: str = "bench") -> Path:
    """A name for a run that nobody else has: its kind, its time in UTC, host and process.

    Raises:
        LabError: no folder for results can be made.
    """
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname().partition(".")[0])[:40]
    time = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return _folder() / f"{kind}-{time}-{host}-{os.getpid()}.json"


def check_folder() -> None:
    """See that runs can be kept, before anything is measured.

    Raises:
        LabError: there is no folder for them, and none can be made, or it cannot be written.
    """
    folder = _folder()
    if not os.access(folder, os.W_OK):
        raise _unusable(folder, "it cannot be written")


def _folder() -> Path:
    folder = results()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, str(error.strerror)) from error
    return folder


def _unusable(folder: Path, why: str) -> LabError:
    return LabError(
        f"Runs cannot be kept in {folder}.",
        why=why,
        next_step="name another folder: LAB_RESULTS=/path/to/folder ./inv bench",
    )


def keep(report: BenchReport | SelfTest, path: Path) -> None:
    """Write a run to its file; no moment shows half of it.

    Raises:
        LabError: it could not be written.
    """
    try:
        save(to_json(report, compact=True), path)
    except LabError as error:
        raise LabError(
            f"The run could not be kept in {path}.",
            why=error.why,
            next_step=f"free some space at {path.parent}; --output FILE writes a copy elsewhere",
        ) from error


def load(path: Path) -> BenchReport:
    """Read a run that was kept, or that `--json` or `--output` gave.

    Raises:
        LabError: there is none in this file.
    """
    try:
        return whole_report(path.read_bytes())
    except OSError as error:
        raise LabError(
            f"The run {path} cannot be read.",
            why=str(error.strerror),
            next_step=f"name a file of `inv bench`; it keeps them in {results()}",
        ) from error
    except UNREADABLE as error:
        raise LabError(
            f"{path} is not a run of `inv bench`.",
            why=str(error),
            next_step=f"name a file of `inv bench` (lab/bench/1); it keeps them in {results()}",
        ) from error


def whole_report(document: bytes) -> BenchReport:
    """A run from its JSON, whose samples belong together; a file that was changed may not be one.

    Raises:
        msgspec.DecodeError: it is none.
        UnicodeDecodeError: its text is none.
    """
    report = msgspec.json.decode(document, type=BenchReport)
    for case in report.cases:
        count = len(case.samples_s)
        if any(len(each) != count for each in (case.clean, case.process, case.round)):
            raise msgspec.ValidationError(f"the samples of {case.name} lack a part")
        durations = not count or 0 < min(case.samples_s) <= max(case.samples_s) < _MOST_S
        if count and (case.calls_per_sample < 1 or not durations):
            raise msgspec.ValidationError(f"the samples of {case.name} cannot be durations")
    return report


class Floor(msgspec.Struct, frozen=True, kw_only=True):
    """What `--selftest` found on a machine; version 1 of the schema is the first."""

    schema: str = "lab/floor/1"
    floor_percent: float
    measured_utc: str


def keep_floor(floor_percent: float, key: str, measured_utc: str) -> None:
    """Keep a machine's repeatability floor for later comparisons; `key` says machine and device."""
    floors = _floors()
    floors[key] = Floor(floor_percent=floor_percent, measured_utc=measured_utc)
    text = msgspec.json.format(msgspec.json.encode(floors), indent=2).decode()
    save(text, _folder() / _FLOOR)


def floor_of(key: str) -> float | None:
    """The floor that a machine's last self-test found; None where there was none."""
    found = _floors().get(key)
    return found.floor_percent if found else None


def _floors() -> dict[str, Floor]:
    try:
        return msgspec.json.decode((results() / _FLOOR).read_bytes(), type=dict[str, Floor])
    except (OSError, *UNREADABLE):  # the next self-test writes it anew
        return {}
