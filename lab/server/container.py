"""The lab in a container: started by compose, found again by its labels, so no file can go
stale."""

import hashlib
import json
import os
from dataclasses import dataclass
from typing import Any

import msgspec

from lab.engines.docker import compose_environment, compose_up_arguments, serve_arguments
from lab.engines.request import LaunchRequest
from lab.errors import LabError
from lab.paths import ROOT, state
from lab.process import run
from lab.records.unreadable import UNREADABLE
from lab.server.address import Secret

_SECRET = "/home/student/.lab/server/session.json"
_GPUS = "/home/student/.lab/server/gpus.json"
# A start writes the file within a second; the bound only ends the wait for a server that hangs.
_READ_SECRET = (
    f"for _ in $(seq 1500); do cat {_SECRET} 2>/dev/null && exit; sleep 0.02; done; exit 1"
)


@dataclass(frozen=True, kw_only=True)
class Container:
    """One container of the lab as the engine describes it."""

    program: str
    id: str
    running: bool
    status: str
    health: str
    exit_code: int
    image: str
    device: str
    work: str
    port: int
    started_utc: str


def project() -> str:
    """Compose's name for this clone's lab: one per clone and user, because the state folder is."""
    digest = hashlib.sha256(str(state()).encode()).hexdigest()[:8]
    return f"pytorch-lab-{os.getuid()}-{digest}"


def find(program: str) -> Container | None:
    """Find this clone's container, running or ended; None where there is none."""
    label = f"label=com.docker.compose.project={project()}"
    listed = run([program, "ps", "--all", "--quiet", "--no-trunc", "--filter", label], timeout_s=20)
    if not listed.ok:
        raise LabError(
            f"{program.capitalize()} does not say whether a lab runs.",
            why=listed.last_words,
            next_step="see that it runs (./inv doctor), then the same command again",
        )
    ids = listed.stdout.split()
    return _describe(program, ids[0]) if ids else None


def _describe(program: str, container_id: str) -> Container | None:
    done = run([program, "inspect", container_id], timeout_s=20)
    if not done.ok:
        return None  # removed in this very moment
    found: dict[str, Any] = json.loads(done.stdout)[0]
    labels, status = found["Config"]["Labels"], found["State"]
    bindings = found["HostConfig"]["PortBindings"] or {}
    published = next(iter(bindings.values()), None) or [{"HostPort": "0"}]
    return Container(
        program=program, id=container_id, running=bool(status["Running"]),
        status=status.get("Status", ""), health=status.get("Health", {}).get("Status", ""),
        exit_code=status["ExitCode"],
        image=found["Config"]["Image"], device=labels.get("pytorch-lab.device", "cpu"),
        work=labels.get("pytorch-lab.work", ""), port=int(published[0]["HostPort"] or 0),
        started_utc=_seconds(status["StartedAt"]),
    )  # fmt: skip


def _seconds(moment: str) -> str:
    """Docker's time without its nanoseconds."""
    return moment[:19] + "Z"


def up(request: LaunchRequest, program: str, port: int, keep: int) -> None:
    """Start the service; whatever an earlier, killed start left behind is replaced.

    Args:
        request: what to start.
        program: docker or podman.
        port: to publish on.
        keep: the open lock of the start, which compose holds too: where the start is killed, the
        next
            command waits for compose instead of overlooking the container that it is making.

    Raises:
        PortTaken: another program was quicker.
        LabError: the engine refused; its words are in the message.
    """
    if program == "podman":
        done = run(serve_arguments(project(), request, port), timeout_s=300, keep=keep)
    else:
        argv = compose_up_arguments(str(ROOT), project(), request, program)
        done = run(argv, env=compose_environment(request, port), timeout_s=300, keep=keep)
    if not done.ok:
        raise _refused(done.stderr, request, port)


class PortTaken(LabError):
    """Another program took the port between the look and the start."""


def _refused(words: str, request: LaunchRequest, port: int) -> LabError:
    text = words.lower()
    line = words.strip().splitlines()[-1] if words.strip() else "no words"
    if "already allocated" in text or "address already in use" in text:
        return PortTaken(f"Port {port} is in use.", why=line, next_step="pass another --port")
    what = "The lab's container could not be started."
    if request.gpu != "none" and ("cdi" in text or "device driver" in text or "nvidia" in text):
        return LabError(
            what, why=line,
            next_step="the GPU could not be handed over: make the CDI specification anew (sudo"
            " nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml), or run without it:"
            " --device cpu",
        )  # fmt: skip
    if "no space left" in text:
        return LabError(
            what, why="the disk is full: " + line, next_step="free some space (docker system df)"
        )
    if "mount" in text or "bind source" in text:
        return LabError(
            what, why=line,
            next_step="see that the engine may read the work folder (Docker Desktop: Settings,"
            " Resources, File sharing), or name another: --work FOLDER",
        )  # fmt: skip
    return LabError(what, why=line, next_step="run ./inv doctor; it looks for the known causes")


def read_secret(program: str, container_id: str) -> Secret | None:
    """Read the token that the server in the container made; waits for a server that just starts.

    Returns:
        None where it wrote none, or one that cannot be read.
    """
    done = run([program, "exec", container_id, "bash", "-c", _READ_SECRET], timeout_s=60)
    if not done.ok:
        return None
    try:
        return msgspec.json.decode(done.stdout, type=Secret)
    except UNREADABLE:
        return None


def missing_gpus(program: str, container_id: str) -> str:
    """What has become of the GPUs that the container had at its start; empty where all is well."""
    words = ["python", "-m", "lab.gpu.presence", _GPUS]
    done = run([program, "exec", container_id, *words], timeout_s=60)
    return done.stdout.strip().rstrip(".") if done.code == 1 else ""


def remove(container: Container, grace_s: int = 10) -> None:
    """Stop the server gently, then remove its container; the student's folder is not in it."""
    run([container.program, "stop", "--time", str(grace_s), container.id], timeout_s=grace_s + 50)
    done = run([container.program, "rm", "--force", container.id], timeout_s=60)
    if not done.ok and "no such container" not in done.stderr.lower():
        raise LabError(
            "The lab's container could not be removed.",
            why=done.last_words,
            next_step="see that the engine runs (./inv doctor), then ./inv stop again",
        )


def last_lines(container: Container, count: int = 12) -> str:
    """The end of the container's log."""
    done = run([container.program, "logs", "--tail", str(count), container.id], timeout_s=20)
    return (done.stdout + done.stderr).strip()


def logs_arguments(container: Container, *, follow: bool) -> list[str]:
    """The command that shows the log."""
    return [container.program, "logs", *(["--follow"] if follow else []), container.id]
