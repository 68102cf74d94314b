"""Ports on this machine: a free one, or who has the one asked for."""

import errno
import socket
from pathlib import Path

from lab.errors import LabError

FIRST = 8888
_TRIED = 200


def parse_port(text: str) -> int:
    """Read a port that a person typed.

    Raises:
        LabError: it is not a number from 1 to 65535.
    """
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 65535:
        return int(text)
    raise LabError(
        f"There is no port {text!r}.",
        why="a port is a number from 1 to 65535",
        next_step=f"pass one, such as --port {FIRST}, or leave it out: the lab finds a free one",
    )


def is_free(port: int) -> bool:
    """Whether nobody listens on this port, on loopback or on any address of the machine."""
    return not _answers(port) and _can_bind(port)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # not misled by a lab just stopped
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EACCES:
                raise LabError(
                    f"Port {port} needs the administrator's rights.",
                    why=str(error.strerror),
                    next_step="pass a port from 1024 on, or leave --port out",
                ) from error
            return False
    return True


def free_ports(first: int = FIRST) -> list[int]:
    """The free ports from the first one on; a start tries them in turn, since another may be
    quicker."""
    return [port for port in range(first, first + _TRIED) if is_free(port)][:10]


def check_port(port: int) -> None:
    """Make sure that a port that was asked for is free.

    Raises:
        LabError: it is taken; names the program that has it where that can be seen.
    """
    if not is_free(port):
        raise taken(port)


def taken(port: int) -> LabError:
    """The error for a port in use."""
    return LabError(
        f"Port {port} is in use.",
        why=f"{holder(port)} listens on it",
        next_step=(
            "stop that program, pass another --port, or leave --port out: the lab finds a free one"
        ),
    )


def holder(port: int) -> str:
    """Name the program that listens on a port, as far as this user may see."""
    import psutil

    try:
        found = [
            c.pid for c in psutil.net_connections("tcp")
            if c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port and c.pid
        ]  # fmt: skip
        if found:
            process = psutil.Process(found[0])
            words = " ".join(process.cmdline()[:6]) or process.name()
            return f"{process.name()} (process {found[0]}: {words[:120]})"
    except psutil.Error:
        pass
    hint = "" if not Path("/proc").exists() else f"; `sudo ss -ltnp 'sport = :{port}'` names it"
    return f"a program of another user{hint}"
