"""`inv verify` on the host, with each fault put in place for real."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.locks.install import ensure_environment
from lab.paths import ROOT
from tests.conftest import CommandLine, Result, copy_checkout
from tests.receipt.samples import seen
from tests.receipt.test_groups import put

pytestmark = pytest.mark.host
HERE = ("verify", "--engine", "host", "--device", "cpu")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this checkout as it would be committed."""
    root = copy_checkout(tmp_path_factory.mktemp("clone"))
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "x"]):
        subprocess.run(["git", "-C", str(root), *who, *words], check=True, capture_output=True)
    return root


@pytest.fixture
def command(state: Path, clone: Path, tmp_path: Path) -> CommandLine:
    return CommandLine(state=state, root=clone, env={"LAB_RESULTS": str(tmp_path / "results")})


@pytest.fixture
def site(state: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAB_STATE", str(state))
    return next(ensure_environment("cpu", say=print).glob("lib/python3*/site-packages"))


def statuses(done: Result, status: str = "differs") -> dict[str, str]:
    verification = done.json()["verification"]
    assert isinstance(verification, dict)
    return {f["name"]: f["seen"] for f in verification["findings"] if f["status"] == status}


def test_machine_as_it_should_be(command: CommandLine, tmp_path: Path) -> None:
    mine = tmp_path / "class" / "mine.json"
    mine.parent.mkdir()
    done = command(*HERE, "--json", "--output", str(mine))
    assert done.code == 0, done.err + done.out
    assert done.json()["schema"] == "lab/receipt/1"
    assert statuses(done) == statuses(done, "cannot tell") == {}
    assert mine.read_text() == done.out
    shown = command("verify", "--class", str(mine.parent))
    assert (shown.code, shown.out.splitlines()[0]) == (0, "1 as the receipt: mine")


@pytest.fixture
def replaced(site: Path) -> Iterator[str]:
    """A file of a package, replaced; never edited in place: installers link files to their
    cache."""
    path = site / "six.py"
    aside = path.with_name("six.py.aside")
    path.rename(aside)
    path.write_text(aside.read_text() + "# by hand\n")
    yield path.name
    aside.rename(path)


def test_each_fault_is_named(
    command: CommandLine, clone: Path, replaced: str, tmp_path: Path
) -> None:
    edited = clone / "lab" / "units.py"
    before = edited.read_text()
    edited.write_text(before + "# a change\n")
    other = tmp_path / "other.json"
    text = (ROOT / "docker" / "receipt.json").read_text()
    other.write_text(text.replace('"python": "3.11"', '"python": "3.12"'))
    try:
        done = command(
            *HERE, "--receipt", str(other), "--json",
            OMP_NUM_THREADS="1", ATEN_CPU_CAPABILITY="default",
        )  # fmt: skip
    finally:
        edited.write_text(before)
    assert done.code == 3, done.err
    found = statuses(done)
    assert found.keys() == {"lab", "python", "files", "threads", "settings"}
    assert f"{replaced} of six" in found["files"]
    assert "six.py.aside (of no package)" in found["files"]
    assert "lab/units.py (edited)" in found["lab"]
    assert "the receipt has 3.12" in found["python"]
    assert "OMP_NUM_THREADS is '1'" in found["threads"]
    assert "ATEN_CPU_CAPABILITY is 'default'" in found["settings"]


def test_class_with_groups_ends_with_3(command: CommandLine, tmp_path: Path) -> None:
    folder = put(tmp_path / "class", ana=seen(), luis=seen(python="3.12.0"))
    done = command("verify", "--class", str(folder), "--json")
    assert done.code == 3
    assert done.json()["schema"] == "lab/class/1"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--receipt", "none.json"], "none.json could not be read"),
        (["--receipt", "README.md"], "README.md could not be read"),
        (["--class", "none"], "There is no folder"),
        (["--class", "lab", "--engine", "host"], "--engine has no meaning with --class"),
        (["--receipt", ""], "--receipt names no file"),
    ],
)
def test_what_cannot_be_done_is_exit_2(command: CommandLine, words: list[str], what: str) -> None:
    done = command("verify", *words)
    assert (done.code, done.out) == (2, "")
    assert what in done.err
    assert "Traceback" not in done.err
