"""Starts, finds and stops this clone's lab, wherever it runs; one lab at a time per clone and
user."""

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from lab.course import updating
from lab.engines.choose import Choice, check_words, choose
from lab.engines.docker import compose_environment, compose_up_arguments, serve_arguments
from lab.engines.request import LaunchRequest
from lab.errors import LabError
from lab.launch import Say, Wish, host_lock, request_for
from lab.locks.install import ensure_environment
from lab.paths import ROOT, state, typed_path, work_default
from lab.records.session import Session
from lab.server import background, container, running, slurm_stop
from lab.server.command import server_command
from lab.server.port import FIRST, check_port, free_ports, taken
from lab.server.work import prepare_work
from lab.turn import turn

_AGAIN_S = 5  # a server that computes answers late; one that hangs, never
_READY_S = 120  # a start takes seconds, on a cold and slow disk many; past this it hangs
_WAITING = "a lab runs already; waiting for its page ..."
_START = ("python", "-m", "lab.server.start")


def start(wish: Wish, say: Say) -> Session:
    """Start the lab, or find the one that runs; returns when its page answers.

    Raises:
        LabError: it could not be started, or one runs that is not the one wished for.
    """
    check_words(wish.engine, wish.device)
    with turn_of_start(say) as lock:
        session = status_for_start(wish, say)
        if session.job and session.state != "ended":
            raise other_lab(session, "on a node of the cluster")
        if session.state == "unhealthy":
            session = _recover(session, say)
        if session.state == "running":
            _same(wish, session)
            if wish.memory_bytes is not None:
                say("--memory is for a new start; the lab that runs keeps its own limit")
            return session
        work = prepare_work(wish.work or work_default())
        if session.state == "ended":
            say(f"the last lab ended by itself ({session.note}); starting anew")
            slurm_stop.forget()
        choice = choose(wish.engine, wish.device)
        say(choice.why)
        if wish.memory_bytes is not None and choice.engine in background.ENGINES:
            say(f"--memory is for containers of Docker and Podman; {choice.engine} sets no limit")
        if wish.port is not None:
            check_port(wish.port)  # before minutes are spent on an image
        started = time.monotonic()
        request = request_for(choice, wish, _START, work, say, dry_run=False)
        spoken = updating.spoken_in(work, os.environ)
        variables = {**dict(request.environment), "LAB_LANGUAGE": spoken}
        request = dataclasses.replace(request, environment=tuple(variables.items()))
        try:
            if choice.engine in background.ENGINES:
                session = _start_background(choice, request, wish, say)
            else:
                session = _start_container(choice, request, wish, say, lock)
        except KeyboardInterrupt:
            say("what was begun goes on: ./inv status finds it, ./inv stop ends it")
            raise
        say(f"ready after {time.monotonic() - started:.1f} s")
        return session


def status_for_start(wish: Wish, say: Say) -> Session:
    """What runs now; an engine that has died since cannot keep the lab from starting elsewhere."""
    try:
        return running.status()
    except LabError as error:
        if wish.engine not in ("auto", *background.ENGINES):
            raise
        say(f"{error.what} Starting without it.")
        return Session(state="stopped")


def turn_of_start(say: Say) -> contextlib.AbstractContextManager[int]:
    """One start at a time: a second one waits, and then finds the lab of the first."""
    waiting = "another command is starting or stopping the lab; waiting for it ..."
    return turn(state() / "start.lock", waiting, say)


def like_running(wish: Wish) -> Wish:
    """What was left open, filled in from the lab that runs: its folder, and its engine and
    image."""
    try:
        session = running.status()
    except LabError:
        return wish
    if session.state != "running" or session.work is None:
        return wish
    if wish.work is None:
        wish = dataclasses.replace(wish, work=Path(session.work))
    if wish.engine == "auto" and wish.device == "auto" and wish.image is None:
        engine, device = session.engine or "auto", session.device or "auto"
        wish = dataclasses.replace(wish, engine=engine, device=device, image=session.image)
    return wish


def _same(wish: Wish, session: Session) -> None:
    """Refuse to pass another lab off as the one wished for."""
    work = session.work or ""
    other_folder = wish.work and os.path.realpath(wish.work) != os.path.realpath(work)
    asked = {
        "work": str(wish.work) if other_folder else None, "port": wish.port, "image": wish.image,
        "engine": wish.engine if wish.engine != "auto" else None,
        "device": wish.device if wish.device != "auto" else None,
    }  # fmt: skip
    other = [k for k, v in asked.items() if v is not None and v != getattr(session, k)]
    if other:
        words = ", ".join(
            f"{key} {getattr(session, key)} (asked for: {asked[key]})" for key in other
        )
        raise other_lab(session, f"with {words}")


def other_lab(session: Session, where: str) -> LabError:
    """The error where a lab runs that is not the one wished for."""
    address = f"its address: {session.url}" if session.url else f"it is {session.state}"
    return LabError(
        f"A lab runs already, {where}.",
        why=f"this clone runs one lab at a time; {address}",
        next_step="use it, or end it first with ./inv stop; nothing saved is lost",
    )


def _recover(session: Session, say: Say) -> Session:
    """Wait for a lab whose page does not answer yet: the command that started it may have been
    killed.

    Raises:
        LabError: it does not answer; ending it is the person's to decide, for its kernels may
        compute.
    """
    if session.url is not None:
        well = running.answers(session)  # as where only its GPU is gone
        say(session.note if well and session.note else _WAITING)
        end = time.monotonic() + max(_AGAIN_S, _READY_S - _age_s(session))
        while time.monotonic() < end:
            if running.answers(session):
                return replace(session, state="running", note=None)
            if running.status().state != "unhealthy":
                return running.status()
            time.sleep(0.1)
    raise LabError(
        "A lab runs already, but its page does not answer.",
        why=session.note or f"nothing came from port {session.port}",
        next_step=(
            "./inv logs shows what it said; ./inv stop ends it, saved files stay, and ./inv lab"
            " then starts anew"
        ),
    )


