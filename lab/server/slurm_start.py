"""Starts the lab as a job on a node of a cluster, and waits for it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from os.path import realpath

from lab.cluster.placed import read_placed_job
from lab.cluster.slurm import submit
from lab.cluster_place import make_ready
from lab.errors import LabError
from lab.launch import Say
from lab.paths import work_default
from lab.records.session import Session
from lab.server import control, slurm_folder, slurm_lab
from lab.server.slurm_folder import Last, OnNode, Order
from lab.server.slurm_order import Asked, request_of
from lab.server.slurm_script import job_script, submission
from lab.server.work import prepare_work

_POLL_S = 1.0
_POLL_LONG_S = 5.0
_SOON_S = 30.0
_TELL_S = 60.0
# A file that a node wrote last may be seen later than the end of its job.
_GRACE_S = 10.0


def start(asked: Asked, say: Say) -> Session:
    """Start the lab on a node, or find the one that runs or waits; returns when its page answers.

    Raises:
        LabError: it could not be started, another one runs, or the person left.
    """
    with control.turn_of_start(say) as lock:
        # Where Slurm does not answer the last one may run: that is no reason to start without it.
        session = slurm_lab.find() if slurm_folder.is_open() else Session(state="stopped")
        if session.state == "stopped":
            session = control.status_for_start(asked.wish, say)
        if session.state in ("stopped", "ended"):
            if session.state == "ended":
                say(f"the last lab ended by itself ({session.note}); starting anew")
            _submit(asked, say, lock)
        elif session.job is None:
            raise control.other_lab(session, "on this machine")
        else:
            _same(asked, session)
            if asked.given:
                say(f"{', '.join(asked.given)}: for a new start; this lab keeps its own")
    return Waiter(say=say).wait()


def _same(asked: Asked, session: Session) -> None:
    """Refuse to pass another lab off as the one wished for."""
    wish = asked.typed
    values = {
        "work": wish.work and realpath(wish.work), "port": wish.port,
        "image": wish.image and asked.wish.image,
        "engine": wish.engine if wish.engine != "auto" else None,
        "device": wish.device if wish.device != "auto" else None,
    }  # fmt: skip
    has = {
        **{name: getattr(session, name) for name in values},
        "work": realpath(session.work or ""),
    }
    for name, value in values.items():
        if value is not None and value != has[name] and has[name] is not None:
            raise control.other_lab(session, f"with {name} {has[name]} (asked for: {value})")


def _submit(asked: Asked, say: Say, keep: int) -> None:
    """Submit a new lab.

    Args:
        asked: what it is to be.
        say: takes lines of progress.
        keep: the lock; sbatch holds it too, so that the next command finds its job.

    Raises:
        LabError: it could not be submitted.
    """
    name = slurm_folder.new_name()
    read_placed_job(name)  # no Slurm: that shows before minutes are spent on packages
    work = prepare_work(asked.wish.work or work_default())
    order = Order(
        name=name, work=str(work), engine=asked.wish.engine, device=asked.wish.device,
        image=asked.wish.image, port=asked.wish.port, ssh=asked.ssh,
        submitted_utc=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )  # fmt: skip
    make_ready(asked.place, say)  # once, here, rather than in the job's time
    request = request_of(asked, name)
    slurm_folder.make_folder(order, job_script(request))
    mark = slurm_folder.seen_mark(order)
    mark.parent.mkdir(exist_ok=True)
    mark.touch()
    slurm_folder.write_last(Last(name=name))
    job, refusal = submit(submission(request), keep)
    if not job:
        slurm_folder.write_last(Last(name=name, stopped=True))
        mark.unlink(missing_ok=True)
        raise LabError(
            "Slurm did not take the lab's job.",
            why=refusal,
            next_step="look at what was asked for: --partition, --account, --time, --constraint,"
            " --gpus, --cpus, --memory",
        )
    slurm_folder.write_last(Last(name=name, job=job))
    say(f"submitted as job {job}")


@dataclass(kw_only=True)
class Waiter:
    """Waits until the page of a lab on a node answers.

    Args:
        say: takes lines of progress.
        sleep, clock: time, in seconds.
    """

    say: Say
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _told: str = ""
    _told_at: float = field(default=0.0)

    def wait(self) -> Session:
        """Return when it runs.

        Raises:
            LabError: it ended, could not start, or the person left.
        """
        begun, amiss_at = self.clock(), None
        session = Session(state="stopped")
        try:
            while True:
                try:
                    session = slurm_lab.find()
                except LabError as error:
                    slurm_folder.read_last()  # a damaged file is an error, a silent Slurm is none
                    self._say(f"{error.why}; waiting for it")
                    self.sleep(_POLL_LONG_S)
                    continue
                if session.state in ("running", "stopped"):
                    break
                if session.state not in ("ended", "unhealthy"):
                    amiss_at = None
                elif amiss_at is None:
                    amiss_at = self.clock()
                if session.state == "ended" and _said_its_end():
                    raise _did_not_start(session)
                if amiss_at is not None and self.clock() - amiss_at > _GRACE_S:
                    raise _did_not_start(session)
                self._tell(session)
                soon = self.clock() - begun < _SOON_S
                self.sleep(_POLL_S if soon else _POLL_LONG_S)
        except KeyboardInterrupt as error:
            raise _left(session) from error
        if session.state == "stopped":
            raise LabError(
                "The lab was stopped before it ran.",
                why="another command took its job back",
                next_step="./inv lab --slurm starts a new one",
            )
        return session

    def _tell(self, session: Session) -> None:
        """Say what it waits for when that changes, and now and then."""
        self._say(_progress(session))

    def _say(self, words: str) -> None:
        now = self.clock()
        if words and (words != self._told or now - self._told_at > _TELL_S):
            self.say(words)
            self._told, self._told_at = words, now


def _progress(session: Session) -> str:
    if session.state == "waiting":
        expected = f"; Slurm expects it to start at {session.expected_utc}"
        return (
            f"job {session.job} waits for a node"
            + (f": {session.note}" if session.note else "")
            + (expected if session.expected_utc else "")
        )
    if session.state == "starting":
        return f"job {session.job} runs on {session.node}; waiting for its page ..."
    return f"job {session.job}: {session.note}" if session.note else ""


def _said_its_end() -> bool:
    last = slurm_folder.read_last()
    path = slurm_folder.folder_of(last.name) / "node.json" if last else None
    told = slurm_folder.read(path, OnNode) if path else None
    return told is not None and told.phase in ("ended", "failed")


def _did_not_start(session: Session) -> LabError:
    if session.state == "unhealthy":
        return LabError(
            f"The lab is on {session.node}, and not to be used: {session.note}.",
            why="it may come back by itself; its kernels may compute",
            next_step="./inv status tells of it, ./inv logs what it said; ./inv stop ends it",
        )
    last = slurm_folder.read_last()
    name = last.name if last else ""
    told = slurm_folder.read(slurm_folder.folder_of(name) / "node.json", OnNode)
    log = slurm_folder.last_words(name)
    end = f"\nthe end of its log:\n{log}" if log else ""
    if told is not None and told.failed is not None:
        what, why, next_step = told.failed
        return LabError(
            what, why=f"on {session.node}: {why}",
            next_step=f"{next_step}; ./inv logs shows what it said",
        )  # fmt: skip
    if told is None and not log:
        end = f"; nothing came from the node: does it see {slurm_folder.root()}?"
    return LabError(
        "The lab ended before its page answered.",
        why=f"{session.note}{end}",
        next_step="./inv logs shows the whole log; ./inv lab --slurm starts anew",
    )


def _left(session: Session) -> LabError:
    where = f"; its job {session.job} stays" if session.job else ""
    return LabError(
        f"You left the lab while it was {session.state}{where}.",
        why="Ctrl-C ends what waits for it, not the job",
        next_step="./inv lab --slurm waits on, ./inv status tells of it, ./inv stop takes it back",
    )
