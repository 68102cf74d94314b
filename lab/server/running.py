"""What runs of this clone's lab at this moment, in a container or on the host."""

import os
import shlex
from pathlib import Path

from msgspec.structs import replace

from lab.engines.probe import probe_engine
from lab.errors import LabError
from lab.paths import state
from lab.records.session import Session
from lab.server import address, background, container, slurm_folder
from lab.whole import write_whole


def status() -> Session:
    """Describe this clone's lab, running or not.

    Raises:
        LabError: it was started in a container or through Slurm, which does not answer now.
    """
    found = of_background(background.find(timeout_s=10))
    if found.state == "stopped" and (numbers := background.lost()):
        note = "its session file is gone or cannot be read"
        return Session(state="unhealthy", engine="host", pid=numbers[0], note=note)
    if found.state == "stopped" and slurm_folder.is_open():
        from lab.server.slurm_lab import find  # 10 ms that most have no use for

        found = find()
    if found.state == "stopped":
        engine = remembered()
        if engine:
            found = of_container(look(engine))
    if found.state in ("running", "unhealthy") and found.work and not Path(found.work).is_dir():
        note = f"its work folder {found.work} is gone; make it again after ./inv stop"
        return replace(found, state="unhealthy", note=note)
    if found.job:  # its node looks after its page
        return found
    if found.state == "running" and not answers(found):
        return replace(found, state="unhealthy", note="its page does not answer")
    if note := _missing_gpus(found):
        return replace(found, state="unhealthy", note=note)
    return found


def _missing_gpus(session: Session) -> str:
    """What a lab in a container has lost of the GPUs that it was started with."""
    if not session.container or session.device != "cuda" or session.url is None:
        return ""
    return container.missing_gpus(session.engine or "", session.container)


def answers(session: Session) -> bool:
    """Whether the page of a session answers, with that session's token."""
    assert session.url is not None
    assert session.port is not None
    return address.answers(session.port, session.url.rpartition("=")[2])


def of_background(found: background.Background | None) -> Session:
    """The session of a server on the host or in Apptainer; `stopped` where there is none."""
    if found is None:
        return Session(state="stopped")
    return Session(
        state="running", url=address.url(found.port, found.token, found.page),
        engine="apptainer" if found.image else "host", image=found.image,
        device=found.device, work=found.work, port=found.port, started_utc=found.started_utc,
        pid=found.pid, ssh=address.ssh_line(found.port),
    )  # fmt: skip


def of_container(found: container.Container | None) -> Session:
    """The session of a container, in whatever state it is; `stopped` where there is none."""
    if found is None:
        return Session(state="stopped")
    base = Session(
        state="ended", note=_ending(found.exit_code), engine=found.program,
        device=found.device, image=found.image, work=found.work, port=found.port,
        started_utc=found.started_utc, container=found.id[:12],
    )  # fmt: skip
    if found.status == "created":
        return replace(base, note="its start was interrupted")
    if not found.running:
        return base
    if found.status == "paused":
        note = f"its container is paused; `{found.program} unpause {found.id[:12]}` lets it go on"
        return replace(base, state="unhealthy", note=note)
    secret = container.read_secret(found.program, found.id)
    if secret is None:
        gone = container.find(found.program)
        if gone is None or not gone.running:
            return of_container(gone)
        return replace(base, state="unhealthy", note="its server wrote no address that can be read")
    return replace(
        base, state="unhealthy" if found.health == "unhealthy" else "running", note=None,
        url=address.url(found.port, secret.token, secret.page),
        ssh=address.ssh_line(found.port),
    )  # fmt: skip


def _ending(code: int) -> str:
    killed = ", killed: for want of memory, or by hand" if code == 137 else ""
    return f"exit code {code}{killed}"


def look(engine: str) -> container.Container | None:
    """Find this clone's container.

    Raises:
        LabError: its engine does not answer now; says how the lab can be reached again.
    """
    try:
        return container.find(engine)
    except LabError as error:
        reason = probe_engine(engine)
        raise LabError(
            f"A lab was started with {engine}, which does not answer now.",
            why=f"{reason.problem.replace('_', ' ') or 'unknown'}: {reason.detail or error.why}",
            next_step=(
                f"start {engine} again, then the same command; the files are safe in the work"
                " folder"
            ),
        ) from error


# Those that leave a container.
_ENGINES = ("docker", "podman")


def _memory() -> Path:
    return state() / "engine.txt"


def remember(engine: str) -> None:
    """Note which engine may hold a container of ours; the engine itself knows the rest."""
    write_whole(_memory(), engine.encode())


def remembered() -> str:
    """The engine that may hold a container of ours; empty where none does.

    Raises:
        LabError: it was noted and cannot be read: a container may run.
    """
    try:
        engine = _memory().read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise _forgotten(str(error.strerror)) from error
    if engine not in _ENGINES:
        raise _forgotten("the file is damaged")
    return engine


def _forgotten(why: str) -> LabError:
    return LabError(
        "Which engine holds the lab's container cannot be read.",
        why=f"{_memory()}: {why}",
        next_step=(
            "remove the lab's container, if one runs (`docker ps`, `podman ps`), then the file:"
            f" rm -r {shlex.quote(str(_memory()))}"
        ),
    )


def forget() -> None:
    """Forget it: its container has been removed."""
    _memory().unlink(missing_ok=True)


def is_reached_from_here(session: Session) -> bool:
    """Whether the session's address is this machine's.

    Of a lab on a node it is the node's: whoever listens on that port here is somebody else, and
    must not be shown the token.
    """
    return session.job is None or os.environ.get("SLURM_JOB_ID") == session.job


def busy_kernels(session: Session) -> int:
    """How many kernels compute at this moment; 0 where the server does not say."""
    if not session.url or session.port is None or not is_reached_from_here(session):
        return 0
    return address.busy_kernels(session.port, session.url.rpartition("=")[2])


def logs_arguments(follow: bool) -> list[str]:
    """The command that shows the log of the lab that runs, or of the last one that left one.

    Raises:
        LabError: there is no log.
    """
    elsewhere = not background.is_held()
    log = slurm_folder.log_file()
    if elsewhere and log and slurm_folder.is_open():
        return _shows(log, follow)
    engine = remembered() if elsewhere else ""
    found = look(engine) if engine else None
    if found:
        return container.logs_arguments(found, follow=follow)
    logs = [path for path in (log, background.log_file()) if path and path.exists()]
    if not logs:
        raise LabError(
            "There is no log yet.",
            why="no lab runs, and the last one in a container took its log with it",
            next_step="start one with ./inv lab",
        )
    return _shows(max(logs, key=lambda path: path.stat().st_mtime), follow)


def _shows(path: Path, follow: bool) -> list[str]:
    return ["tail", "-n", "+1", *(["-f"] if follow else []), str(path)]
