"""The labs of a class as the engine describes them: who is on, and what each takes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lab.errors import LabError
from lab.process import run
from lab.units import parse_bytes

# What the hub puts on each student's container.
PROJECT, STUDENT = "pytorch-lab.hub", "pytorch-lab.student"
# Containers without which nobody can log in, and where the first publishes the page.
_PARTS, _PORT = ("network", "proxy-1", "hub-1"), "8000/tcp"


@dataclass(frozen=True, kw_only=True)
class Lab:
    """One student's container.

    Args:
        id: the engine's.
        running: whether it runs.
        image: id of what it runs.
        intact: nothing in it can be written but the student's folder and what is in memory.
        since_utc: when it was started.
        memory_bytes, memory_limit_bytes, cpu_percent: of one core's time 100; None unless it runs.
    """

    id: str
    running: bool
    image: str
    intact: bool
    since_utc: str
    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    cpu_percent: float | None = None


def labs(project: str, *, measured: bool = False) -> dict[str, Lab]:
    """The labs of a class, by their students' keys.

    Args:
        project: as the hub's settings have it.
        measured: also what each takes now, which costs two seconds.

    Raises:
        LabError: the engine does not answer.
    """
    words = ["docker", "ps", "--all", "--quiet", "--no-trunc"]
    ids = _ask([*words, "--filter", f"label={PROJECT}={project}"]).split()
    if not ids:
        return {}
    # One that was removed in this moment is no lab; the others are told all the same.
    seen = run(["docker", "inspect", "--type=container", *ids], timeout_s=60)
    taken = _taken(ids) if measured else {}
    return dict(_described(json.loads(seen.stdout or "[]"), taken))


def stop(lab: Lab) -> None:
    """End a lab gently, and have no container of it left.

    Raises:
        LabError: the engine does not do it.
    """
    run(["docker", "stop", "--time", "10", lab.id], timeout_s=60)
    done = run(["docker", "rm", "--force", lab.id], timeout_s=60)
    if not done.ok and "no such container" not in done.stderr.lower():
        raise _silent(done.last_words)


def hub_address(project: str, *, tls: bool) -> str | None:
    """What students open; None where the hub does not run.

    Raises:
        LabError: the engine does not answer.
    """
    words = ["docker", "ps", "--quiet", "--filter"]
    if not all(_ask([*words, f"name=^/?{project}-{name}$"]).strip() for name in _PARTS):
        return None
    published = run(["docker", "port", f"{project}-network", _PORT], timeout_s=60).stdout.split()
    return f"{'https' if tls else 'http'}://{published[0]}/" if published else None


def _described(found: list[dict[str, Any]], taken: dict[str, Any]) -> Iterator[tuple[str, Lab]]:
    for one in found:
        key = (one["Config"].get("Labels") or {}).get(STUDENT)
        if not key:
            continue
        running = bool(one["State"]["Running"])
        told = taken.get(one["Id"][:12], {}) if running else {}
        yield key, Lab(
            id=one["Id"], running=running, image=one["Image"],
            intact=bool(one["HostConfig"].get("ReadonlyRootfs")),
            since_utc=one["State"]["StartedAt"][:19] + "Z",
            memory_bytes=_size(told.get("MemUsage", "").partition("/")[0]),
            memory_limit_bytes=one["HostConfig"].get("Memory") or None,
            cpu_percent=_percent(told.get("CPUPerc", "")),
        )  # fmt: skip


def _taken(ids: list[str]) -> dict[str, Any]:
    """What each container takes, by the first 12 signs of its id."""
    words = ["docker", "stats", "--no-stream", "--format", "{{json .}}", *ids]
    lines = run(words, timeout_s=60).stdout.splitlines()
    told = [json.loads(line) for line in lines if line.startswith("{")]
    return {one.get("ID", "")[:12]: one for one in told}


def _size(text: str) -> int | None:
    try:
        return parse_bytes(text)
    except LabError:
        return None


def _percent(text: str) -> float | None:
    try:
        return float(text.removesuffix("%"))
    except ValueError:
        return None


def _ask(words: list[str]) -> str:
    done = run(words, timeout_s=60)
    if not done.ok:
        raise _silent(done.last_words)
    return done.stdout


def _silent(why: str) -> LabError:
    return LabError(
        "The engine does not say which labs run.", why=why,
        next_step="see that it runs (./inv doctor), then the same command again",
    )  # fmt: skip
