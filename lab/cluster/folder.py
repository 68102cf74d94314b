"""The folder of a run: who was asked, which jobs there are, what the nodes left in it.

run.json              the nodes, written before anything is submitted
job.sh                the script of every job
jobs.jsonl            a line before each submission, and one after it
nodes/NODE/ATTEMPT/   begun, log.txt, result.json when it is done; of bench, bench-….json until then
cluster.json          what was made of it
"""

import os
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from lab.cluster.batch import BEGUN, LOG, RESULT, submission
from lab.cluster.contents import READERS, Content
from lab.errors import LabError
from lab.paths import results, typed_path
from lab.records.cluster import Kind, Submitted
from lab.records.lines import append_line, read_lines
from lab.records.save import save, to_json

Purpose = Literal["first", "retry", "recheck"]
_LOG_BYTES = 4096


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of jobs.jsonl: an attempt is to be submitted, was, or could not be."""

    node: str
    attempt: int
    purpose: Purpose
    job: str = ""
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One go at one node, and what it left.

    Args:
        entry: what is known of its submission.
        folder: its own.
        kind: of its run.
    """

    entry: Entry
    folder: Path
    kind: Kind

    @property
    def done(self) -> bool:
        """Whether its result is there; it appears whole."""
        return (self.folder / RESULT).exists()

    def begun(self) -> str:
        """The number of its job, once that has begun; else empty."""
        try:
            return (self.folder / BEGUN).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def content(self) -> Content | None:
        """What is in its result, or was kept until it was cut short; None where there is nothing.

        Raises:
            LabError: the file is damaged.
        """
        path = self.result_file()
        if path is None:
            return None
        reader = READERS[self.kind]
        try:
            report = msgspec.json.decode(path.read_bytes(), type=reader.record)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise LabError(
                f"The file {path} cannot be read.",
                why=str(error),
                next_step=f"./inv {self.kind} --retry RUN runs that node again",
            ) from error
        return reader.content(report)

    def result_file(self) -> Path | None:
        """The file of its result, or of what there was when it was cut short."""
        if self.done:
            return self.folder / RESULT
        kept = READERS[self.kind].kept
        return max(self.folder.glob(kept), default=None) if kept else None

    def last_words(self) -> str:
        """The end of what its job said: an error of the lab's own, or the last line."""
        try:
            with (self.folder / LOG).open("rb") as file:
                file.seek(max(file.seek(0, os.SEEK_END) - _LOG_BYTES, 0))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        lines = [line.strip() for line in lines if line.strip()]
        whys = [i for i, line in enumerate(lines) if line.startswith("why:")]
        if whys and whys[-1]:
            return f"{lines[whys[-1] - 1]} {lines[whys[-1]].removeprefix('why:').strip()}"
        return lines[-1] if lines else ""


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """A run's folder on the file system that the nodes share."""

    path: Path
    submitted: Submitted

    @property
    def kind(self) -> Kind:
        """The task that its nodes run."""
        return self.submitted.kind

    @property
    def name(self) -> str:
        """Of the run, and of all its jobs."""
        return self.submitted.run

    def attempts(self) -> dict[str, list[Attempt]]:
        """Every node's attempts, in their order; a node without any has an empty list."""
        found: dict[str, dict[int, Entry]] = {node: {} for node in self.submitted.nodes}
        for entry in self._entries():
            if entry.node in found:
                found[entry.node][entry.attempt] = entry
        return {
            node: [self._with_folder(entries[number]) for number in sorted(entries)]
            for node, entries in found.items()
        }

    def _with_folder(self, entry: Entry) -> Attempt:
        folder = self._attempt(entry.node, entry.attempt)
        return Attempt(entry=entry, folder=folder, kind=self.kind)

    def _attempt(self, node: str, number: int) -> Path:
        return self.path / "nodes" / node / str(number)

    def _entries(self) -> list[Entry]:
        return read_lines(self.path / "jobs.jsonl", Entry)

    def claim(self, node: str, attempt: int, purpose: Purpose) -> Entry | None:
        """Make the folder of an attempt and note it down, before it is submitted.

        Returns:
            Its entry; None where another command made that attempt its own.
        """
        try:
            self._attempt(node, attempt).mkdir(parents=True)
        except FileExistsError:
            return None
        entry = Entry(node=node, attempt=attempt, purpose=purpose)
        self.note(entry)
        return entry

    def note(self, entry: Entry) -> None:
        """Add a line to jobs.jsonl, in one write."""
        append_line(self.path / "jobs.jsonl", entry)

    def submission(self, entry: Entry, after: str) -> list[str]:
        """The command line that submits an attempt."""
        script = (self.path / "job.sh").read_text(encoding="utf-8")
        return submission(self.name, self.path, script, entry.node, entry.attempt, after)


def new_name() -> str:
    """A name for a run that nobody else has: its time in UTC, host and process."""
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname().partition(".")[0])[:40]
    return f"cluster-{datetime.now(UTC).strftime('%Y%m%dT%H%M%SZ')}-{host}-{os.getpid()}"


def path_of(name: str) -> Path:
    """Where the folder of a new run is to be."""
    return results() / name


def make_folder(submitted: Submitted, script: str) -> RunFolder:
    """Write down what is to be submitted, before anything is.

    Raises:
        LabError: the folder cannot be made.
    """
    path = path_of(submitted.run)
    try:
        (path / "nodes").mkdir(parents=True)
    except OSError as error:
        raise LabError(
            f"The folder of the run cannot be made: {path}",
            why=str(error.strerror),
            next_step="name another folder that the nodes see: LAB_RESULTS=FOLDER ./inv …",
        ) from error
    save(script, path / "job.sh")
    save(to_json(submitted), path / "run.json")
    return RunFolder(path=path, submitted=submitted)


def open_folder(run: str) -> RunFolder:
    """Find a run by its name, or by the path of its folder.

    Raises:
        LabError: there is no such run.
    """
    named = results() / run
    path = named if "/" not in run and named.is_dir() else typed_path(run)
    try:
        document = (path / "run.json").read_bytes()
        return RunFolder(path=path, submitted=msgspec.json.decode(document, type=Submitted))
    except OSError as error:
        raise LabError(
            f"There is no run {run!r}.",
            why=f"{path / 'run.json'}: {error.strerror}",
            next_step=f"name one of {results()}, such as {_example()}, or the path of its folder",
        ) from error
    except msgspec.DecodeError as error:
        raise LabError(
            f"{path / 'run.json'} is not a run on the nodes of a cluster.",
            why=str(error),
            next_step="name another run",
        ) from error


def _example() -> str:
    found: Sequence[Path] = sorted(results().glob("cluster-*/run.json"))
    return found[-1].parent.name if found else "cluster-20261127T101500Z-login1-4711"
