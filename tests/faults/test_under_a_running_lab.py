"""The machine changes under a lab that runs: its clock, its folders, its port, its memory."""

import os
import socket
import subprocess
import threading
import time
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.bench.results import load
from tests.conftest import CommandLine, wait_for
from tests.disks import mounted
from tests.faults.conftest import NO_ENGINE
from tests.faults.observe import check_message, containers, servers
from tests.jupyter import Server

HOST = ("--engine", "host")
DOCKER = ("--engine", "docker")


# --- the clock -----------------------------------------------------------------------------------


class Clock:
    """The time of day as some processes see it."""

    def __init__(self, folder: Path) -> None:
        self._file, self._library = folder / "clock", folder / "clock.so"
        source = Path(__file__).with_name("clock.c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", self._library, source], check=True)
        self.set(0)

    def set(self, added_s: int) -> None:
        """Add seconds to it."""
        self._file.write_text(f"{added_s}\n")

    @property
    def env(self) -> dict[str, str]:
        """For those that are to see it."""
        return {"LD_PRELOAD": str(self._library), "LAB_TEST_CLOCK": str(self._file)}


@pytest.mark.clock
@pytest.mark.host
def test_clock_set_back_under_a_running_lab(state: Path, tmp_path: Path, work: Path) -> None:
    clock = Clock(tmp_path)
    command = CommandLine(state=state, env={**NO_ENGINE, **clock.env})
    started = command("lab", *HOST, "--work", str(work), "--json")
    assert started.code == 0, started.err
    session = started.json()
    server = Server(str(session["url"]))
    try:
        server.save("a.txt", "antes")
        with server.start_kernel() as kernel:
            assert kernel.run("import time; then = time.time()").error == ""
            clock.set(-3 * 86400)
            assert kernel.run("print(time.time() < then)").text == "True\n"
            server.save("a.txt", "después")
            assert (work / "a.txt").read_text() == "después"
        assert command("status", "--json").json() == {**session, "note": None}
        assert command("lab", "--work", str(work), "--json").json()["url"] == session["url"]
        assert command("course", "--update", "--work", str(work)).code == 0
    finally:
        stopped = command("stop")
    assert stopped.code == 0
    assert servers(state) == []


