"""The lab on the host: a server in the background, found again by the lock that it holds.

The lock is on an open file that the server inherits. It lasts exactly as long as the server
lives, also
where the command that started it is killed the moment after, or the server itself by kill -9.
"""

import fcntl
import os
import signal
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec

from lab.engines import host
from lab.engines.request import LaunchRequest
from lab.errors import LabError, naming
from lab.paths import ROOT, state
from lab.process import start_background
from lab.records.unreadable import UNREADABLE
from lab.server import sockets
from lab.server.address import Secret


class _Secret(Secret, frozen=True, kw_only=True):
    """What the server wrote of itself; a file that was damaged may say anything."""

    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    pid: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    started: Annotated[float, msgspec.Meta(ge=0, le=1e11)]
    work: str
    device: str
    runtime: Annotated[str, msgspec.Meta(pattern=r"^[^\x00]+$")]


@dataclass(frozen=True, kw_only=True)
class Background:
    """The server that runs on the host, as it describes itself."""

    pid: int
    port: int
    token: str
    work: str
    device: str
    started_utc: str
    runtime: str
    page: str


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
        if secret is not None:
            return _describe(secret)
        if written or time.monotonic() > end:
            return None  # it is written all at once: one that cannot be read now never can be
        time.sleep(0.05)
    return None


def _read() -> _Secret | None:
    """What the server wrote of itself; None where there is nothing, or nothing that can be read."""
    try:
        return msgspec.json.decode((folder() / "session.json").read_bytes(), type=_Secret)
    except (OSError, *UNREADABLE):
        return None


def _describe(secret: _Secret) -> Background:
    started = datetime.fromtimestamp(secret.started, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Background(
        pid=secret.pid, port=secret.port, token=secret.token, work=secret.work,
        device=secret.device, started_utc=started, runtime=secret.runtime, page=secret.page,
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
            # A job of Slurm looks after its own, which is told another folder.
            if "lab.server.start" not in words[:4] or "--state" in words:
                continue
            env = process.environ()
            if env.get("LAB_STATE") == str(state()) and env.get("LAB_RUNNER") != "image":
                found.append(process.pid)
        except psutil.Error:  # it has ended, or is another user's
            continue
    return found


def arguments(request: LaunchRequest, environment: Path, port: int) -> list[str]:
    """The server's command line; the token is not in it."""
    argv = host.run_arguments(request, environment)
    return [*argv, "--port", str(port), "--root", str(request.work), "--device", request.device]


def start(request: LaunchRequest, environment: Path, port: int) -> int:
    """Start the server and return its process number; `find` tells when it has described itself."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    folder().chmod(0o700)
    clear_remains()
    argv = arguments(request, environment, port)
    env = {
        **os.environ,
        **host.variables(request, environment, ROOT, os.environ.get("PATH", "")),
        "LAB_STATE": str(state()),
    }
    lock = os.open(folder() / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with naming(log_file()), log_file().open("wb") as log:
            log_file().chmod(0o600)
            log.write(b"the lab's server, on port %d\n" % port)
            log.flush()  # a full disk is found out here, not by a server that cannot even say so
            return start_background(argv, log=log, env=env, cwd=request.work, keep=lock)
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
    sockets.clear(folder(), secret.runtime if secret else "")
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
