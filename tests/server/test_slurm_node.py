"""What the job of a lab does on its node."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.engines.choose import Choice
from lab.errors import LabError
from lab.server.slurm_folder import Order, read, seen_mark, write
from lab.server.slurm_node import OnNode, Teller, command, wait_for_folder, words_of_code
from tests.conftest import ROOT, wait_for


def order(work: Path, **changes: object) -> Order:
    values: dict[str, object] = {
        "name": "lab-1", "work": str(work), "engine": "host", "device": "cpu",
        "submitted_utc": "2026-11-27T10:00:00Z",
    }  # fmt: skip
    return Order(**{**values, **changes})  # type: ignore[arg-type]


def test_folder_is_known_by_its_mark_which_goes(tmp_path: Path) -> None:
    wanted = order(tmp_path)
    seen_mark(wanted).parent.mkdir()
    seen_mark(wanted).touch()
    wait_for_folder(wanted, "n1", sleep=lambda _: pytest.fail("there is nothing to wait for"))
    assert not seen_mark(wanted).exists()


def test_mark_that_is_seen_late_is_waited_for(tmp_path: Path) -> None:
    wanted, slept = order(tmp_path), []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            seen_mark(wanted).parent.mkdir()
            seen_mark(wanted).touch()

    wait_for_folder(wanted, "n1", sleep=sleep)
    assert sum(slept) == 3


def test_folder_of_the_same_name_on_the_nodes_own_disk_is_another(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="does not see the work folder") as other:
        wait_for_folder(order(tmp_path), "n1", sleep=lambda _: None)
    assert other.value.why == "it has another folder of that name"
    with pytest.raises(LabError) as none:
        wait_for_folder(order(tmp_path / "x"), "n1", sleep=lambda _: pytest.fail("in vain"))
    assert none.value.why == "it has none there"


def test_server_is_told_its_end_and_a_folder_but_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.launch.ensure_environment", lambda *_, **__: tmp_path / "env")
    launch = command(order(tmp_path), tmp_path / "server", 8890, 1795750577.0)
    assert launch.argv == [
        "python", "-m", "lab.server.start", "--attached", "--port", "8890", "--device", "cpu",
        "--root", str(tmp_path), "--state", str(tmp_path / "server"), "--ends", "1795750577",
    ]  # fmt: skip
    assert (tmp_path / "server").stat().st_mode & 0o777 == 0o700
    without = command(order(tmp_path), tmp_path / "server", 8890, None)
    assert "--ends" not in without.argv


def test_what_the_node_says_is_whole_private_and_written_when_it_changes(tmp_path: Path) -> None:
    teller = Teller(tmp_path, "n3", "7")
    path = tmp_path / "node.json"
    teller.say(phase="running", port=8890, token="t0k", page="/lab")
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.stat().st_ino
    teller.say(phase="running", note="")
    assert path.stat().st_ino == before
    teller.say(phase="ended", note="over", token="")
    assert json.loads(path.read_text()) == {
        "phase": "ended", "node": "n3", "job": "7", "port": 8890, "token": "", "page": "/lab",
        "note": "over", "failed": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "shut down from its page"), (2, "exit code 2"), (-9, "killed"), (137, "killed")],
)
def test_end_of_the_server_is_put_into_words(code: int, words: str) -> None:
    assert words in words_of_code(code)


# A server that answers as JupyterLab does, without its start of a second: `python -m …start` below
# finds this module in place of the lab's own.
_SERVER = """
import http.server, json, pathlib, signal, sys, threading
words = dict(zip(sys.argv[2::2], sys.argv[3::2]))
state = pathlib.Path(words["--state"])
(state / "pid").write_text(str(__import__("os").getpid()))
if "{how}" == "dies": sys.exit("no such luck")
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        good = self.headers["Authorization"] == "token t0k"
        self.send_response(200 if good else 403); self.end_headers(); self.wfile.write(b"[]")
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", int(words["--port"])), Answer)
def stop(*_):
    (state / "ended").touch()
    threading.Thread(target=server.shutdown).start()
