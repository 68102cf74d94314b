"""What `inv course` does: put notebooks into a folder, update them, undo that, tell progress."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from lab.course import undoing, updating
from lab.course.exercise import exercises
from lab.course.formats import lighten
from lab.course.progress import FOLDER, progress_of
from lab.errors import LabError
from lab.language import Language, parse_language
from lab.paths import in_image, state, work_default
from lab.records.course import CourseProgress, CourseReport
from lab.render.course import course_text, progress_text
from lab.server import address, running, slurm_folder
from lab.server.work import prepare_work

Say = Callable[[str], None]
Action = Literal["place", "update", "undo", "progress"]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a person asked for.

    Args:
        action: what to do.
        folder: the student's.
        language: of the prose; None: what the folder has, else the terminal's.
        terminal: the terminal's language.
        teacher: copies with the solutions.
        students: a folder that holds a folder for each student; None: one student's progress.
    """

    action: Action
    folder: Path
    language: Language | None
    terminal: Language = "en"
    teacher: bool = False
    students: Path | None = None


def parse_order(
    *, update: bool, undo: bool, progress: bool, teacher: bool, work: Path | None,
    students: Path | None, language: str, variables: Mapping[str, str],
) -> Order:  # fmt: skip
    """Read what was typed.

    Raises:
        LabError: something of it makes no sense.
    """
    actions = {"update": update, "undo": undo, "progress": progress}
    asked = [name for name, on in actions.items() if on]
    if len(asked) > 1:
        raise LabError(
            f"--{asked[0]} and --{asked[1]} exclude each other.",
            why="each is a command of its own", next_step="run them one after the other",
        )  # fmt: skip
    if teacher and asked:
        raise LabError(
            f"--teacher and --{asked[0]} exclude each other.",
            why="a teacher's copy is placed, and updated like any other notebook in its folder",
            next_step="leave one of them out",
        )
    if students is not None and not progress:
        raise LabError(
            "--students is for --progress.", why="it names the folders of a whole class",
            next_step=f"./inv course --progress --students {students}",
        )  # fmt: skip
    spoken = parse_language(language, variables)
    named = language or variables.get("LAB_LANGUAGE")
    return Order(
        action=asked[0] if asked else "place",  # type: ignore[arg-type]
        folder=work or work_default(), language=spoken if named else None, terminal=spoken,
        teacher=teacher, students=students,
    )  # fmt: skip


def run(order: Order, publish: Callable[[msgspec.Struct, str], None], say: Say) -> int:
    """Do it, and show what was done.

    Returns:
        The exit code: 2 where a notebook could not be read or written.

    Raises:
        LabError: it cannot be done.
    """
    lighten()
    if order.action == "progress":
        told = progress(order)
        publish(told, progress_text(told))
        return 0
    folder = prepare_work(order.folder if order.action == "place" else _existing(order.folder))
    language = order.language or updating.language_of(folder) or order.terminal
    if order.action == "place":
        changes = updating.place(folder, language, say, teacher=order.teacher)
    elif order.action == "update":
        changes = updating.update(folder, language, say, open_files(folder))
    else:
        changes = undoing.undo(folder, say, open_files(folder))
    report = CourseReport(action=order.action, folder=str(folder), notebooks=changes)
    publish(report, course_text(report))
    return 2 if any(change.state == "failed" for change in changes) else 0


def offer(folder: Path, say: Say) -> None:
    """Say that the course has a newer version than a folder, where that is so; changes nothing."""
    newer = updating.offered(folder)
    if newer:
        names = ", ".join(path.name for path in newer)
        say(f"the course has a newer version of {names}: ./inv course --update keeps your work")


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise LabError(
            f"There is no folder {folder}.", why="the course's notebooks are looked for in it",
            next_step="name the student's folder: --work FOLDER",
        )  # fmt: skip
    return folder


