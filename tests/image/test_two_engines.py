"""Two machines' worth of builds: engines with nothing in common give one image."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.image.provide import default_base
from lab.locks.sources import read_sources
from tests.conftest import CommandLine, Result, copy_checkout
from tests.daemon import Engine, Net, engine_beside
from tests.fakes import NOBODY

# A build from nothing; a machine that is busy with others takes its time.
pytestmark = [pytest.mark.container, pytest.mark.root, pytest.mark.timeout(2400)]

NET = Net(bridge="labproof0", address="172.31.78.1", open=True)
LONG_AGO = 981_173_106  # of a file's time: February 2001
# A user who is not root, and whose files nobody else may read.
AS_ANOTHER = (
    "sh", "-c", 'umask 077 && exec "$0" "$@"',
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
)  # fmt: skip


@pytest.fixture(scope="module")
def here(state: Path) -> Result:
    """What the machine's own engine has, or builds; `build --check` proves that it is one image."""
    built = CommandLine(state=state)("build", "--json", timeout=2400)
    assert built.code == 0, built.err
    return built


@pytest.fixture
def engine(here: Result) -> Iterator[Engine]:
    """A daemon that has the base and nothing else: no layer, no cache of packages."""
    base = default_base("docker")
    with engine_beside(*([base] if base else []), net=NET) as made:
        made.socket.chmod(0o666)
        yield made


def own(folder: Path) -> None:
    """Make all of a folder another user's, closed to the rest, and old."""
    for path in (*folder.rglob("*"), folder):
        os.chown(path, NOBODY, NOBODY)
        path.chmod(0o700 if path.is_dir() else 0o700 & (0o600 | path.stat().st_mode))
        os.utime(path, (LONG_AGO, LONG_AGO))


def wheelhouse(target: Path) -> str:
    """The wheel that the build takes from a folder, in another one and of another time."""
    target.mkdir()
    for folder in read_sources().folders:
        for wheel in folder.glob("torch-*+cpu-*.whl"):
            os.utime(shutil.copy(wheel, target), (LONG_AGO, LONG_AGO))
    return str(target) if any(target.iterdir()) else ""


@pytest.fixture
def another(engine: Engine, entered_by_all: Path) -> CommandLine:
    """Another user on another machine: nothing is named, set or dated as it is here."""
    root = copy_checkout(entered_by_all / "Año 2" / "el laboratorio (copia)")
    own(root.parent)
    home = entered_by_all / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    return CommandLine(
        state=home, root=root, prefix=AS_ANOTHER,
        env={
            **engine.env, "HOME": str(home), "USER": "otra", "LOGNAME": "otra",
            "TZ": "Pacific/Kiritimati", "LC_ALL": "C", "LANG": "C", "PYTHONHASHSEED": "7",
            "PIP_FIND_LINKS": wheelhouse(entered_by_all / "ruedas"),
        },
    )  # fmt: skip


def test_another_machine_builds_the_same_image_from_nothing(
    here: Result, another: CommandLine
) -> None:
    """Other data root, user, umask, names of folders, times of files, time zone, locale."""
    there = another("build", "--json", timeout=2400)
    assert there.code == 0, there.err
    wanted, found = here.json(), there.json()
    assert "installing the packages of the cpu lock" in there.err
    assert found["inputs"] == wanted["inputs"]
    assert found["digest"] == wanted["digest"]
    assert found["compressed_bytes"] == wanted["compressed_bytes"]
