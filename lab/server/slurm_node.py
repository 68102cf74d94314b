"""What the job of a lab does on its node: `python -m lab.server.slurm_node FOLDER`.

It starts the server as its child on a free port of the node, says in the folder how far that is,
and ends it before the job's time is up.
"""

import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import FrameType

import msgspec

from lab.cluster.placed import read_placed_job
from lab.engines.choose import choose
from lab.engines.request import Mount
from lab.errors import LabError
from lab.launch import Launch, Wish, prepare
from lab.process import start_child
from lab.server import address, background
from lab.server.port import free_ports, is_free, taken
from lab.server.slurm_folder import OnNode, Order, read, seen_mark, write

_READY_S = 180  # a cold start from a busy file system takes a minute
_GRACE_S = 20  # of Slurm's usual 30 between its first signal and its last
_LOOK_S = 15
_SILENT = 3  # looks without an answer, until a page that computes is called unhealthy
# What one machine writes, another may see as late as its file system's cache allows.
_SEEN_S = 60
_INSIDE = "/lab-on-node"
_ENDS = {
    signal.SIGUSR1: "the time of its job was up",
    signal.SIGTERM: "its job was ended from outside",
    signal.SIGINT: "it was interrupted",
}


class Signals:
    """What this process is told by signals, and that its child has ended, to be waited for."""

    def __init__(self) -> None:
        """Listen from now on."""
        self.asked: signal.Signals | None = None
        self._heard, told = socket.socketpair()
        told.setblocking(False)
        self._told = told
        for number in (*_ENDS, signal.SIGCHLD):
            signal.signal(number, self._note)
        signal.set_wakeup_fd(told.fileno())

    def _note(self, number: int, _: FrameType | None) -> None:
        if number != signal.SIGCHLD and self.asked is None:
            self.asked = signal.Signals(number)

    def wait(self, seconds: float) -> None:
        """Return at the next signal, or when the time has passed."""
        if select.select([self._heard], [], [], seconds)[0]:
            self._heard.recv(4096)


class Teller:
    """Says in the folder how far the node is; the client reads it from another machine."""

    def __init__(self, folder: Path, node: str, job: str) -> None:
        """Say so in this folder, of this node and job."""
        self._path = folder / "node.json"
        self._said = OnNode(phase="starting", node=node, job=job)
        write(self._path, self._said)

    def say(self, **changes: object) -> None:
        """Say what has changed."""
        changed = msgspec.structs.replace(self._said, **changes)
        if changed != self._said:
            write(self._path, changed)
        self._said = changed


def main(folder: Path, variables: dict[str, str]) -> int:
    """Serve until the server ends, the job's time is up, or somebody ends the job.

    Returns:
        0, or 2 where it could not start; the reason is in the folder and in the log.
    """
    signals = Signals()
    teller = Teller(folder, variables.get("SLURMD_NODENAME", ""), variables["SLURM_JOB_ID"])
    try:
        order = read(folder / "order.json", Order)
        if order is None:
            raise LabError(
                "The node cannot read what it is to start.",
                why=f"{folder / 'order.json'} is not there, or is damaged",
                next_step="see that the nodes share this folder, then ./inv lab --slurm again",
            )
        wait_for_folder(order, variables.get("SLURMD_NODENAME", ""))
        serve(order, folder, signals, teller)
    except LabError as error:
        print(error, file=sys.stderr)
        teller.say(phase="failed", failed=(error.what, error.why, error.next_step))
        return 2
    return 0


def wait_for_folder(order: Order, node: str, sleep: Callable[[float], None] = time.sleep) -> None:
    """Make sure that the student's folder is the one on the machine that submitted the job.

    Raises:
        LabError: it is not.
    """
    mark, work = seen_mark(order), Path(order.work)
    waited = 0.0
    while not mark.exists():
        if not work.is_dir() or waited >= _SEEN_S:
            raise LabError(
                f"The node {node} does not see the work folder {work}.",
                why="it has another folder of that name" if work.is_dir() else "it has none there",
                next_step="name a folder on a file system that the nodes share: --work FOLDER",
            )
        sleep(1)
        waited += 1
    with suppress(OSError):  # that it may not be written here is said in a moment
        mark.unlink(missing_ok=True)


def serve(order: Order, folder: Path, signals: Signals, teller: Teller) -> None:
    """Start the server on a port that it gets, and watch it to its end.

    Raises:
        LabError: it did not start.
    """
    ends = end_of_job(order.name)
    for port in _ports(order):
        with suppress(_PortTaken):
            return _serve_on(port, order, folder, ends, signals, teller)
    raise taken(order.port) if order.port else LabError(
        "No free port was found on the node.",
        why="every port that was tried from 8888 on is in use",
        next_step="pass one that is free there: --port N",
    )  # fmt: skip