def progress(order: Order) -> CourseProgress:
    """The progress of one student, or of each folder of a class.

    Raises:
        LabError: there is no such folder.
    """
    numbers = list(exercises())
    if order.students is None:
        return CourseProgress(students=[progress_of(_existing(order.folder), numbers)])
    folders = [f for f in sorted(_existing(order.students).iterdir()) if (f / FOLDER).is_dir()]
    return CourseProgress(students=[progress_of(folder, numbers) for folder in folders])


def open_files(folder: Path) -> Callable[[Path], bool]:
    """Tells whether a notebook is open in the lab that runs.

    Args:
        folder: the student's, which that lab may serve or not.
    """
    paths = _open_paths(folder)
    return lambda path: os.path.realpath(path) in paths


def _open_paths(folder: Path) -> set[str]:
    """Notebooks with a session in the lab of this clone, or in the image that we are in."""
    served = _server(folder)
    if served is None:
        return set()
    sessions = address.sessions(served.port, served.token, served.base)
    if sessions is None:
        raise LabError(
            "The lab that runs does not say which notebooks are open.",
            why="its page does not answer, and a browser would write over what is updated",
            next_step="try again in a moment, or end it with ./inv stop; saved files stay",
        )
    open_ones = {*sessions, *_in_tabs(served.work)}
    return {os.path.realpath(served.work / path) for path in open_ones}


def _in_tabs(work: Path) -> set[str]:
    """Notebooks in the tabs that JupyterLab last noted, also those whose kernel was shut down."""
    found: set[str] = set()
    for file in (work / ".lab" / "workspaces").glob("*.jupyterlab-workspace"):
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))["data"]
            tabs = {str(key) for key in kept if "notebook:" in str(key)}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        found |= {tab.removeprefix("notebook:") for tab in tabs}
    return found


@dataclass(frozen=True, kw_only=True)
class _Served:
    """A lab that runs: its port, token and folder, and what its addresses begin with."""

    port: int
    token: str
    work: Path
    base: str = ""


def _server(folder: Path) -> _Served | None:
    """The lab that runs; None where none does."""
    if in_image():
        return _in_hub() or _beside()
    try:
        session = running.status()
    except LabError:
        if slurm_folder.is_open():  # its pages are open whether Slurm answers or not
            raise
        running.remembered()  # an error where nobody knows which engine to ask
        # Its engine does not answer: then nobody reaches its pages either.
        return None
    if session.url is None or session.port is None or session.work is None:
        return None
    if not running.is_reached_from_here(session) and _in_each_other(folder, Path(session.work)):
        raise LabError(
            f"The lab runs on the node {session.node}, which alone knows what is open there.",
            why="a browser would write over what is updated",
            next_step="run it in JupyterLab's terminal, or end the lab first with ./inv stop",
        )
    if not running.is_reached_from_here(session):
        return None
    token = session.url.rpartition("=")[2]
    return _Served(port=session.port, token=token, work=Path(session.work))


def _beside() -> _Served | None:
    """The lab in the container that we are in."""
    try:
        own = Path(os.environ.get("LAB_SERVER") or state() / "server")
        secret = json.loads((own / "session.json").read_text(encoding="utf-8"))
        return _Served(
            port=int(secret["port"]), token=str(secret["token"]), work=Path(str(secret["work"]))
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _in_hub() -> _Served | None:
    """The lab of a student in a class, in whose container we are: JupyterHub gave it its address,
    and a token that it takes itself."""
    try:
        served = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
        base = os.environ["JUPYTERHUB_SERVICE_PREFIX"].rstrip("/")
        token = os.environ["JUPYTERHUB_API_TOKEN"]
        return _Served(port=served.port or 8888, token=token, work=work_default(), base=base)
    except (KeyError, ValueError):
        return None


def _in_each_other(one: Path, other: Path) -> bool:
    """Whether one of two folders is in the other, or they are the same."""
    one, other = one.resolve(), other.resolve()
    return one.is_relative_to(other) or other.is_relative_to(one)
