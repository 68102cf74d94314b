"""What a server, a node and JupyterLab leave, damaged at random: it is not there, and no traceback
says so."""

import fcntl
import json
import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.course_command import _in_tabs, _server
from lab.process import Finished
from lab.records.save import to_json
from lab.server import address, background, container, running, slurm_folder, sockets
from lab.server.slurm_folder import Last, OnNode, Order
from tests.damage import fuzzed, refused_or, spoilt, spoilt_text

SECRET = json.dumps(
    {"token": "t0k", "port": 8888, "pid": 4711, "started": 1.8e9, "work": "/w", "device": "cpu",
     "runtime": "/tmp/lab-1", "page": "/lab"}
).encode()  # fmt: skip
LAST = to_json(Last(name="lab-1", job="7")).encode()
ORDER = to_json(
    Order(name="lab-1", work="/w", engine="host", device="cpu", port=8888, submitted_utc="2026")
).encode()
NODE = to_json(OnNode(phase="running", node="n1", job="7", port=8888, token="t0k")).encode()
TABS = b'{"data": {"notebook:1.ipynb": {"data": {}}, "file-browser": {"data": {}}}}'


@fuzzed
@given(content=spoilt(SECRET))
def test_damaged_session_of_a_server_is_one_without_an_address(
    tmp_path: Path, content: bytes
) -> None:
    own = tmp_path / "server"
    own.mkdir(exist_ok=True)
    path = own / "session.json"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch, (own / "lock").open("w") as lock:
        patch.setenv("LAB_STATE", str(tmp_path))
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = background.find()
        assert running.of_background(found).state == ("running" if found else "stopped")
        assert path.read_bytes() == content
        fcntl.flock(lock, fcntl.LOCK_UN)
        background.clear_remains()
        assert not path.exists()


@fuzzed
@given(last=spoilt(LAST), order=spoilt(ORDER), node=spoilt(NODE))
def test_damaged_files_of_a_lab_on_a_node_are_none_or_an_error(
    tmp_path: Path, last: bytes, order: bytes, node: bytes
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_STATE", str(tmp_path))
        folder = slurm_folder.folder_of("lab-1")
        folder.mkdir(parents=True, exist_ok=True)
        files = {slurm_folder.root() / "lab.json": last, folder / "order.json": order,
                 folder / "node.json": node}  # fmt: skip
        for path, content in files.items():
            path.write_bytes(content)
        refused_or(slurm_folder.read_last)
        refused_or(slurm_folder.log_file)
        slurm_folder.read(folder / "order.json", Order)
        slurm_folder.read(folder / "node.json", OnNode)
        slurm_folder.last_words("lab-1")
        assert {path: path.read_bytes() for path in files} == files


@fuzzed
@given(content=spoilt(TABS))
def test_damaged_note_of_tabs_names_none(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / ".lab" / "workspaces"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.jupyterlab-workspace").write_bytes(content)
    (folder / "b.jupyterlab-workspace").write_bytes(TABS)
    assert "1.ipynb" in _in_tabs(tmp_path)


@fuzzed
@given(content=st.one_of(st.binary(max_size=20), spoilt_text(b"docker")))
def test_damaged_note_of_the_engine_is_an_error_that_says_where(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "engine.txt").write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_STATE", str(tmp_path))
        error = refused_or(lambda: running.remembered() in ("docker", "podman") or 1 / 0)
        assert error is None or str(tmp_path / "engine.txt") in error.why
    assert (tmp_path / "engine.txt").read_bytes() == content


def test_course_is_not_changed_where_nobody_knows_whether_a_lab_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_STATE", str(tmp_path))
    assert _server(tmp_path) is None
    (tmp_path / "engine.txt").write_text("dock")
    error = refused_or(lambda: _server(tmp_path))
    assert error is not None
    assert "engine.txt" in error.why


@fuzzed
@given(content=st.one_of(st.binary(max_size=40), spoilt(b'[{"execution_state": "busy"}]'),
                         spoilt(b'[{"path": "1.ipynb", "kernel": {}}]')))  # fmt: skip
def test_answer_that_is_not_jupyters_says_nothing(content: bytes) -> None:
    """Whoever took the port may say anything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(address, "_get", lambda *_, **__: content)
        assert address.busy_kernels(8888, "t0k") in (0, 1)
        found = address.sessions(8888, "t0k")
        assert found is None or all(isinstance(path, str) for path in found)


@pytest.mark.parametrize("said", [b"220 mail\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
                                  b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                                  b"\xff" * 70_000, b""])  # fmt: skip
def test_port_that_speaks_no_http_is_no_lab(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with suppress(OSError), listening.accept()[0] as heard:
                heard.recv(4096)
                heard.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        assert address.sessions(listening.getsockname()[1], "t0k") in (None, [])
        thread.join()


@fuzzed
@given(content=spoilt(b'{"token": "t0k", "page": "/lab"}'))
def test_damaged_address_in_a_container_is_none(content: bytes) -> None:
    done = Finished(argv=(), code=0, stdout=content.decode(errors="replace"), stderr="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(container, "run", lambda *_, **__: done)
        found = container.read_secret("docker", "0123")
        assert found is None or (isinstance(found.token, str) and isinstance(found.page, str))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("LAB_STATE", str(tmp_path / "state"))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    background.folder().mkdir(parents=True)
    return folder


def test_session_file_that_names_a_folder_of_the_student_costs_nothing(
    temporary: Path, tmp_path: Path
) -> None:
    theirs = [tmp_path / name for name in ("lab-1", "lab-of-physics", "work")]
    other = sockets.make(tmp_path / "other")
    remains = sockets.make(background.folder())
    link = temporary / f"{remains.name}x"
    link.symlink_to(tmp_path / "work")
    for folder in theirs:
        folder.mkdir()
        (folder / "nota.txt").write_text("hola")
    for named in (*theirs, other, link, Path("/"), Path()):
        secret = json.loads(SECRET) | {"runtime": str(named)}
        (background.folder() / "session.json").write_text(json.dumps(secret))
        background.clear_remains()
        assert not (background.folder() / "session.json").exists()
    assert [(folder / "nota.txt").read_text() for folder in theirs] == ["hola"] * 3
    assert other.is_dir()  # another clone's lab, which may run
    assert not remains.exists()


def test_sockets_of_a_server_that_was_killed_before_it_wrote_its_file_are_removed(
    temporary: Path, tmp_path: Path
) -> None:
    remains = sockets.make(background.folder())
    elsewhere = tmp_path / "elsewhere" / remains.name
    elsewhere.mkdir(parents=True)
    background.clear_remains()
    assert not remains.exists()
    assert elsewhere.exists()
    secret = json.loads(SECRET) | {"runtime": str(elsewhere)}
    (background.folder() / "session.json").write_text(json.dumps(secret))
    background.clear_remains()
    assert not elsewhere.exists()


def test_sockets_are_where_their_path_is_short_enough(
    temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"kernel-{'0' * 36}-ipc-1"
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("x" * 90)))
    made = sockets.make(background.folder())
    assert len(bytes(made / name)) <= 103
    background.clear_remains()
    assert not made.exists()
