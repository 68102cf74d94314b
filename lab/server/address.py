"""The address of a running server, and whether it answers; inside the image also a command."""

import http.client
import json
import os
import time
from pathlib import Path
from typing import Annotated

import msgspec

from lab.records.unreadable import UNREADABLE

# What is asked for takes some kilobytes; whoever else may listen on the port can send without end.
_MOST_BYTES = 1 << 24


class Secret(msgspec.Struct, frozen=True):
    """Of what a server writes about itself, what concerns its address."""

    token: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]+$")]
    page: str


class _Kernel(msgspec.Struct, frozen=True):
    """Of what Jupyter says of a kernel, what concerns us."""

    execution_state: str | None = None


class _Open(msgspec.Struct, frozen=True):
    """Of what Jupyter says of a file that is open with a kernel, what concerns us."""

    path: str = ""


def url(port: int, token: str, page: str = "/lab") -> str:
    """A page of the lab: opens without a login form."""
    return f"http://127.0.0.1:{port}{page}?token={token}"


def answers(port: int, token: str) -> bool:
    """Whether the server on this port is up and is the one with this token."""
    return _get(port, token, "/api/status") is not None


def busy_kernels(port: int, token: str) -> int:
    """How many of the server's kernels compute at this moment; 0 where it does not say."""
    try:
        kernels = msgspec.json.decode(
            _get(port, token, "/api/kernels") or b"[]", type=list[_Kernel]
        )
    except UNREADABLE:
        return 0
    return sum(kernel.execution_state == "busy" for kernel in kernels)


def sessions(port: int, token: str, base: str = "") -> list[str] | None:
    """Paths of the notebooks that are open with a kernel, in the server's folder; None where the
    server does not answer, or with something else.

    Args:
        port: of the server, on loopback.
        token: that it asks for.
        base: what its addresses begin with.
    """
    body = _get(port, token, f"{base}/api/sessions", timeout_s=10)
    try:
        return (
            None if body is None else [s.path for s in msgspec.json.decode(body, type=list[_Open])]
        )
    except UNREADABLE:
        return None


def _get(port: int, token: str, path: str, timeout_s: float = 2) -> bytes | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", path, headers={"Authorization": f"token {token}"})
        answer = connection.getresponse()
        return answer.read(_MOST_BYTES) if answer.status == 200 else None
    except (OSError, ValueError, http.client.HTTPException):  # it may be no HTTP at all
        return None
    finally:
        connection.close()


def ssh_line(port: int) -> str | None:
    """The line that brings the port to the user's own machine; None where there is no ssh."""
    connection = os.environ.get("SSH_CONNECTION", "").split()
    if len(connection) != 4:
        return None
    user = os.environ.get("USER") or os.environ.get("LOGNAME") or "USER"
    return f"ssh -N -L {port}:127.0.0.1:{port} {user}@{connection[2]}"


def _wait_for_secret(path: Path, timeout_s: float = 30) -> dict[str, object]:
    """Read the file that the server writes at its start."""
    end = time.monotonic() + timeout_s
    while not path.exists():
        if time.monotonic() > end:
            raise SystemExit(f"no server has started: there is no {path}")
        time.sleep(0.02)
    content: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return content


if __name__ == "__main__":
    found = _wait_for_secret(Path(os.environ["LAB_STATE"]) / "server" / "session.json")
    # The port that the host publishes is the host's to know; by default it is the same.
    print(url(int(str(found["port"])), str(found["token"]), str(found["page"])))
