"""The port: free, taken, or masked by a server that answers first."""

import errno
import json
import socket
from dataclasses import dataclass

from lab.records.doctor import Finding, Status
from lab.server.port import FIRST, holder

_ADDRESSES = ("127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True)
class PortState:
    """What is at a port of this machine.

    Args:
        port: its number.
        bind_errno: why 127.0.0.1 cannot be had; 0 when it can.
        answering: the loopback addresses that take a connection.
        owner: the process that listens, as far as this user may see.
        container: the container that publishes it; the process is then the engine's own.
        jupyter: whether it answers, or was started, as a Jupyter server.
    """

    port: int
    bind_errno: int = 0
    answering: tuple[str, ...] = ()
    owner: str = ""
    container: str = ""
    jupyter: bool = False

    @property
    def free(self) -> bool:
        """Whether the lab can have it, and nobody else answers there."""
        return not self.bind_errno and not self.answering


def read_port(port: int) -> PortState:
    """Look at a port: try to have it, knock, and ask the system who has it; nothing stays."""
    bind_errno = _try_bind(port)
    answering = tuple(address for address in _ADDRESSES if _answers(address, port))
    if not bind_errno and not answering:
        return PortState(port=port)
    owner = holder(port)
    jupyter = "jupyter" in owner or any(_speaks_jupyter(address, port) for address in answering)
    return PortState(
        port=port, bind_errno=bind_errno, answering=answering, owner=owner, jupyter=jupyter
    )


def _try_bind(port: int) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as attempt:
        # As servers do: connections that have just ended do not count.
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno or errno.EIO
    return 0


def _answers(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


def _speaks_jupyter(address: str, port: int) -> bool:
    """Whether a server tells its version at /api, as Jupyter does without a token."""
    from http.client import HTTPConnection, HTTPException

    connection = HTTPConnection(address, port, timeout=1)
    try:
        connection.request("GET", "/api")
        answer = connection.getresponse()
        content = json.loads(answer.read(4096))
    except (OSError, HTTPException, ValueError):
        return False
    finally:
        connection.close()
    return isinstance(content, dict) and "version" in content


def check_port(state: PortState, *, asked: bool, own: bool = False) -> Finding:
    """Say whether the lab can have its port, and whether a browser would reach the lab there.

    Args:
        state: what is at the port.
        asked: whether the port was asked for; else the lab takes another when this one is not free.
        own: whether the lab that runs now has it.
    """
    if own:
        return Finding(name="port", status="ok", seen=f"port {state.port}: the lab runs there")
    if state.free:
        return Finding(name="port", status="ok", seen=f"port {state.port} is free")
    if not asked and state.bind_errno and not state.jupyter:
        seen = f"{_taken(state)}; the lab takes the next free one"
        return Finding(name="port", status="ok", seen=seen)
    status: Status = "fail" if asked else "warn"
    seen, why, remedy = _trouble(state)
    return Finding(name="port", status=status, seen=seen, why=why, next=remedy)


def _trouble(state: PortState) -> tuple[str, str, str]:
    another = f"pass another: --port {state.port + 1 if 1023 < state.port < 65535 else FIRST}"
    if state.bind_errno == errno.EACCES:
        return _taken(state), "ports below 1024 are for root", another
    remedy = f"{_how_to_stop(state)}, or {another}"
    confused = "a browser that has it open shows that server, which calls the lab's token invalid"
    if not state.bind_errno:
        places = " and ".join(state.answering)
        seen = f"port {state.port} is free on 127.0.0.1, but {_who(state)} answers on {places}"
        return seen, "a browser that opens localhost may reach that server, not the lab", remedy
    return _taken(state), confused if state.jupyter else "the lab cannot listen there", remedy


def _taken(state: PortState) -> str:
    if state.bind_errno == errno.EACCES:
        return f"port {state.port} may not be opened by this user"
    return f"port {state.port} is taken by {_who(state)}"


def _who(state: PortState) -> str:
    owner = f"the container {state.container}" if state.container else state.owner
    return f"{owner}, which looks like another Jupyter" if state.jupyter else owner


def _how_to_stop(state: PortState) -> str:
    if state.container:
        return f"stop it: docker stop {state.container}"
    return "stop that program"
