"""`inv verify` on the host, with each fault put in place for real."""

import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.locks.install import ensure_environment
from tests.conftest import CommandLine, Result, copy_checkout
from tests.receipt.samples import seen
from tests.receipt.test_groups import put
from tests.wheels import make_wheel

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
def edited_file(site: Path) -> Iterator[str]:
    """A file of a package, replaced; never edited in place: installers link files to their
    cache."""
    path = site / "typing_extensions.py"
    aside = path.with_name(f"{path.name}.aside")
    path.rename(aside)
    path.write_text(aside.read_text() + "# by hand\n")
    yield path.name
    aside.rename(path)


@pytest.fixture
def another_package(site: Path, tmp_path: Path) -> Iterator[str]:
    """An earlier version of a package, put in its place by hand: whole, with a list of its own."""
    (info,) = site.glob("six-*.dist-info")
    kept = site.parent / "aside"
    kept.mkdir()
    for path in (info, site / "six.py"):
        path.rename(kept / path.name)
    wheel = make_wheel(tmp_path, "six", "1.0")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    yield f"six 1.0 in place of {info.name.removesuffix('.dist-info').removeprefix('six-')}"
    for name in ("six", "six-1.0.dist-info"):
        shutil.rmtree(site / name)
    for path in kept.iterdir():
        path.rename(site / path.name)
    kept.rmdir()


@pytest.fixture
def another_python(site: Path) -> Iterator[str]:
    """An interpreter that says that it is of another version; no other is at hand everywhere."""
    program = site.parents[2] / "bin" / "python"
    aside = program.with_name("python.aside")
    program.rename(aside)
    program.write_text(
        f"""#!/bin/sh
exec '{aside}' -c "
import runpy, sys
sys.version = '3.12.9 ' + sys.version.partition(' ')[2]
sys.argv = sys.argv[2:]
runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)" "$@"
"""
    )
    program.chmod(0o755)
    yield "3.12.9; the receipt has 3.11"
    aside.replace(program)


def test_each_fault_is_named(
    command: CommandLine, clone: Path, edited_file: str, another_package: str, another_python: str
) -> None:
    edited = clone / "lab" / "units.py"
    before = edited.read_text()
    edited.write_text(before + "# a change\n")
    try:
        done = command(*HERE, "--json", OMP_NUM_THREADS="1", ATEN_CPU_CAPABILITY="default")
    finally:
        edited.write_text(before)
    assert done.code == 3, done.err
    found = statuses(done)
    assert found.keys() == {"lab", "python", "packages", "files", "threads", "settings"}
    assert found["lab"] == "lab/units.py (edited)"
    assert found["python"] == another_python
    assert found["packages"] == another_package
    assert f"{edited_file} of typing-extensions (edited or missing)" in found["files"]
    assert f"{edited_file}.aside (of no package)" in found["files"]
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
