"""The folder of a lab on a node of a cluster, on the file system that the node shares.

slurm/lab.json               which lab is the last one, and its job; written before it is submitted
slurm/NAME/job.sh            the script of its job
slurm/NAME/order.json        what the node is to start
slurm/NAME/log.txt           what the job and its server say
slurm/NAME/node.json         how far the node is, and the page's token
slurm/NAME/server/           the server's own files

Only its user may look in. What is written in it appears whole.
"""

import re
import secrets
import shutil
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from lab.errors import LabError
from lab.paths import state
from lab.records.save import to_json
from lab.records.unreadable import UNREADABLE
from lab.whole import write_whole

Phase = Literal["starting", "running", "unhealthy", "failed", "ended"]
Kind = TypeVar("Kind", bound=msgspec.Struct)


class Last(msgspec.Struct, frozen=True, kw_only=True):
    """Which lab was the last one through Slurm.

    Args:
        name: of its job and its folder; no other has it.
        job: the job's number; empty until Slurm has given one, which a client that was killed may
            not have heard.
        stopped: whether it was ended with `inv stop`.
    """

    name: str
    job: str = ""
    stopped: bool = False


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What the node is to start.

    Args:
        name: of the lab.
        work: the student's folder.
        engine, device, image: as `inv lab` takes them.
        port: to listen on; None takes a free one of the node's.
        submitted_utc: when it was written.
        ssh: options that bring the user's own machine to the node.
    """

    name: str
    work: str
    engine: str
    device: str
    image: str | None = None
    port: int | None = None
    submitted_utc: str
    ssh: str = ""


class OnNode(msgspec.Struct, frozen=True, kw_only=True):
    """What the node says of itself.

    Args:
        phase: how far it is.
        node, job: its name and the number of the job, in Slurm.
        port, token, page: of the server, once it answers.
        note: what is the matter with a lab that is unhealthy, or why it ended.
        failed: the three parts of the error that kept it from starting.
    """

    phase: Phase
    node: str
    job: str
    port: int | None = None
    token: str = ""
    page: str = ""
    note: str = ""
    failed: tuple[str, str, str] | None = None


def new_name() -> str:
    """A name that no other lab has, and that nobody else can foresee."""
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname().partition(".")[0])[:40]
    return f"lab-{datetime.now(UTC).strftime('%Y%m%dT%H%M%SZ')}-{host}-{secrets.token_hex(4)}"


def root() -> Path:
    """Where labs on nodes have their folders."""
    return state() / "slurm"


def folder_of(name: str) -> Path:
    """The folder of one lab."""
    return root() / name


def make_folder(order: Order, script: str) -> Path:
    """Make the folder of a new lab; those of earlier ones are removed.

    Raises:
        LabError: it cannot be made.
    """
    path = folder_of(order.name)
    try:
        root().mkdir(mode=0o700, parents=True, exist_ok=True)
        root().chmod(0o700)
        for old in root().glob("lab-*"):
            shutil.rmtree(old, ignore_errors=True)
        path.mkdir(mode=0o700)
        write_whole(path / "job.sh", script.encode(), mode=0o600)
        write(path / "order.json", order)
    except OSError as error:
        raise LabError(
            f"The folder of the lab cannot be made: {path}",
            why=str(error.strerror),
            next_step="name another one that the nodes see: LAB_STATE=FOLDER ./inv lab --slurm",
        ) from error
    return path


def write(path: Path, record: msgspec.Struct) -> None:
    """Write a record for this user's eyes alone."""
    write_whole(path, to_json(record).encode(), mode=0o600)


def read(path: Path, kind: type[Kind]) -> Kind | None:
    """Read a record; None where there is none, or none that can be understood."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, *UNREADABLE):
        return None


def read_last() -> Last | None:
    """The last lab through Slurm; None where there was none.

    Raises:
        LabError: its file is damaged: a job of it may run.
    """
    path = root() / "lab.json"
    last = read(path, Last)
    if last is None and path.exists():
        raise LabError(
            "Which lab was started through Slurm cannot be read.",
            why=f"{path} is damaged",
            next_step=f"`squeue --me` shows its job; remove the file: rm '{path}'",
        )
    return last


def write_last(last: Last) -> None:
    """Write down which lab is the last one."""
    write(root() / "lab.json", last)


def log_file() -> Path | None:
    """The log of the last lab; None where it has not said a word."""
    last = read_last()
    path = folder_of(last.name) / "log.txt" if last else None
    return path if path and path.exists() else None


def is_open() -> bool:
    """Whether the last lab may wait or run, or is over and nobody has heard it yet."""
    last = read_last()
    return last is not None and not last.stopped


def seen_mark(order: Order) -> Path:
    """A file in the student's folder by which the node knows that it is the same folder."""
    return Path(order.work) / ".lab" / f"{order.name}.seen"


def last_words(name: str, count: int = 12) -> str:
    """The end of a lab's log."""
    try:
        text = (folder_of(name) / "log.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-count:])
