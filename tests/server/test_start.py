"""What the server is told before it starts."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from lab.course.source import sources
from lab.server.start import first_page, memory_bytes
from tests.commands import ROOT

TOTAL = psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("2147483648", 2 << 30), ("max", TOTAL), (str(TOTAL * 2), TOTAL), ("", TOTAL)],
)
def test_memory_is_the_least_of_machine_and_group(
    tmp_path: Path, limit: str, expected: int
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text(f"{limit}\n")
    assert memory_bytes(tmp_path) == expected


def test_memory_is_the_machines_where_there_are_no_groups(tmp_path: Path) -> None:
    assert memory_bytes(tmp_path) == TOTAL


# --- the page that it opens -----------------------------------------------------------------------


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.ipynb"))


def test_course_is_placed_once_and_its_first_notebook_opens(tmp_path: Path) -> None:
    page = first_page(tmp_path, "en")
    assert len(names(tmp_path)) == len(sources())
    assert page == f"/lab/tree/{names(tmp_path)[0]}"
    for notebook in tmp_path.glob("1-*.ipynb"):
        notebook.unlink()
    left = names(tmp_path)
    assert first_page(tmp_path, "en") == f"/lab/tree/{left[0]}"
    assert names(tmp_path) == left  # what the student deleted stays so


def test_folder_of_which_all_was_deleted_stays_empty(tmp_path: Path) -> None:
    first_page(tmp_path, "en")
    for notebook in tmp_path.glob("*.ipynb"):
        notebook.unlink()
    assert first_page(tmp_path, "en") == "/lab"
    assert names(tmp_path) == []


def test_notebook_of_the_students_language_opens_under_any_name(tmp_path: Path) -> None:
    first_page(tmp_path, "es")
    first_page(tmp_path, "en")
    assert len(names(tmp_path)) == 2 * len(sources())
    (english,) = tmp_path.glob("1-tensors.ipynb")
    english.rename(tmp_path / "mi práctica.ipynb")
    assert first_page(tmp_path, "en") == "/lab/tree/mi%20pr%C3%A1ctica.ipynb"
    assert first_page(tmp_path, "es") == "/lab/tree/1-tensores.ipynb"


def test_layout_that_the_student_left_comes_again(tmp_path: Path) -> None:
    workspaces = tmp_path / ".lab" / "workspaces"
    workspaces.mkdir(parents=True)
    assert first_page(tmp_path, "en") != "/lab"
    (workspaces / "default-37a8.jupyterlab-workspace").write_text("{}")
    assert first_page(tmp_path, "en") == "/lab"


def test_course_that_cannot_be_placed_keeps_nobody_from_the_lab(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".lab-course").write_text("a file in its place")
    assert first_page(tmp_path, "en") == "/lab"
    assert f"the course could not be put into {tmp_path}: " in capsys.readouterr().err


def test_server_that_is_attached_ends_gently_with_its_input() -> None:
    """As when the process that holds it is killed, which tells nobody."""
    code = (
        "import signal, sys, time; from lab.server.start import end_with_input;"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit('farewell'));"
        "end_with_input(); print('here', flush=True); time.sleep(60)"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert server.stdin is not None
    assert server.stdout is not None
    assert server.stdout.readline() == "here\n"
    server.stdin.write("something\n")
    server.stdin.flush()
    assert server.poll() is None
    server.stdin.close()
    server.stdin = None
    assert server.communicate(timeout=30)[1] == "farewell\n"