@pytest.mark.clock
@pytest.mark.host
def test_clock_set_back_in_a_speed_test(state: Path, tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    kept = tmp_path / "kept"
    command = CommandLine(state=state, env={**NO_ENGINE, **clock.env, "LAB_RESULTS": str(kept)})
    words = ("bench", *HOST, "--quick", "--only", "launch")
    with command.begin(*words) as process:
        wait_for(lambda: list(kept.glob("*.json")), "the first figures to be kept")
        clock.set(-3 * 86400)
        assert process.stdout is not None
        said = process.stdout.read()
    assert process.returncode == 0, said
    (path,) = kept.glob("*.json")
    report = load(path)
    assert 0 < report.duration_s < 120
    (case, *_) = report.cases
    assert case.samples_s
    assert min(case.samples_s) > 0


# --- the port ------------------------------------------------------------------------------------


@contextmanager
def thief(log: Path) -> Iterator[list[int]]:
    """Takes the port of a lab on the host after it was looked at, and before the server listens."""
    taken: list[socket.socket] = []
    over = threading.Event()
    beginning = "the lab's server, on port "

    def take() -> None:
        while not over.is_set() and not taken:
            text = log.read_text(errors="replace") if log.exists() else ""
            if text.startswith(beginning) and "\n" in text:
                taken.append(socket.create_server(("127.0.0.1", int(text.split()[5]))))
            time.sleep(0.001)

    log.unlink(missing_ok=True)
    thread = threading.Thread(target=take)
    thread.start()
    ports: list[int] = []
    try:
        yield ports
        ports += [each.getsockname()[1] for each in taken]
    finally:
        over.set()
        thread.join()
        for each in taken:
            each.close()


@pytest.mark.host
def test_port_stolen_between_the_look_and_the_start(host: CommandLine, work: Path) -> None:
    """Another one is taken; where a port was named, it is said who has it now."""
    log = host.state / "server" / "server.log"
    with thief(log) as stolen:
        started = host("lab", *HOST, "--work", str(work), "--json")
    assert started.code == 0, started.err
    assert len(stolen) == 1
    assert started.json()["port"] not in stolen
    assert len(servers(host.state)) == 1
    assert host("stop").code == 0
    with thief(log) as named:
        refused = host("lab", *HOST, "--work", str(work), "--port", str(stolen[0]))
    check_message(refused)
    assert named == stolen
    assert f"Port {stolen[0]} is in use." in refused.err
    assert servers(host.state) == []


# --- the folders ---------------------------------------------------------------------------------


@pytest.mark.host
def test_work_folder_deleted_under_a_running_lab(host: CommandLine, tmp_path: Path) -> None:
    work = tmp_path / "work"
    server = Server(str(host("lab", *HOST, "--work", str(work), "--json").json()["url"]))
    server.save("a.txt", "antes")
    with server.start_kernel() as kernel:
        away = work.rename(tmp_path / "away")
        with pytest.raises(urllib.error.HTTPError) as refused:
            server.save("a.txt", "después")
        assert f"{work} is gone" in refused.value.read().decode()
        assert not work.exists()
        told = host("status")
        assert f"its work folder {work} is gone" in told.out
        assert f"{work} is gone" in host("lab", "--work", str(work)).err
        assert kernel.run("6 * 7").data[0]["text/plain"] == "42"
        away.rename(work)
        server.save("a.txt", "después")
    assert (work / "a.txt").read_text() == "después"
    assert host("status", "--json").json()["state"] == "running"
    (work / "a.txt").rename(tmp_path / "a.txt")
    subprocess.run(["rm", "-r", work], check=True)
    assert host("stop").code == 0
    assert servers(host.state) == []
    again = host("lab", *HOST, "--work", str(work), "--json")
    assert again.code == 0, again.err


@pytest.mark.root
@pytest.mark.host
def test_work_folder_made_read_only_under_a_running_lab(host: CommandLine, tmp_path: Path) -> None:
    with mounted(tmp_path / "mount", "8m") as folder:
        server = Server(str(host("lab", *HOST, "--work", str(folder), "--json").json()["url"]))
        server.save("a.txt", "antes")
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        with pytest.raises(urllib.error.HTTPError) as refused:
            server.save("a.txt", "después")
        said = refused.value.read().decode()
        assert f"{folder} cannot be written (Read-only file system)" in said
        assert (folder / "a.txt").read_text() == "antes"
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
        server.save("a.txt", "después")
        assert (folder / "a.txt").read_text() == "después"
        assert host("stop").code == 0


@pytest.mark.root
@pytest.mark.host
def test_home_that_is_read_only(host: CommandLine, work: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "home", "1m") as home:
        subprocess.run(["mount", "-o", "remount,ro", home], check=True)
        env = {"HOME": str(home), "XDG_CACHE_HOME": "", "XDG_CONFIG_HOME": ""}
        started = host("lab", *HOST, "--work", str(work), "--json", **env)
        assert started.code == 0, started.err
        server = Server(str(started.json()["url"]))
        with server.start_kernel() as kernel:
            code = "import matplotlib.pyplot as plt, torch; plt.plot([1, 2]); print(torch.ones(1))"
            ran = kernel.run(code)
            assert (ran.error, ran.text) == ("", "tensor([1.])\n"), ran
        server.save("a.txt", "guardado")
        assert (work / "a.txt").read_text() == "guardado"
        assert host("stop", **env).code == 0
        assert list(home.iterdir()) == []


# --- the memory ----------------------------------------------------------------------------------

_FILL = "held = []\nwhile True: held.append(bytearray(b'x') * (1 << 24))"


def _check_kernel_without_memory(server: Server, work: Path) -> None:
    """The kernel is ended and started again, which the page shows; the server goes on."""
    server.save("a.txt", "antes")
    kernel = server.start_kernel()
    assert kernel.run("x = 1").error == ""
    kernel.begin(_FILL)
    kernel.wait_for_state("restarting", "autorestarting")
    server.save("a.txt", "después")
    assert (work / "a.txt").read_text() == "después"
    with kernel:
        assert kernel.run("6 * 7").data[0]["text/plain"] == "42"


@pytest.mark.container
@pytest.mark.alone
def test_kernel_without_memory_in_a_container(inv: CommandLine, work: Path) -> None:
    started = inv("lab", *DOCKER, "--memory", "700m", "--work", str(work), "--json")
    assert started.code == 0, started.err
    _check_kernel_without_memory(Server(str(started.json()["url"])), work)
    assert inv("status", "--json").json()["state"] == "running"
    assert inv("stop").code == 0
    assert containers(work) == []


@pytest.fixture
def bounded() -> Iterator[Callable[[int], None]]:
    """A control group with 700 MB, into which processes can be put."""
    one, two = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    group = (one if one.is_dir() else two) / f"lab-test-{os.getpid()}"
    try:
        group.mkdir()
        limit = group / ("memory.limit_in_bytes" if one.is_dir() else "memory.max")
        limit.write_text(str(700 << 20))
    except OSError as error:
        pytest.skip(f"needs a control group for memory: {error}")
    yield lambda pid: print((group / "cgroup.procs").write_text(str(pid)))
    wait_for(lambda: not (group / "cgroup.procs").read_text(), "the group to be empty")
    group.rmdir()


@pytest.mark.root
@pytest.mark.host
def test_kernel_without_memory_on_the_host(
    host: CommandLine, work: Path, bounded: Callable[[int], None]
) -> None:
    started = host("lab", *HOST, "--work", str(work), "--json").json()
    (server,) = servers(host.state)
    bounded(server.pid)
    _check_kernel_without_memory(Server(str(started["url"])), work)
    assert server.is_running()
    assert host("stop").code == 0