def _age_s(session: Session) -> float:
    """How long ago a lab was started, in seconds."""
    started = datetime.fromisoformat(session.started_utc or "1970-01-01T00:00:00+00:00")
    return max((datetime.now(UTC) - started).total_seconds(), 0)


def plan(wish: Wish) -> list[str]:
    """The command line, with its variables, that `start` would run; starts and makes nothing."""
    choice = choose(wish.engine, wish.device)
    work = typed_path(str(wish.work or work_default()))
    request = request_for(choice, wish, _START, work, lambda _: None, dry_run=True)
    port = wish.port or FIRST
    if choice.engine in background.ENGINES:
        return server_command(choice, request, port).argv
    if choice.engine == "podman":
        return serve_arguments(container.project(), request, port)
    argv = compose_up_arguments(str(ROOT), container.project(), request, choice.engine)
    variables = compose_environment(request, port)
    return ["env", *(f"{name}={value}" for name, value in variables.items()), *argv]


def _start_container(
    choice: Choice, request: LaunchRequest, wish: Wish, say: Say, lock: int
) -> Session:
    running.remember(choice.engine)
    say("starting the container ...")

    def begin(port: int) -> Session:
        container.up(request, choice.engine, port, lock)
        return _wait_until_ready(choice, say)

    return _on_a_port(wish, begin)


def _on_a_port(wish: Wish, begin: Callable[[int], Session]) -> Session:
    """Start on the port asked for, or on the first free one that nobody snatches."""
    if wish.port is not None:
        try:
            return begin(wish.port)
        except container.PortTaken as error:
            raise taken(wish.port) from error
    for port in free_ports():
        with contextlib.suppress(container.PortTaken):
            return begin(port)
    raise LabError(
        "No free port was found.",
        why="every port that was tried from 8888 on is in use",
        next_step="pass one that is free: --port N",
    )


def _start_background(choice: Choice, request: LaunchRequest, wish: Wish, say: Say) -> Session:
    if choice.engine == "host":
        ensure_environment(host_lock(choice), say=say)
    say("starting the server ...")

    def begin(port: int) -> Session:
        launch = server_command(choice, request, port)
        background.start(launch.argv, launch.env, request.work, port)
        return _wait_until_ready(choice, say)

    return _on_a_port(wish, begin)


def _wait_until_ready(choice: Choice, say: Say) -> Session:
    """Wait until the page answers with this start's token; say so now and then."""
    begun = told = looked = time.monotonic()
    session = None
    while time.monotonic() - begun < _READY_S:
        if session is None:
            session = _describe_start(choice)
            if session.state == "ended":
                raise _died(choice, session)
        if session.url and running.answers(session):
            return session
        if time.monotonic() - looked > 2:  # asking the engine costs more than asking the page
            looked = time.monotonic()
            if not _alive(choice):
                raise _died(choice, session)
        if time.monotonic() - told > 5:
            told = time.monotonic()
            say(f"waiting for the page, {told - begun:.0f} s ...")
        time.sleep(0.03)
    raise LabError(
        f"The lab's page does not answer after {_READY_S} s.",
        why=f"the end of its log:\n{_log_end(choice)}",
        next_step="./inv logs shows all of it; ./inv stop ends the lab",
    )


def _describe_start(choice: Choice) -> Session:
    if choice.engine in background.ENGINES:
        return running.of_background(background.find(timeout_s=30))
    return running.of_container(container.find(choice.engine))


def _alive(choice: Choice) -> bool:
    if choice.engine in background.ENGINES:
        return background.is_held()
    found = container.find(choice.engine)
    return found is not None and found.running


def _log_end(choice: Choice) -> str:
    if choice.engine in background.ENGINES:
        return background.last_lines()
    found = container.find(choice.engine)
    return container.last_lines(found) if found else "(the container is gone)"


def _died(choice: Choice, session: Session | None) -> LabError:
    note = f"; {session.note}" if session and session.note else ""
    log = _log_end(choice)
    # The server listens a second after we looked for a free port; jupyter_server says it in these
    # words.
    kind = container.PortTaken if "could not be started because port" in log else LabError
    return kind(
        "The lab ended before its page answered.",
        why=f"the end of its log{note}:\n{log}",
        next_step="./inv doctor looks for the known causes; ./inv logs shows the whole log",
    )


def stop(say: Say) -> Session:
    """Stop the lab; does nothing where none runs.

    Returns:
        The session as it was; its state is `stopped` where there was nothing to do.

    Raises:
        LabError: it was started in a container, and its engine does not answer now.
    """
    with turn_of_start(say):
        session = running.status()
        if session.state != "stopped" and (busy := running.busy_kernels(session)):
            say(f"{busy} kernel(s) still compute; what they have not saved ends with them")
        if session.job:
            slurm_stop.end(say)
            return session
        server = background.find()
        for number in [server.pid] if server else background.lost():
            background.stop(number)
        background.clear_remains()
        if session.engine in background.ENGINES:
            where = "on the host" if session.engine == "host" else "in Apptainer"
            say(f"the lab {where} has stopped")
        if engine := running.remembered():
            while remains := running.look(engine):  # a start that was killed may leave a second one
                container.remove(remains)
            running.forget()
        return session
