"""The lab on the host, or in Apptainer: a server in the background, found by the lock it holds.

The lock is on an open file that the server inherits. It lasts exactly as long as the server
lives, also where the command that started it is killed the moment after, or the server itself by
kill -9. Apptainer has no service that keeps a container; it hands that open file on, and its
container ends with the server.
"""

import fcntl
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec

from lab.errors import LabError, naming
from lab.paths import state
from lab.process import start_background
from lab.records.unreadable import UNREADABLE
from lab.server import sockets
from lab.server.address import Secret

# How the command line of a server in Apptainer names the state folder.
FOUND_BY = "--found-by"
# Those that keep a server so.
ENGINES = ("host", "apptainer")


class _Secret(Secret, frozen=True, kw_only=True):
    """What the server wrote of itself; a file that was damaged may say anything."""

    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    pid: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    started: Annotated[float, msgspec.Meta(ge=0, le=1e11)]
    work: str
    device: str
    runtime: Annotated[str, msgspec.Meta(pattern=r"^[^\x00]+$")]
    page: str
    image: str | None = None


@dataclass(frozen=True, kw_only=True)
class Background:
    """The server that runs, as it describes itself.

    Args:
        pid: its process, by the number that this machine has for it.
        image: the image file that it runs in; None on the host.
    """

    pid: int
    port: int
    token: str
    work: str
    device: str
    started_utc: str
    runtime: str
    page: str
    image: str | None


def folder() -> Path:
    """Where the server's lock, log and token are; only its user may look in."""
    return state() / "server"


def log_file() -> Path:
    """The server's log."""
    return folder() / "server.log"


def is_held() -> bool:
    """Whether a server lives (or is just being born)."""
    path = folder() / "lock"
    if not path.exists():
        return False
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def find(timeout_s: float = 0) -> Background | None:
    """Find the running server; waits for one that is being born to describe itself."""
    end = time.monotonic() + timeout_s
    while is_held():
        written = (folder() / "session.json").exists()
        secret = _read()
        if secret is not None and secret.image is None:
            return _describe(secret, secret.pid)
        if secret is not None and (numbers := lost()):
            return _describe(secret, numbers[0])  # the one that it has inside means nothing here
        if (written and secret is None) or time.monotonic() > end:
            return None  # it is written all at once: one that cannot be read now never can be
        time.sleep(0.05)
    return None


def _read() -> _Secret | None:
    """What the server wrote of itself; None where there is nothing, or nothing that can be read."""
    try:
        return msgspec.json.decode((folder() / "session.json").read_bytes(), type=_Secret)
    except (OSError, *UNREADABLE):
        return None


def _describe(secret: _Secret, pid: int) -> Background:
    started = datetime.fromtimestamp(secret.started, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Background(
        pid=pid, port=secret.port, token=secret.token, work=secret.work, device=secret.device,
        started_utc=started, runtime=secret.runtime, page=secret.page, image=secret.image,
    )  # fmt: skip


def lost() -> list[int]:
    """Process numbers of servers of this state folder, found without its files.

    Their session file cannot be read, or the folder was removed under them: they go on all the
    same.
    """
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if "lab.server.start" not in words[:4] or process.uids().real != os.getuid():
                continue  # whoever likes can have such a command line
            if _is_ours(words, process.environ):
                found.append(process.pid)
        except psutil.Error:  # it has ended, or is another user's
            continue
    return found


def _is_ours(words: list[str], variables: Callable[[], dict[str, str]]) -> bool:
    """Whether a server is of this state folder, by its command line or else its variables."""
    if FOUND_BY in words:  # in Apptainer, where its variables are the image's
        return words[words.index(FOUND_BY) + 1 :][:1] == [str(state())]
    if "--state" in words:  # a job of Slurm looks after its own, which is told another folder
        return False
    env = variables()
    return env.get("LAB_STATE") == str(state()) and env.get("LAB_RUNNER") != "image"


def start(argv: Sequence[str], variables: Mapping[str, str], work: Path, port: int) -> int:
    """Start the server and return its process number; `find` tells when it has described itself.

    Args:
        argv: its command line.
        variables: beside our own.
        work: the student's folder.
        port: that it is told to listen on.
    """
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    folder().chmod(0o700)
    clear_remains()
    lock = os.open(folder() / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with naming(log_file()), log_file().open("wb") as log:
            log_file().chmod(0o600)
            log.write(b"the lab's server, on port %d\n" % port)
            log.flush()  # a full disk is found out here, not by a server that cannot even say so
            env = {**os.environ, **variables}
            return start_background(argv, log=log, env=env, cwd=work, keep=lock)
    except BlockingIOError as error:
        raise LabError(
            "A lab is just being started by another command.",
            why="its lock is held, and it has not described itself yet",
            next_step="wait a moment, then ./inv status",
        ) from error
    finally:
        os.close(lock)


def clear_remains() -> None:
    """Remove what a server leaves that was killed: its token and its sockets' folder."""
    if is_held():
        return
    secret = _read()
    runtime = secret.runtime if secret and secret.image is None else ""
    sockets.clear(folder(), runtime)  # of one in a container it went with that
    (folder() / "session.json").unlink(missing_ok=True)


def stop(pid: int, grace_s: float = 10) -> None:
    """End the server gently, then by force; its kernels and terminals go with it."""
    end_family(pid, grace_s)
    clear_remains()


def end_family(pid: int, grace_s: float) -> None:
    """End a process gently, then with all that it started by force."""
    import psutil

    try:
        main = psutil.Process(pid)
        family = [main, *main.children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    for process in family[:1]:
        process.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(family, timeout=grace_s)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=5)


def last_lines(count: int = 12) -> str:
    """The end of the server's log."""
    try:
        text = log_file().read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-count:])
