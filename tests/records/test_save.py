"""Records as JSON, written at once and whole."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.records.save import save, to_json
from lab.records.session import Session

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def umask() -> Iterator[None]:
    """The usual one, so that modes can be compared."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_to_json_is_indented_and_complete() -> None:
    text = to_json(Session(state="running", work="/home/maría", port=8888))
    assert text.startswith('{\n  "schema": "lab/session/1",\n  "state": "running",\n')
    assert "maría" in text
    document = json.loads(text)
    assert (document["work"], document["port"], document["url"]) == ("/home/maría", 8888, None)


def test_save_writes_the_text_with_one_line_end(tmp_path: Path) -> None:
    path = tmp_path / "résultat avec espaces.json"
    save("{}", path)
    assert path.read_bytes() == b"{}\n"
    save("ñ\n", path)
    assert path.read_bytes() == "ñ\n".encode()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("umask")
def test_save_gives_the_usual_mode_or_a_private_one(tmp_path: Path) -> None:
    plain, private = tmp_path / "plain", tmp_path / "private"
    save("x", plain)
    save("x", private, private=True)
    assert (mode(plain), mode(private)) == (0o644, 0o600)
    os.umask(0o077)
    save("x", plain)
    assert mode(plain) == 0o600


@pytest.mark.usefixtures("umask")
def test_save_makes_an_open_file_private(tmp_path: Path) -> None:
    """The older file, which others may have open, is not the one that the token is written to."""
    path = tmp_path / "session.json"
    path.write_text("old")
    path.chmod(0o666)
    with path.open() as reader:
        save("token", path, private=True)
        assert reader.read() == "old"
    assert mode(path) == 0o600


def test_save_follows_no_link_that_lies_in_wait(tmp_path: Path) -> None:
    """The name beside can be guessed: in a shared folder somebody may have put a link there."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / f".out.{os.getpid()}").symlink_to(victim)
    save("x", tmp_path / "out")
    assert victim.read_text() == "mine"
    assert (tmp_path / "out").read_text() == "x\n"
    assert not (tmp_path / "out").is_symlink()


def test_save_replaces_a_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    save("new", link)
    assert (target.read_text(), link.read_text()) == ("old", "new\n")


def test_failing_write_leaves_the_old_file_and_nothing_beside(tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk."""
    path = tmp_path / "out.json"
    path.write_text("old\n")
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from lab.errors import LabError; from lab.records.save import save\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: save('x' * 5000, Path(sys.argv[1]))\n"
        "except LabError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, str(path)],
        capture_output=True, text=True, cwd=ROOT, check=True,
    )  # fmt: skip
    assert (
        done.stdout == f"The result could not be written to {path}.\n  why:  File too large\n"
        "  next: name a file in a folder that exists and has room: --output FILE\n"
    )
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none/out.json", "No such file or directory"),
        ("file/out.json", "Not a directory"),
        ("folder", "it is not an ordinary file"),
        ("pipe", "it is not an ordinary file"),
        ("x" * 300, "File name too long"),
    ],
)
def test_place_that_cannot_be_written_is_an_error(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(LabError) as caught:
        save("x", tmp_path / name)
    assert caught.value.what == f"The result could not be written to {tmp_path / name}."
    assert caught.value.why == why
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "file").read_text() == "kept"


def test_folder_without_a_name_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LabError, match="could not be written to"):
        save("x", Path())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.root
@pytest.mark.parametrize(
    ("folder_mode", "owner"),
    [(0o555, 0), (0o600, 65534)],
    ids=["may not be written", "may not be entered"],
)
def test_folder_without_permission_is_an_error(
    entered_by_all: Path, folder_mode: int, owner: int
) -> None:
    folder = entered_by_all / "theirs"
    folder.mkdir()
    folder.chmod(folder_mode)
    os.chown(folder, owner, owner)
    child = os.fork()
    if child == 0:  # as nobody, and gone without pytest's leave
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        try:
            save("x", folder / "out.json")
        except LabError as error:
            os._exit(0 if error.why == "Permission denied" else 3)
        except BaseException:
            os._exit(4)
        os._exit(5)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert list(folder.iterdir()) == []
