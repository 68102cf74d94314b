"""The lab in a real container, from the first command to the last."""

import contextlib
import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import CommandLine, Result
from tests.jupyter import Server
from tests.server.seed import check_seed, run_seed

pytestmark = pytest.mark.container


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def command(state: Path) -> CommandLine:
    return CommandLine(state=state)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is not there yet, with what breaks careless quoting in its name."""
    return tmp_path_factory.mktemp("w") / "mi carpeta, ñandú 'y' $HOME"


@pytest.fixture(scope="module")
def started(command: CommandLine, work: Path) -> Iterator[Result]:
    result = command("lab", "--engine", "docker", "--work", str(work), "--json")
    assert result.code == 0, result.err
    yield result
    command("stop")


@pytest.fixture(scope="module")
def session(started: Result) -> dict[str, str]:
    return {key: str(value) for key, value in started.json().items()}


@pytest.fixture(scope="module")
def server(session: dict[str, str]) -> Server:
    return Server(session["url"])


@pytest.fixture(scope="module")
def described(session: dict[str, str]) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads(docker("inspect", session["container"]))[0]
    return found


def test_json_is_the_session(session: dict[str, str], work: Path) -> None:
    assert session["schema"] == "lab/session/1"
    assert session["state"] == "running"
    assert session["engine"] == "docker"
    assert session["device"] == "cpu"
    assert session["image"].startswith("pytorch-lab:cpu-")
    assert session["work"] == str(work)


def test_choice_and_progress_go_to_people(started: Result) -> None:
    assert "on the CPU: no NVIDIA device" in started.err
    assert "ready after" in started.err


def test_page_answers_with_the_token_alone(server: Server) -> None:
    assert server.request("GET", "/api/status")["started"]
    assert server.status_of("GET", "/api/contents", token="wrong") == 403


def test_second_lab_prints_the_address_of_the_first(
    command: CommandLine, session: dict[str, str]
) -> None:
    again = command("lab")
    assert again.code == 0
    assert session["url"] in again.out


def test_other_wish_is_refused_with_the_running_address(
    command: CommandLine, session: dict[str, str], tmp_path: Path
) -> None:
    other = command("lab", "--work", str(tmp_path))
    assert other.code == 2
    assert session["url"] in other.err
    assert "./inv stop" in other.err


def test_status_tells_the_same(command: CommandLine, session: dict[str, str]) -> None:
    told = command("status", "--json").json()
    assert {key: str(value) for key, value in told.items()} == session


def test_seed_notebook_runs_cell_by_cell(server: Server) -> None:
    check_seed(run_seed(server))


def test_saved_file_is_the_users_own(server: Server, work: Path) -> None:
    server.save("nota ñ.txt", "hola")
    saved = work / "nota ñ.txt"
    assert saved.read_text() == "hola"
    assert saved.owner() == work.owner()
    assert saved.stat().st_uid == work.parent.stat().st_uid


def test_nothing_outside_the_folder_is_shown(server: Server) -> None:
    assert server.status_of("GET", "/api/contents/../etc/passwd") == 404
    assert server.status_of("GET", "/api/contents/%2e%2e/etc/passwd") == 404


def test_deleted_file_is_in_the_trash(server: Server, work: Path) -> None:
    server.save("borrador.txt", "todavía")
    server.request("DELETE", "/api/contents/borrador.txt")
    kept = [path for path in work.rglob("borrador*.txt") if "Trash" in str(path)]
    assert [path.read_text() for path in kept] == ["todavía"]


def test_torch_compile_builds_and_runs(server: Server) -> None:
    with server.start_kernel() as kernel:
        outcome = kernel.run(
            "import torch\nx = torch.linspace(0, 1, 64)\n"
            "f = lambda x: torch.sin(x) + x * x\n"
            "print(torch.allclose(torch.compile(f)(x), f(x)))"
        )
    assert (outcome.error, outcome.text.splitlines()[-1:]) == ("", ["True"])


def test_kernel_talks_over_private_sockets(server: Server) -> None:
    with server.start_kernel() as kernel:
        outcome = kernel.run(
            "import json\nfrom ipykernel.connect import get_connection_file\n"
            "print(json.load(open(get_connection_file()))['transport'])"
        )
    assert outcome.text == "ipc\n"


def test_container_is_hardened(described: dict[str, dict[str, object]]) -> None:
    host = described["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert "no-new-privileges" in str(host["SecurityOpt"])
    assert host["PidsLimit"] == 4096
    assert host["ShmSize"] == 2 << 30
    assert host["Memory"] == 0


def test_port_is_published_on_loopback_alone(described: dict[str, dict[str, object]]) -> None:
    bindings = described["HostConfig"]["PortBindings"]
    assert isinstance(bindings, dict)
    assert {b["HostIp"] for ports in bindings.values() for b in ports} == {"127.0.0.1"}


def test_processes_inside_have_no_capability(session: dict[str, str]) -> None:
    status = docker("exec", session["container"], "cat", "/proc/1/status")
    effective = next(line for line in status.splitlines() if line.startswith("CapEff"))
    assert int(effective.split()[1], 16) == 0


def test_token_is_nowhere_to_be_read(server: Server, session: dict[str, str], work: Path) -> None:
    logs = subprocess.run(
        ["docker", "logs", session["container"]], capture_output=True, text=True, check=True
    )
    places = {
        "inspect": docker("inspect", session["container"]),
        "image": docker("inspect", session["image"]),
        "history": docker("history", "--no-trunc", session["image"]),
        "log": logs.stdout + logs.stderr,
        "ps": subprocess.run(["ps", "axeww"], capture_output=True, text=True, check=True).stdout,
        "top": docker("top", session["container"]),
    }
    assert [name for name, text in places.items() if server.token in text] == []
    assert "Serving notebooks" in places["log"], "the log that was searched is the server's"


def test_token_file_is_for_its_user_alone(session: dict[str, str]) -> None:
    where = "/home/student/.lab/server/session.json"
    assert docker("exec", session["container"], "stat", "-c", "%a", where).strip() == "600"


def test_log_has_no_warning(session: dict[str, str]) -> None:
    logs = subprocess.run(
        ["docker", "logs", session["container"]], capture_output=True, text=True, check=True
    )
    first = (logs.stdout + logs.stderr).split("Use Control-C")[0]
    assert [line for line in first.splitlines() if line[:2] in ("[W", "[E", "[C")] == []


def test_health_check_says_healthy(session: dict[str, str]) -> None:
    check = json.loads(
        docker("inspect", "--format", "{{json .Config.Healthcheck.Test}}", session["container"])
    )
    subprocess.run(["docker", "exec", session["container"], *check[1:]], check=True)


def test_health_check_notices_a_server_that_is_gone(session: dict[str, str]) -> None:
    check = json.loads(
        docker("inspect", "--format", "{{json .Config.Healthcheck.Test}}", session["container"])
    )
    asked = [word.replace("/8888", "/8889") for word in check[1:]]
    gone = subprocess.run(
        ["docker", "exec", session["container"], *asked], capture_output=True, check=False
    )
    assert gone.returncode != 0


def test_shell_runs_a_command_and_ends_with_its_code(command: CommandLine, tmp_path: Path) -> None:
    done = command(
        "shell", "--engine", "docker", "--work", str(tmp_path), "--command",
        "python -c 'import lab, torch; print(lab.__version__, torch.__version__)'; touch seen;"
        " exit 7",
    )  # fmt: skip
    assert (done.code, done.out.split()[-1]) == (7, "2.13.0+cpu")
    assert (tmp_path / "seen").stat().st_uid == tmp_path.stat().st_uid


def test_inv_works_inside_the_image(command: CommandLine, tmp_path: Path) -> None:
    done = command(
        "shell", "--engine", "docker", "--work", str(tmp_path), "--command", "inv --list"
    )
    assert done.code == 0
    assert "Start JupyterLab" in done.out


def test_logs_show_the_server(command: CommandLine, session: dict[str, str]) -> None:
    shown = command("logs")
    assert shown.code == 0
    assert "Serving notebooks from local directory: /work" in shown.out + shown.err


def test_stop_keeps_files_and_leaves_no_container(
    command: CommandLine, session: dict[str, str], work: Path, server: Server
) -> None:
    before = sorted(p.name for p in work.iterdir())
    stopped = command("stop", "--json")
    assert stopped.code == 0, stopped.err
    assert stopped.json()["state"] == "stopped"
    assert sorted(p.name for p in work.iterdir()) == before
    left = docker("ps", "--all", "--quiet", "--filter", f"id={session['container']}")
    assert left == ""
    assert command("status", "--json").json()["state"] == "stopped"
    assert command("stop").out == "No lab was running.\n"


def test_each_start_has_a_new_token(
    command: CommandLine, session: dict[str, str], tmp_path: Path
) -> None:
    anew = command("lab", "--engine", "docker", "--work", str(tmp_path), "--json").json()
    assert anew["url"] != session["url"]
    assert command("stop").code == 0


def test_busy_port_is_passed_over_when_none_was_asked_for(inv: CommandLine, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # somebody has it already: as good
            other.bind(("127.0.0.1", 8888))
            other.listen()
        session = inv("lab", "--engine", "docker", "--work", str(tmp_path), "--json").json()
    assert session["port"] != 8888


def test_busy_port_that_was_asked_for_is_named(inv: CommandLine, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        refused = inv("lab", "--engine", "docker", "--work", str(tmp_path), "--port", port)
    assert refused.code == 2
    assert f"Port {port} is in use." in refused.err
    assert "pytest" in refused.err
    assert "Traceback" not in refused.err


def test_memory_limit_is_set_when_asked_for(inv: CommandLine, tmp_path: Path) -> None:
    session = inv(
        "lab", "--engine", "docker", "--work", str(tmp_path), "--memory", "3g", "--json"
    ).json()
    limit = docker("inspect", "--format", "{{.HostConfig.Memory}}", str(session["container"]))
    assert int(limit) == 3 << 30


@pytest.mark.root
def test_folder_of_another_user_gets_that_users_files(inv: CommandLine, tmp_path: Path) -> None:
    """Whoever starts the lab, what is saved belongs to the owner of the folder, whatever the id."""
    import os

    folder = tmp_path / "de otra"
    folder.mkdir()
    os.chown(folder, 54321, 54322)
    session = inv("lab", "--engine", "docker", "--work", str(folder), "--json").json()
    server = Server(str(session["url"]))
    server.save("suya.txt", "x")
    with server.start_kernel() as kernel:
        assert not kernel.run("open('del kernel.txt', 'w').write('y')").error
    owners = {(p.stat().st_uid, p.stat().st_gid) for p in folder.glob("*.txt")}
    assert owners == {(54321, 54322)}