def _ports(order: Order) -> Iterable[int]:
    return [order.port] if order.port else free_ports()


def end_of_job(name: str) -> float | None:
    """When the time of the job is up, in seconds since the epoch; None where nobody says."""
    try:
        job = read_placed_job(name)
    except LabError:  # Slurm's own programs need not be on the nodes
        return None
    return job.ends if job else None


class _PortTaken(Exception):
    """Another program took the port between the look and the start."""


def _serve_on(
    port: int, order: Order, folder: Path, ends: float | None, signals: Signals, teller: Teller
) -> None:
    if not is_free(port):
        raise _PortTaken
    launch = command(order, folder / "server", port, ends)
    child = start_child(launch.argv, env=launch.env, cwd=launch.cwd)
    try:
        if _becomes_ready(child.poll, port, folder, signals, teller):
            _watch(child.poll, port, folder, signals, teller)
    finally:
        assert child.stdin is not None
        child.stdin.close()
        background.end_family(child.pid, _GRACE_S)
        code = child.wait()
    if signals.asked is not None:
        teller.say(phase="ended", note=_ENDS[signals.asked], token="")
    else:
        teller.say(phase="ended", note=words_of_code(code), token="")


def command(order: Order, server: Path, port: int, ends: float | None) -> Launch:
    """The server's command line in the engine that was asked for; its token is made by itself.

    Args:
        order: what is to be started.
        server: the folder of its own files.
        port: to listen on.
        ends: when the time is up, for the notebooks.

    Raises:
        LabError: the engine cannot be had on this node.
    """
    choice = choose(order.engine, order.device)
    inside = choice.engine != "host"
    words = (
        "python", "-m", "lab.server.start", "--attached", "--port", str(port),
        "--device", choice.device, "--root", "/work" if inside else order.work,
        "--state", _INSIDE if inside else str(server),
        *(("--ends", f"{ends:.0f}") if ends else ()),
    )  # fmt: skip
    server.mkdir(mode=0o700, exist_ok=True)
    wish = Wish(
        work=Path(order.work), engine=order.engine, device=order.device, image=order.image,
        mounts=(Mount(source=server, target=_INSIDE),) if inside else (),
    )  # fmt: skip
    return prepare(wish, words, print, piped=True, choice=choice)


def _becomes_ready(
    code: Callable[[], int | None], port: int, folder: Path, signals: Signals, teller: Teller
) -> bool:
    """Wait for the page; returns whether it answers, or somebody ended the job before.

    Raises:
        LabError: it does not come, or its server ended.
        _PortTaken: another program has its port.
    """
    begun = time.monotonic()
    while signals.asked is None:
        secret = read(folder / "server" / "session.json", address.Secret)
        if secret is not None and address.answers(port, secret.token):
            teller.say(phase="running", port=port, token=secret.token, page=secret.page)
            return True
        if code() is not None:
            if not is_free(port):
                raise _PortTaken
            raise _not_ready(f"its server ended: {words_of_code(code())}")
        if time.monotonic() - begun > _READY_S:
            raise _not_ready(f"its page did not answer within {_READY_S} s")
        signals.wait(0.1)
    return False


def _watch(
    code: Callable[[], int | None], port: int, folder: Path, signals: Signals, teller: Teller
) -> None:
    """Return when the server has ended or is to be ended; meanwhile say how it does."""
    silent = 0
    while signals.asked is None and code() is None:
        signals.wait(_LOOK_S)
        secret = read(folder / "server" / "session.json", address.Secret)
        answers = secret is not None and address.answers(port, secret.token)
        silent = 0 if answers else silent + 1
        if answers:
            teller.say(phase="running", note="")
        elif silent >= _SILENT:
            teller.say(phase="unhealthy", note="its page does not answer")


def words_of_code(code: int | None) -> str:
    """What the exit code of the server means."""
    if code == 0:
        return "it was shut down from its page"
    killed = ", killed: for want of memory, or by hand" if code in (-9, 137) else ""
    return f"exit code {code}{killed}"


def _not_ready(why: str) -> LabError:
    return LabError(
        "The lab did not start on its node.",
        why=why,
        next_step="./inv logs shows what it said",
    )


if __name__ == "__main__":
    import os

    sys.exit(main(Path(sys.argv[1]), dict(os.environ)))
