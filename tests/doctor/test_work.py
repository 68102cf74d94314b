"""Work folders with real faults."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from lab.doctor.work import LEAST_WORK_BYTES, WorkState, check_work, read_work
from tests.fakes import NOBODY, AsNobody

FINE = WorkState(
    path=Path("/home/ana/work"), kind="folder", owner_uid=1000, owner="ana", free_bytes=10**11
)


def test_work_folder_of_the_user_is_fine(tmp_path: Path) -> None:
    state = read_work(tmp_path)
    assert (state.kind, state.refused, state.locked) == ("folder", "", ())
    assert state.free_bytes == pytest.approx(
        os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize, abs=10**9
    )
    assert check_work(replace(state, free_bytes=10**11), uid=os.geteuid()).status == "ok"
    assert not list(tmp_path.iterdir())


def test_work_folder_that_is_missing_will_be_made(tmp_path: Path) -> None:
    state = read_work(tmp_path / "a" / "b")
    found = check_work(replace(state, free_bytes=10**11), uid=os.geteuid())
    assert (state.kind, found.status) == ("missing", "ok")
    assert "will be made" in found.seen
    assert not list(tmp_path.iterdir())


def test_work_folder_that_is_a_file_or_a_broken_link_is_said(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.touch()
    link.symlink_to(tmp_path / "gone")
    for path in (file, link):
        found = check_work(read_work(path), uid=os.geteuid())
        assert (found.status, "is not a folder" in found.seen) == ("fail", True)


@pytest.mark.root
def test_work_folder_owned_by_root_is_said_with_chown(
    entered_by_all: Path, as_nobody: AsNobody
) -> None:
    work = entered_by_all / "mi práctica"
    work.mkdir(mode=0o755)
    with as_nobody():
        state = read_work(work)
    found = check_work(state, uid=NOBODY)
    assert (state.owner, found.status) == ("root", "fail")
    assert "Permission denied" in found.seen
    assert f"chown -R \"$(id -u):$(id -g)\" '{work}'" in found.next


@pytest.mark.root
def test_work_folder_that_the_owner_may_not_write_is_said(
    entered_by_all: Path, as_nobody: AsNobody
) -> None:
    os.chown(entered_by_all, NOBODY, NOBODY)
    entered_by_all.chmod(0o555)
    with as_nobody():
        state = read_work(entered_by_all)
    found = check_work(state, uid=NOBODY)
    assert found.status == "fail"
    assert "belongs to you" in found.why
    assert "chmod u+rwx" in found.next


@pytest.mark.root
def test_work_folder_that_cannot_be_made_is_said(entered_by_all: Path, as_nobody: AsNobody) -> None:
    with as_nobody():
        state = read_work(entered_by_all / "work")
    found = check_work(state, uid=NOBODY)
    assert (state.kind, found.status) == ("missing", "fail")
    assert "cannot be made" in found.seen
    assert "belongs to root" in found.why


@pytest.mark.root
def test_work_folder_with_files_of_root_is_said(entered_by_all: Path, as_nobody: AsNobody) -> None:
    os.chown(entered_by_all, NOBODY, NOBODY)
    (entered_by_all / "of-root.ipynb").touch(mode=0o644)
    (entered_by_all / "shared.ipynb").touch()
    (entered_by_all / "shared.ipynb").chmod(0o666)
    own = entered_by_all / "read-only.ipynb"
    own.touch(mode=0o444)
    os.chown(own, NOBODY, NOBODY)
    with as_nobody():
        state = read_work(entered_by_all)
    assert state.locked == ("of-root.ipynb",)
    found = check_work(replace(state, free_bytes=10**11), uid=NOBODY)
    assert (found.status, "of-root.ipynb" in found.seen) == ("warn", True)


def test_work_folder_of_another_user_is_said_unless_the_lab_runs_as_the_owner() -> None:
    assert check_work(FINE, uid=1000).status == "ok"
    found = check_work(FINE, uid=1001)
    assert (found.status, "belongs to ana" in found.seen) == ("warn", True)
    assert check_work(FINE, uid=0, as_owner=True).status == "ok"


@pytest.mark.parametrize(
    ("free_bytes", "status"), [(LEAST_WORK_BYTES, "ok"), (LEAST_WORK_BYTES - 1, "warn")]
)
def test_work_folder_on_a_nearly_full_disk_is_said(free_bytes: int, status: str) -> None:
    assert check_work(replace(FINE, free_bytes=free_bytes), uid=1000).status == status


@pytest.mark.parametrize("refused", ["No space left on device", "Read-only file system"])
def test_work_folder_that_takes_no_file_shows_the_systems_words(refused: str) -> None:
    found = check_work(replace(FINE, refused=refused), uid=1000)
    assert (found.status, refused in found.seen) == ("fail", True)


@pytest.mark.parametrize(
    ("path", "wsl", "status"),
    [
        ("/mnt/c/Users/ana/work", True, "warn"),
        ("/mnt/c/Users/ana/work", False, "ok"),
        ("/mnt/data/work", True, "ok"),
        ("/home/ana/work", True, "ok"),
    ],
)
def test_work_folder_on_windows_own_disk_is_said(path: str, wsl: bool, status: str) -> None:
    assert check_work(replace(FINE, path=Path(path)), uid=1000, wsl=wsl).status == status