signal.signal(signal.SIGTERM, stop)
(state / "session.json").write_text(json.dumps(dict(token="t0k", page="/lab")))
server.serve_forever()
"""


def served(tmp_path: Path, how: str, **changes: object) -> tuple[subprocess.Popen[str], Path]:
    """The node's own process, over a server that is made up."""
    folder, work = tmp_path / "lab-1", tmp_path / "work"
    folder.mkdir()
    wanted = order(work, **changes)
    seen_mark(wanted).parent.mkdir(parents=True)
    seen_mark(wanted).touch()
    write(folder / "order.json", wanted)
    (tmp_path / "server.py").write_text(_SERVER.replace("{how}", how))
    body = (
        "import sys; from pathlib import Path; from lab.server import slurm_node as n;"
        "from lab.launch import Launch;"
        f"real = n.command; n.command = lambda *a: Launch(argv=[sys.executable,"
        f" {str(tmp_path / 'server.py')!r}, *real(*a).argv[3:]]);"
        "import lab.launch as l; l.ensure_environment = lambda *a, **k: Path('/none');"
        f"sys.exit(n.main(Path({str(folder)!r}),"
        " {'SLURMD_NODENAME': 'n3', 'SLURM_JOB_ID': '7'}))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", body], cwd=ROOT, text=True, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LAB_STATE": str(tmp_path / "state")},
    )  # fmt: skip
    return process, folder


def told(folder: Path) -> OnNode | None:
    return read(folder / "node.json", OnNode)


def has_phase(folder: Path, phase: str) -> bool:
    found = told(folder)
    return found is not None and found.phase == phase


@pytest.mark.parametrize(
    ("number", "note"),
    [
        (signal.SIGUSR1, "the time of its job was up"),
        (signal.SIGTERM, "its job was ended from outside"),
    ],
)
def test_signal_ends_the_server_gently_and_is_told(
    tmp_path: Path, number: signal.Signals, note: str
) -> None:
    process, folder = served(tmp_path, "well")
    wait_for(lambda: has_phase(folder, "running"), "the page")
    running = told(folder)
    assert running is not None
    assert (running.token, running.page, running.node) == ("t0k", "/lab", "n3")
    process.send_signal(number)
    assert process.wait(timeout=60) == 0, process.communicate()
    process.communicate()
    assert (folder / "server" / "ended").exists()
    over = told(folder)
    assert over is not None
    assert (over.phase, over.note, over.token) == ("ended", note, "")
    assert not Path(f"/proc/{(folder / 'server' / 'pid').read_text()}").exists()


def test_server_that_is_killed_ends_the_job_and_is_told(tmp_path: Path) -> None:
    process, folder = served(tmp_path, "well")
    wait_for(lambda: has_phase(folder, "running"), "the page")
    os.kill(int((folder / "server" / "pid").read_text()), signal.SIGKILL)
    assert process.wait(timeout=60) == 0
    process.communicate()
    over = told(folder)
    assert over is not None
    assert over.note == "exit code -9, killed: for want of memory, or by hand"


def test_server_that_does_not_start_is_an_error_with_its_reason(tmp_path: Path) -> None:
    process, folder = served(tmp_path, "dies")
    assert process.wait(timeout=60) == 2
    assert "no such luck" in process.communicate()[1]
    failed = told(folder)
    assert failed is not None
    assert failed.failed is not None
    assert failed.failed[:2] == (
        "The lab did not start on its node.",
        "its server ended: exit code 1",
    )


def test_port_that_was_asked_for_and_is_taken_is_said(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process, folder = served(tmp_path, "well", port=port)
        assert process.wait(timeout=60) == 2
        process.communicate()
    failed = told(folder)
    assert failed is not None
    assert failed.failed is not None
    assert failed.failed[0] == f"Port {port} is in use."


def test_order_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lab.server.slurm_node", str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
        env={**os.environ, "SLURM_JOB_ID": "7"},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("The node cannot read what it is to start.")
    assert has_phase(tmp_path, "failed")


def test_server_in_apptainer_has_its_folder_mounted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = Choice(engine="apptainer", device="cpu", gpu="none", why="")
    monkeypatch.setattr("lab.server.slurm_node.choose", lambda *_: chosen)
    monkeypatch.setattr("lab.launch.provide_image", lambda _, image, *__: image)
    wanted = order(tmp_path, engine="apptainer", image="/shared/a.sif")
    argv = command(wanted, tmp_path / "server", 8890, None).argv
    assert f"type=bind,source={tmp_path / 'server'},destination=/lab-on-node" in argv
    assert argv[argv.index("/shared/a.sif") :] == [
        "/shared/a.sif", "python", "-m", "lab.server.start", "--attached", "--port", "8890",
        "--device", "cpu", "--root", "/work", "--state", "/lab-on-node",
    ]  # fmt: skip
