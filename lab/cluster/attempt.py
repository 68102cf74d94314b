"""One go at one node: what is noted of it, and what it leaves in its folder."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from msgspec.json import decode

from lab.cluster.batch import BEGUN, ENDED, GPUS, JOB_LOG, LOG, PART, RESULT
from lab.cluster.contents import READERS, Content
from lab.errors import LabError
from lab.records.cluster import Kind
from lab.records.gpu import GpuReport
from lab.records.unreadable import UNREADABLE

Purpose = Literal["first", "retry", "recheck"]
Record = TypeVar("Record", bound=msgspec.Struct)
_LOG_BYTES = 4096


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of jobs.jsonl: an attempt is wanted, is about to be submitted, was, or could not be.

    Args:
        node, attempt, purpose: what is to be done.
        group: of the job that it is part of, as Slurm has it in the job's comment; empty until
            somebody made it theirs to submit it.
        job: its number.
        error: why Slurm did not take it.
        end: the state of its job at its end, where its result is not there or not all of it:
            Slurm forgets jobs.
        given_back: whether it was somebody's, and is to be submitted after all.
    """

    node: str
    attempt: int
    purpose: Purpose
    group: str = ""
    job: str = ""
    error: str = ""
    end: str = ""
    given_back: bool = False

    @property
    def is_first(self) -> bool:
        """Whether it is the line that an attempt begins with, which two may write at once."""
        return not (self.group or self.job or self.error or self.end or self.given_back)


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
    def nodes(self) -> tuple[str, ...]:
        """The nodes that it is for."""
        return (self.entry.node,)

    @property
    def wanted(self) -> bool:
        """Whether it still is to be submitted, and nobody has made it theirs."""
        return not self.entry.group and not self.folder.exists()

    @property
    def done(self) -> bool:
        """Whether its result is there, which appears whole; or those of its GPUs, as far as they
        ever will be."""
        if (self.folder / RESULT).exists():
            return True
        there = [(part / RESULT).exists() for part in self.parts().values()]
        return (all(there) and bool(there)) or (any(there) and self.ended)

    @property
    def more_to_come(self) -> bool:
        """Whether its GPUs are to be read yet, after their results are there."""
        return bool(self.parts()) and not (self.folder / GPUS).exists() and not self.ended

    def parts(self) -> dict[str, Path]:
        """The folder of each GPU, where GPUs are measured."""
        if self.kind != "bench":
            return {}
        numbers = [int(path.name.removeprefix(PART)) for path in self.folder.glob(f"{PART}*")]
        return {f"cuda:{number}": self.folder / f"{PART}{number}" for number in sorted(numbers)}

    @property
    def ended(self) -> bool:
        """Whether its script came to its end, however that was."""
        return (self.folder / ENDED).exists()

    def begun(self) -> str:
        """The number of its job, once that has begun; else empty."""
        try:
            return (self.folder / BEGUN).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def content(self) -> Content | None:
        """What is in its results, or was kept until it was cut short; None where there is nothing.

        Raises:
            LabError: a file is damaged.
        """
        files = {device: self._file(part) for device, part in self._folders().items()}
        if not any(files.values()):
            return None
        reader = READERS[self.kind]
        reports = {
            device: self._decode(path, reader.read) if path is not None else None
            for device, path in files.items()
        }
        return reader.content(reports, self._gpus())

    def _folders(self) -> dict[str, Path]:
        one = {"": self.folder}
        return one if (self.folder / RESULT).exists() else self.parts() or one

    def _decode(self, path: Path, read: Callable[[bytes], Record]) -> Record:
        try:
            return read(path.read_bytes())
        except (OSError, *UNREADABLE) as error:
            raise LabError(
                f"The file {path} cannot be read.",
                why=str(error),
                next_step=f"./inv {self.kind} --retry RUN runs that node again",
            ) from error

    def _gpus(self) -> GpuReport | None:
        """What NVML said of its GPUs after the speed tests; it helps to say why one is slow."""
        path = self.folder / GPUS
        try:
            return self._decode(path, partial(decode, type=GpuReport)) if path.exists() else None
        except LabError:
            return None

    def result_files(self) -> list[Path]:
        """The files of its results, or of what there was when it was cut short."""
        files = (self._file(part) for part in self._folders().values())
        return [path for path in files if path is not None]

    def _file(self, folder: Path) -> Path | None:
        if (folder / RESULT).exists():
            return folder / RESULT
        kept = READERS[self.kind].kept
        return max(folder.glob(kept), default=None) if kept else None

    def last_words(self) -> str:
        """The end of what its job said: an error of the lab's own, the last line, or what srun said
        of its node."""
        lines = _last_lines(self.folder / LOG)
        if not lines and self.entry.group:
            said = _last_lines(self.folder.parents[1] / self.entry.group / JOB_LOG)
            lines = [line for line in said if re.search(rf"\b{re.escape(self.entry.node)}\b", line)]
        whys = [i for i, line in enumerate(lines) if line.startswith("why:")]
        if whys and whys[-1]:
            return f"{lines[whys[-1] - 1]} {lines[whys[-1]].removeprefix('why:').strip()}"
        return lines[-1] if lines else ""


def _last_lines(path: Path) -> list[str]:
    """The lines at the end of a file that are not empty; none where there is no such file."""
    try:
        with path.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - _LOG_BYTES, 0))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    return [line.strip() for line in lines if line.strip()]


def main_attempt(attempts: list[Attempt]) -> Attempt | None:
    """The attempt that stands for a node: the last that is done, else the last that had found
    something when it was cut short, else the last of all."""
    own = [attempt for attempt in attempts if attempt.entry.purpose != "recheck"]
    tests: tuple[Callable[[Attempt], bool], ...] = (
        lambda a: a.done,
        lambda a: len(own) > 1 and _has_found(a),
    )
    for good in tests:
        if found := [attempt for attempt in own if good(attempt)]:
            return found[-1]
    return own[-1] if own else None


def _has_found(attempt: Attempt) -> bool:
    try:
        content = attempt.content()
    except LabError:
        return False
    return content is not None and content.found


def recheck_of(attempts: list[Attempt]) -> Attempt | None:
    """The second run of a node that was slow in the one that stands for it."""
    main = main_attempt(attempts)
    later = [
        a for a in attempts
        if a.entry.purpose == "recheck" and main and a.entry.attempt > main.entry.attempt
    ]  # fmt: skip
    return later[-1] if later else None
