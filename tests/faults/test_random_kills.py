"""kill -9 at random points, of whoever takes part: nothing lost, nothing left, all goes on."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lab.bench.results import whole_report
from tests.conftest import CommandLine, wait_for
from tests.faults.conftest import NO_ENGINE
from tests.faults.killing import (
    KILLS,
    SEED,
    Killer,
    count,
    generator,
    saving,
    wait_until_nothing_lives,
)
from tests.faults.observe import containers, family, is_gone, servers
from tests.jupyter import Kernel, Server

pytestmark = pytest.mark.alone

HOST = ("--engine", "host")
DOCKER = ("--engine", "docker")


@pytest.fixture(autouse=True)
def told() -> None:
    """What to repeat where one fails."""
    print(f"LAB_KILLS={KILLS} LAB_KILLS_SEED={SEED}")


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files that has nothing else in it, with a short name for sockets."""
    with tempfile.TemporaryDirectory(prefix="k") as name:
        yield Path(name)


@pytest.fixture
def host(state: Path, temporary: Path) -> Iterator[CommandLine]:
    command = CommandLine(state=state, env={**NO_ENGINE, "TMPDIR": str(temporary)})
    command("stop")
    yield command
    command("stop")


def check_nothing_left(command: CommandLine, temporary: Path, work: Path) -> None:
    wait_until_nothing_lives(command.state)
    assert list(temporary.iterdir()) == []
    assert not (command.state / "server" / "session.json").exists()
    assert (work / "nota.txt").read_text() == "hola"


def _address(killer: Killer, work: Path) -> Server:
    session = killer.whole("lab", *HOST, "--work", str(work), "--json").json()
    assert len(servers(killer.command.state)) == 1
    return Server(str(session["url"]))


@pytest.mark.host
def test_lab_and_stop_on_the_host(host: CommandLine, temporary: Path, work: Path) -> None:
    """The next command finds what there is: one server and no more, or none and nothing of it."""
    killer = Killer(host, generator("lab"))
    start, stop = ("lab", *HOST, "--work", str(work)), ("stop",)
    _address(killer, work)
    killer.whole(*stop)
    left = {"lab": count("lab"), "stop": count("stop")}
    while any(left.values()):
        if left["lab"]:
            left["lab"] -= killer.kill(*start)
        _address(killer, work)
        if left["stop"]:
            left["stop"] -= killer.kill(*stop)
        killer.whole(*stop)
        check_nothing_left(host, temporary, work)


@pytest.mark.host
def test_server_and_kernels_on_the_host(host: CommandLine, temporary: Path, work: Path) -> None:
    """A server with a page that saves; kernels that compute, which the server starts again."""
    killer = Killer(host, generator("server"))
    server = _address(killer, work)
    left = {"server": count("server"), "kernel": count("kernel")}
    while any(left.values()):
        (main,) = servers(host.state)
        at_once = min(left["kernel"], 3)
        left["kernel"] -= at_once
        _kill_kernels(server, main, killer, at_once)
        if left["server"]:
            all_of_it = family(main)
            with saving(server, work):
                time.sleep(killer.rng.uniform(0, 0.3))
                main.kill()
            left["server"] -= 1
            print("server: killed", flush=True)
            wait_for(lambda them=all_of_it: all(map(is_gone, them)), "its kernels to end")
            server = _address(killer, work)
            found = server.request("GET", "/api/contents/saved-0.txt")
            assert found["content"] == (work / "saved-0.txt").read_text()
    killer.whole("stop")
    check_nothing_left(host, temporary, work)


def _kill_kernels(server: Server, main: psutil.Process, killer: Killer, most: int) -> None:
    kernels = [server.start_kernel() for _ in range(most)]
    for kernel in kernels:
        assert kernel.run("1 + 1").data[0]["text/plain"] == "2"
        kernel.begin("while True: pass")
    for process in family(main):
        if "ipykernel_launcher" in " ".join(process.cmdline()):
            time.sleep(killer.rng.uniform(0, 0.1))
            process.kill()
            print("kernel: killed", flush=True)
    for kernel in kernels:
        kernel.wait_for_state("restarting", "autorestarting")  # what the page shows
        wait_for(lambda it=kernel: _is_up(server, it), "the kernel to be there again")
    for kernel in kernels:
        with kernel:
            assert kernel.run("6 * 7").data[0]["text/plain"] == "42"
    assert server.request("GET", "/api/kernels") == []


def _is_up(server: Server, kernel: Kernel) -> bool:
    found = server.request("GET", f"/api/kernels/{kernel.id}")
    return bool(found["execution_state"] in ("idle", "starting"))


@pytest.mark.host
def test_course_put_into_a_folder(host: CommandLine, temporary: Path, tmp_path: Path) -> None:
    killer = Killer(host, generator("course"))
    killer.whole("course", "--work", str(tmp_path / "first"))
    there = {path.name: path.read_bytes() for path in (tmp_path / "first").glob("*.ipynb")}
    left = count("course")
    while left:
        folder = tmp_path / f"work-{left}"
        folder.mkdir(exist_ok=True)
        (folder / "nota.txt").write_text("hola")
        left -= killer.kill("course", "--work", str(folder))
        for path in folder.glob("*.ipynb"):
            assert path.read_bytes() == there[path.name]
        killer.whole("course", "--work", str(folder))
        assert {path.name: path.read_bytes() for path in folder.glob("*.ipynb")} == there
        assert (folder / "nota.txt").read_text() == "hola"
        assert list(folder.rglob("*.new")) == []
    wait_until_nothing_lives(host.state)
    assert list(temporary.iterdir()) == []


@pytest.mark.host
def test_speed_test(host: CommandLine, temporary: Path, tmp_path: Path) -> None:
    """What was kept until then can be shown; the processes that measure end by themselves."""
    killer = Killer(host, generator("bench"))
    kept = tmp_path / "kept"
    words = ("bench", *HOST, "--quick", "--only", "launch")
    env = {"LAB_RESULTS": str(kept)}
    killer.takes_s["bench"] = 8
    left = count("bench")
    while left:
        left -= killer.kill(*words, **env)
        wait_until_nothing_lives(host.state)
        for path in kept.glob("*.json"):
            whole_report(path.read_bytes())
    for path in kept.glob("*.json"):
        shown = host("bench", "--show", str(path))
        assert shown.code == 0, shown.err
    assert list(temporary.iterdir()) == []


@pytest.mark.container
def test_container_and_its_commands(inv: CommandLine, work: Path) -> None:
    """The container itself, with a page that saves; the commands that start and stop it."""
    killer = Killer(inv, generator("container"))
    started = ("lab", *DOCKER, "--work", str(work))
    left = count("container")
    server = Server(str(killer.whole(*started, "--json").json()["url"]))
    while left:
        (container,) = containers(work)
        with saving(server, work):
            time.sleep(killer.rng.uniform(0, 0.3))
            subprocess.run(["docker", "kill", container], check=True, capture_output=True)
        left -= 1
        print("container: killed", flush=True)
        if left:
            left -= killer.kill(*started)
        server = Server(str(killer.whole(*started, "--json").json()["url"]))
        assert len(containers(work)) == 1
        if left:
            left -= killer.kill("stop") if "stop" in killer.takes_s else 0
            killer.whole("stop")
            assert containers(work) == []
            server = Server(str(killer.whole(*started, "--json").json()["url"]))
    killer.whole("stop")
    assert containers(work) == []
    wait_until_nothing_lives(inv.state)
    assert (work / "nota.txt").read_text() == "hola"
