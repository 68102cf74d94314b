"""The folder of a run: who was asked, which jobs there are, what the nodes left in it.

run.json              the nodes, written before anything is submitted
job.sh                the script of every job
jobs.jsonl            a line when an attempt is wanted, one before its submission, one after it
nodes/NODE/ATTEMPT/   begun, log.txt, result.json when it is done, ended; of bench, bench-….json too
network/              the measurement between the nodes: see network_folder.py
cluster.json          what was made of it
"""

import os
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from lab.cluster.attempt import Attempt, Entry, Purpose
from lab.cluster.batch import submission
from lab.errors import LabError, of_full_disk
from lab.paths import results, typed_path
from lab.records.cluster import Kind, Limits, Submitted
from lab.records.lines import append_line, read_lines
from lab.records.save import save, to_json
from lab.records.unreadable import UNREADABLE


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

    def with_limits(self, limits: Limits) -> "RunFolder":
        """The run with other limits, which whoever follows it from now on keeps to."""
        submitted = msgspec.structs.replace(self.submitted, limits=limits)
        save(to_json(submitted), self.path / "run.json")
        return RunFolder(path=self.path, submitted=submitted)

    def attempts(self) -> dict[str, list[Attempt]]:
        """Every node's attempts, in their order; a node without any has an empty list."""
        found: dict[str, dict[int, Entry]] = {node: {} for node in self.submitted.nodes}
        for entry in self._entries():
            if entry.node not in found:
                continue
            if entry.is_first:  # it may come after the submission by another command
                found[entry.node].setdefault(entry.attempt, entry)
            else:
                found[entry.node][entry.attempt] = entry
        return {
            node: [self.attempt_of(entries[number]) for number in sorted(entries)]
            for node, entries in found.items()
        }

    def attempt_of(self, entry: Entry) -> Attempt:
        """The attempt that an entry is of."""
        folder = self.attempt_folder(entry.node, entry.attempt)
        return Attempt(entry=entry, folder=folder, kind=self.kind)

    def attempt_folder(self, node: str, number: int) -> Path:
        """The folder of an attempt."""
        return self.path / "nodes" / node / str(number)

    def _entries(self) -> list[Entry]:
        return read_lines(self.path / "jobs.jsonl", Entry)

    def wanted(self) -> list[Attempt]:
        """The attempts that are still to be submitted."""
        return [a for attempts in self.attempts().values() for a in attempts if a.wanted]

    def want(self, nodes: Iterable[str], purpose: Purpose) -> None:
        """Note down that nodes are to be run once more; whoever follows the run submits them."""
        attempts = self.attempts()
        for node in nodes:
            if not any(a.wanted for a in attempts[node]):
                number = max((a.entry.attempt for a in attempts[node]), default=0) + 1
                self.note(Entry(node=node, attempt=number, purpose=purpose))

    def claim(self, wanted: Attempt, group: str) -> Entry | None:
        """Make the folder of an attempt and note down that it is about to be submitted.

        Returns:
            Its entry; None where another command made that attempt its own.
        """
        try:
            wanted.folder.mkdir(parents=True)
        except FileExistsError:
            return None
        except OSError as error:
            raise self._not_written(error) from error
        entry = msgspec.structs.replace(wanted.entry, group=group)
        self.note(entry)
        return entry

    def release(self, entry: Entry) -> None:
        """Give an attempt back that Slurm may take later."""
        self.note(msgspec.structs.replace(entry, group="", given_back=True))
        self.attempt_folder(entry.node, entry.attempt).rmdir()

    def note(self, entry: Entry) -> None:
        """Add a line to jobs.jsonl, in one write.

        Raises:
            LabError: it cannot be written.
        """
        try:
            append_line(self.path / "jobs.jsonl", entry)
        except OSError as error:
            raise self._not_written(error) from error

    def _not_written(self, error: OSError) -> LabError:
        return of_full_disk(error) or LabError(
            f"Nothing can be written to the folder of the run: {self.path}",
            why=str(error.strerror),
            next_step=(
                "who began it goes on with it; to look at it as it is:"
                f" ./inv {self.kind} --collect {self.path} --no-wait"
            ),
        )

    def script(self) -> str:
        """What every job of the run does.

        Raises:
            LabError: it cannot be read.
        """
        try:
            return (self.path / "job.sh").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise LabError(
                f"The script of the run's jobs cannot be read: {self.path / 'job.sh'}",
                why=str(error),
                next_step=f"measure anew: ./inv {self.kind} --nodes …",
            ) from error

    def submission(self, group: Sequence[Entry], after: str) -> list[str]:
        """The command line that submits attempts in one job."""
        return submission(
            self.script(), self.path, name=self.name, group=group[0].group,
            nodes={entry.node: entry.attempt for entry in group}, after=after,
            gpus=self.submitted.gpus.get(group[0].node, 0),
        )  # fmt: skip


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
    except UNREADABLE as error:
        raise LabError(
            f"{path / 'run.json'} is not a run on the nodes of a cluster.",
            why=str(error),
            next_step="name another run",
        ) from error


def _example() -> str:
    found: Sequence[Path] = sorted(results().glob("cluster-*/run.json"))
    return found[-1].parent.name if found else "cluster-20261127T101500Z-login1-4711"
