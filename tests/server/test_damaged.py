"""What a server, a node and JupyterLab leave, damaged at random: it is not there, and no traceback
says so."""

import fcntl
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.course_command import _in_tabs, _server
from lab.records.save import to_json
from lab.server import background, running, slurm_folder
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
    assert _server(tmp_path) == (None, "", "")
    (tmp_path / "engine.txt").write_text("dock")
    error = refused_or(lambda: _server(tmp_path))
    assert error is not None
    assert "engine.txt" in error.why
