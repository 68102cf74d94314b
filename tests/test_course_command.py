"""What `inv course` learns of the lab that runs: which notebooks are open in it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from lab import course_command
from lab.course_command import open_files
from lab.errors import LabError

TOKEN = "a-token"


@dataclass
class Lab:
    """A server on the loopback that knows its sessions; `status` 0 hangs up instead."""

    port: int = 0
    status: int = 200
    sessions: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        if self.status == 0:
            return
        known = request.headers["Authorization"] == f"token {TOKEN}"
        request.send_response(self.status if known else 403)
        request.end_headers()
        request.wfile.write(json.dumps([{"path": path} for path in self.sessions]).encode())


@contextmanager
def serving(lab: Lab) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            lab.answer(self)

        def log_message(self, *arguments: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        lab.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join(timeout=10)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The folder that the lab serves."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def announce(tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Path]:
    """Writes what a lab that runs in the image says of itself; returns that file."""
    monkeypatch.setenv("LAB_RUNNER", "image")
    monkeypatch.setenv("LAB_STATE", str(tmp_path / "state"))
    file = tmp_path / "state" / "server" / "session.json"
    file.parent.mkdir(parents=True)

    def write(port: int) -> Path:
        file.write_text(json.dumps({"port": port, "token": TOKEN, "work": str(work)}))
        return file

    return write


@pytest.fixture
def lab(announce: Callable[[int], Path]) -> Iterator[Lab]:
    made = Lab()
    with serving(made):
        announce(made.port)
        yield made


def test_server_with_a_state_of_its_own_is_found_from_its_terminal(
    lab: Lab, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a lab in Apptainer on a node has it: no other file says that it runs."""
    own = tmp_path / "lab-on-node"
    own.mkdir()
    (tmp_path / "state" / "server" / "session.json").rename(own / "session.json")
    assert not open_files(work)(work / "1-tensors.ipynb")
    monkeypatch.setenv("LAB_SERVER", str(own))
    lab.sessions = ["1-tensors.ipynb"]
    assert open_files(work)(work / "1-tensors.ipynb")


def test_lab_of_a_class_is_asked_by_the_token_that_its_hub_gave_it(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server writes no file with a token of its own."""
    made = Lab(sessions=["1-tensors.ipynb"])
    with serving(made):
        served = {
            "JUPYTERHUB_SERVICE_URL": f"http://0.0.0.0:{made.port}/user/ana-etkls32y3j/",
            "JUPYTERHUB_SERVICE_PREFIX": "/user/ana-etkls32y3j/", "JUPYTERHUB_API_TOKEN": TOKEN,
            "LAB_RUNNER": "image",
        }  # fmt: skip
        for name, value in served.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(course_command, "work_default", lambda: work)
        is_open = open_files(work)
    assert is_open(work / "1-tensors.ipynb")
    assert not is_open(work / "2-mine.ipynb")
    assert made.asked == ["/user/ana-etkls32y3j/api/sessions"]


def test_lab_on_a_node_may_be_open_where_slurm_does_not_answer(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent() -> None:
        raise LabError("Slurm does not answer.", why="it is slow", next_step="later")

    monkeypatch.setattr(course_command, "in_image", lambda: False)
    monkeypatch.setattr(course_command.running, "status", silent)
    monkeypatch.setattr(course_command.slurm_folder, "is_open", lambda: True)
    with pytest.raises(LabError, match="Slurm does not answer"):
        open_files(work)
    monkeypatch.setattr(course_command.slurm_folder, "is_open", lambda: False)
    assert not open_files(work)(work / "1-tensors.ipynb")


def note_tabs(work: Path, name: str, *tabs: str) -> Path:
    """As JupyterLab notes its layout."""
    file = work / ".lab" / "workspaces" / f"{name}.jupyterlab-workspace"
    file.parent.mkdir(parents=True, exist_ok=True)
    kept = {f"notebook:{tab}": {"data": {"path": tab}} for tab in tabs}
    layout = {"layout-restorer:data": {"main": {}}, "file-browser-filebrowser:cwd": {"path": ""}}
    file.write_text(json.dumps({"data": {**layout, **kept}, "metadata": {"id": name}}))
    return file


def test_notebook_with_a_session_is_open_and_no_other(lab: Lab, work: Path) -> None:
    lab.sessions = ["1-tensors.ipynb", "homework/2-mine.ipynb"]
    is_open = open_files(work)
    assert is_open(work / "1-tensors.ipynb")
    assert is_open(work / "homework" / "2-mine.ipynb")
    assert not is_open(work / "2-mine.ipynb")
    assert lab.asked == ["/api/sessions"]


def test_notebook_in_a_tab_is_open_also_when_its_kernel_was_shut_down(lab: Lab, work: Path) -> None:
    note_tabs(work, "default", "1-tensors.ipynb")
    note_tabs(work, "lab-a", "homework/3-autograd.ipynb")
    is_open = open_files(work)
    assert is_open(work / "1-tensors.ipynb")
    assert is_open(work / "homework" / "3-autograd.ipynb")
    assert not is_open(work / "2-mine.ipynb")


def test_layout_that_cannot_be_read_costs_itself_alone(lab: Lab, work: Path) -> None:
    note_tabs(work, "a").write_text('{"data": {"notebook:1-ten')
    note_tabs(work, "b").write_text("[]")
    note_tabs(work, "c", "1-tensors.ipynb")
    assert open_files(work)(work / "1-tensors.ipynb")


def test_notebook_is_open_by_whatever_way_it_is_reached(lab: Lab, work: Path) -> None:
    lab.sessions = ["1-tensors.ipynb"]
    (work.parent / "link").symlink_to(work)
    assert open_files(work.parent / "link")(work.parent / "link" / "1-tensors.ipynb")


@pytest.mark.parametrize("status", [503, 403, 0])
def test_lab_that_does_not_say_what_is_open_is_an_error(lab: Lab, work: Path, status: int) -> None:
    """A browser would write over what is updated: not knowing is not nothing."""
    lab.status = status
    with pytest.raises(LabError, match="does not say which notebooks are open") as caught:
        open_files(work)
    assert "./inv stop" in caught.value.next_step
    assert lab.asked


def test_lab_that_is_not_reached_is_an_error(announce: Callable[[int], Path], work: Path) -> None:
    gone = Lab()
    with serving(gone):
        pass
    announce(gone.port)
    with pytest.raises(LabError, match="does not say which notebooks are open"):
        open_files(work)


def test_without_a_lab_nothing_is_open(announce: Callable[[int], Path], work: Path) -> None:
    note_tabs(work, "default", "1-tensors.ipynb")
    assert not open_files(work)(work / "1-tensors.ipynb")
    announce(1).write_text('{"port": ')  # a file that cannot be read is of no lab
    assert not open_files(work)(work / "1-tensors.ipynb")
