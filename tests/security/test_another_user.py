"""What another user of the machine gets of a student's lab: a real one, without any right of root.

They know every path, as if the student had told them.
"""

import os
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import CommandLine
from tests.fakes import AsNobody
from tests.jupyter import Kernel, Server
from tests.security.conftest import Lab

pytestmark = [pytest.mark.root, pytest.mark.host]


@pytest.fixture(scope="module")
def server(lab: Lab) -> Server:
    return lab.server


@pytest.fixture(scope="module")
def kernel(server: Server) -> Iterator[Kernel]:
    """A kernel, whose sockets and connection file are there to be looked for."""
    with server.start_kernel() as kernel:
        kernel.run("x = 1")
        yield kernel


@pytest.fixture(scope="module")
def family(lab: Lab, kernel: Kernel) -> list[psutil.Process]:
    """The server with its kernel."""
    main = psutil.Process(int(str(lab.session["pid"])))
    found = [main, *main.children(recursive=True)]
    assert len(found) > 1
    return found


def all_in(folder: Path) -> list[Path]:
    """All that root finds in a folder; links are not followed."""
    return [
        Path(parent) / name
        for parent, folders, files in os.walk(folder)
        for name in [*folders, *files]
    ]


def read(path: Path) -> bytes | None:
    """What a file holds; None where this user may not know."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def test_token_is_in_no_file_that_another_user_can_read(
    lab: Lab, kernel: Kernel, server: Server, as_nobody: AsNobody
) -> None:
    (lab.home / "open.txt").write_text("to all")
    files = [p for p in all_in(lab.home) if stat.S_ISREG(p.lstat().st_mode)]
    token = server.token.encode()
    holding = [p for p in files if token in (read(p) or b"")]
    assert {"session.json", "lab.json"} <= {p.name for p in holding}
    with as_nobody():
        seen = {p: content for p in files if (content := read(p)) is not None}
    assert seen[lab.home / "open.txt"] == b"to all"  # whoever sees nothing would find nothing
    assert [p for p, content in seen.items() if token in content] == []
    assert [p for p in seen if "server" in p.relative_to(lab.home).parts[:2]] == []


def test_nothing_of_the_students_folder_can_be_read_or_listed(
    lab: Lab, server: Server, as_nobody: AsNobody
) -> None:
    server.save("carta.txt", "privada")
    mine = all_in(lab.work)
    assert {"carta.txt", ".lab-course"} <= {p.name for p in mine}
    with as_nobody():
        assert [p for p in mine if os.access(p, os.F_OK, effective_ids=True)] == []
        for path in (lab.work, lab.command.state / "server"):
            with pytest.raises(PermissionError):
                list(path.iterdir())
            with pytest.raises(PermissionError):
                (path / "mine.txt").write_text("x")


def test_no_socket_of_the_lab_can_be_reached(lab: Lab, kernel: Kernel, as_nobody: AsNobody) -> None:
    sockets = [p for p in all_in(lab.home) if stat.S_ISSOCK(p.lstat().st_mode)]
    assert len(sockets) >= 5  # of one kernel
    for path in sockets:
        with as_nobody(), socket.socket(socket.AF_UNIX) as end, pytest.raises(PermissionError):
            end.connect(str(path))
    with socket.socket(socket.AF_UNIX) as end:
        end.connect(str(sockets[0]))  # as its owner: they are live


def test_processes_tell_another_user_no_secret(
    family: list[psutil.Process], server: Server, as_nobody: AsNobody
) -> None:
    with as_nobody():
        for process in family:
            of = Path("/proc") / str(process.pid)
            assert server.token.encode() not in (of / "cmdline").read_bytes()
            for name in ("environ", "mem", "cwd/carta.txt", "root/etc/hostname", "fd/0"):
                assert read(of / name) is None, name


def test_port_gives_another_user_nothing(server: Server, as_nobody: AsNobody) -> None:
    """Loopback is open to all who are on the machine; what is behind it is not."""
    with as_nobody():
        for path in ("/api/contents", "/api/kernels", "/api/sessions", "/api/status"):
            assert server.status_of("GET", path, token="") == 403


# --- the container --------------------------------------------------------------------------------


@pytest.mark.container
def test_container_tells_another_user_nothing(
    state: Path, entered_by_all: Path, as_nobody: AsNobody
) -> None:
    """From the machine, and from a process of another user that got inside."""
    command, told = CommandLine(state=state), entered_by_all / "lab.json"
    work = entered_by_all / "work"
    began = command(
        "lab", "--engine", "docker", "--work", str(work), "--json", "--output", str(told)
    )
    assert began.code == 0, began.err
    try:
        session = began.json()
        server = Server(str(session["url"]))
        server.save("carta.txt", "privada")
        with server.start_kernel() as kernel:
            kernel.run("x = 1")
            check_inside(str(session["container"]), server.token)
        inner = subprocess.run(
            ["docker", "inspect", "--format", "{{.State.Pid}}", str(session["container"])],
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        of = Path("/proc") / inner
        assert (of / "root/work/carta.txt").read_text() == "privada"  # as root: it is the one
        with as_nobody():
            hidden = [told, work / "carta.txt", of / "environ", of / "root/work/carta.txt"]
            assert [p for p in hidden if read(p) is not None] == []
            assert server.token.encode() not in (of / "cmdline").read_bytes()
            assert server.status_of("GET", "/api/contents", token="") == 403
    finally:
        command("stop")


_FILES = """
find /tmp /home/student /work -type f -readable 2>/dev/null
find /tmp /home/student /work -type s -writable 2>/dev/null
"""
_PROCESSES = """
for process in /proc/[0-9]*; do cat $process/environ $process/cmdline 2>/dev/null; done
for process in /proc/[0-9]*; do readlink $process/cwd $process/fd/* 2>/dev/null; done
"""


def check_inside(container: str, token: str) -> None:
    """A user of another id sees no file of the student's, no socket and no secret of a process."""

    def look(script: str, *user: str) -> str:
        return subprocess.run(
            ["docker", "exec", *user, container, "bash", "-c", script],
            capture_output=True, text=True, check=False,
        ).stdout  # fmt: skip

    other = ("--user", "4242:4242")
    found = look(_FILES)
    assert "session.json" in found
    assert "carta.txt" in found
    assert look(_FILES, *other) == ""
    assert "JUPYTER_RUNTIME_DIR" in look(_PROCESSES)
    seen = look(_PROCESSES, *other)
    assert "lab.server.start" in seen  # the command lines were read
    assert token not in look(_PROCESSES) + seen
    assert "JUPYTER_RUNTIME_DIR" not in seen
