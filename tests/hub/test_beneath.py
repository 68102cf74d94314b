"""A student's folder read with more rights than the student has: nothing in it leads out."""

import os
import socket
import threading
from pathlib import Path

import pytest

from lab.hub import beneath
from lab.hub.beneath import NotOrdinary


def told(folder: Path) -> dict[str, str]:
    return {"/".join(entry.way): entry.why for entry in beneath.walk(folder)}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key.ipynb").write_text("the teacher's")
    return folder


def test_files_come_and_what_is_hidden_does_not(work: Path) -> None:
    for name in ("a.ipynb", "deep/er/b.ipynb", ".lab/settings", ".Trash-0/c.ipynb"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(name)
    assert told(work) == {"a.ipynb": "", "deep/er/b.ipynb": ""}
    assert beneath.read(work, ("deep", "er", "b.ipynb"), 100) == b"deep/er/b.ipynb"


def test_what_is_no_ordinary_file_is_named_and_not_waited_for(work: Path) -> None:
    (work / "link.ipynb").symlink_to("../secret/key.ipynb")
    (work / "folder").symlink_to("../secret")
    (work / "loop").symlink_to("loop")
    os.mkfifo(work / "pipe")
    with socket.socket(socket.AF_UNIX) as plug:
        plug.bind(str(work / "plug"))
    assert set(told(work).values()) == {"it is a link", "it is a device, a pipe or a socket"}
    assert set(told(work)) == {"link.ipynb", "folder", "loop", "pipe", "plug"}
    for way in (("link.ipynb",), ("pipe",), ("plug",), ("folder", "key.ipynb"), ("loop",)):
        with pytest.raises(OSError):  # noqa: PT011 - that none of them is read is the point
            beneath.read(work, way, 100)


def test_file_that_is_too_large_is_refused(work: Path) -> None:
    (work / "large").write_bytes(b"x" * 11)
    with pytest.raises(NotOrdinary, match="more than 10 bytes"):
        beneath.read(work, ("large",), 10)
    assert beneath.read(work, ("large",), 11) == b"x" * 11


def test_folder_without_end_is_not_followed_to_it(work: Path) -> None:
    deep = work.joinpath(*"x" * 40)
    deep.mkdir(parents=True)
    assert [why for why in told(work).values() if why] == ["it lies deeper than 30 folders"]


def test_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    (entry,) = beneath.walk(tmp_path / "gone")
    assert entry.failed


def test_link_that_takes_a_folders_place_meanwhile_leads_nowhere(work: Path) -> None:
    """A student who swaps the two all the while, as fast as can be, gets nothing read of others."""
    (work / "real").mkdir()
    (work / "real" / "key.ipynb").write_text("mine")
    (work / "false").symlink_to("../secret")
    ended = threading.Event()

    def swap() -> None:
        while not ended.is_set():
            for name in ("real", "false"):
                (work / name).rename(work / "sub")
                (work / "sub").rename(work / name)

    swapping = threading.Thread(target=swap)
    swapping.start()
    read = set()
    try:
        while len(read) < 1:
            for _ in range(300):
                try:
                    read.add(beneath.read(work, ("sub", "key.ipynb"), 100))
                except OSError:
                    continue
                list(beneath.walk(work))
    finally:
        ended.set()
        swapping.join()
    assert read == {b"mine"}
