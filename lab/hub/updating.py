"""Brings the course of every student up to date, by the course's own update, in the student's own
place: their lab where it runs, else a container that sees their folder alone.

So a link that a student made leads nowhere, and the lab that runs says which notebooks are open.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lab.course.progress import FOLDER
from lab.engines.docker import run_arguments
from lab.engines.request import WORK, LaunchRequest
from lab.hub.folder import Say
from lab.hub.labs import Lab
from lab.process import Finished, run
from lab.records.course import CourseReport
from lab.records.error import ErrorReport
from lab.records.hub import Student, UpdatedStudent
from lab.records.unreadable import UNREADABLE

# Not in the student's folder, where a file tasks.py would be taken for the lab's.
_COMMAND = ("bash", "-c", f"cd /opt/lab && exec inv course --update --json --work {WORK}")
_LONGEST_S = 120
_AT_ONCE = 4
# What was not brought, and may be later.
_LEFT = {"open", "busy", "read_only", "unreadable", "failed"}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one student's folder is updated.

    Args:
        student: whose.
        work: the student's folder.
        lab: the student's, where it runs.
    """

    student: Student
    work: Path
    lab: Lab | None


def update(
    places: list[Place], image: str, *, rootless: bool, language: str, say: Say,
    go: Callable[[list[str]], Finished] | None = None,
) -> list[UpdatedStudent]:  # fmt: skip
    """Update all; what fails for one costs the others nothing.

    Args:
        places: all students'.
        image: that labs are started from, whose course is the new one.
        rootless: the engine's: uid 0 inside is the person outside.
        language: of notebooks that are new to the course.
        say: takes lines of progress.
        go: runs a command line; None runs it for real.
    """
    ask = go or _run

    def one(place: Place) -> UpdatedStudent:
        argv = _argv(place, image, rootless=rootless, language=language)
        told = _of(place, image, ask(argv)) if argv else _told(place, "not_started")
        say(f"{place.student.login}: {told.state.replace('_', ' ')}")
        return told

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(one, places))


def _run(argv: list[str]) -> Finished:
    return run(argv, timeout_s=_LONGEST_S)


def _argv(place: Place, image: str, *, rootless: bool, language: str) -> list[str]:
    """The command line for one student; empty where the course was never there."""
    if place.lab is not None:
        return ["docker", "exec", place.lab.id, *_COMMAND]
    if not (place.work / FOLDER).is_dir():
        return []
    owner = place.work.stat()
    request = LaunchRequest(
        command=_COMMAND, image=image, work=place.work, stdin=False,
        user="0:0" if rootless else f"{owner.st_uid}:{owner.st_gid}",
        environment=(("LAB_LANGUAGE", language),),
    )  # fmt: skip
    argv = run_arguments(request)
    at = argv.index("--rm") + 1
    return [*argv[:at], "--network=none", *argv[at:]]


def _of(place: Place, image: str, done: Finished) -> UpdatedStudent:
    try:
        report = msgspec.json.decode(done.stdout, type=CourseReport)
    except UNREADABLE:
        return _told(place, "failed", _why(done))
    states = {notebook.state for notebook in report.notebooks}
    if states & _LEFT:
        return _told(place, "left", course=report)
    if states & {"updated", "placed", "recovered"}:
        return _told(place, "updated", course=report)
    if place.lab is not None and place.lab.image != image:
        why = "stop the lab (File, Hub Control Panel), start it, and update again"
        return _told(place, "old_image", why, report)
    return _told(place, "current", course=report)


def _why(done: Finished) -> str:
    try:
        error = msgspec.json.decode(done.stdout, type=ErrorReport)
    except UNREADABLE:
        return done.last_words
    return f"{error.what} {error.why}"


def _told(
    place: Place, state: str, why: str | None = None, course: CourseReport | None = None
) -> UpdatedStudent:
    return UpdatedStudent(
        login=place.student.login, key=place.student.key, state=state, why=why, course=course  # type: ignore[arg-type]
    )  # fmt: skip
