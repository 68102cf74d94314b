"""What `./inv lint` checks beside Python: shell scripts and the Dockerfile."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lab.checks import of_others
from tests.conftest import ROOT

PROGRAMS = Path(sys.executable).parent


def codes(root: Path) -> dict[str, int]:
    steps = of_others(PROGRAMS, root)
    done = {Path(s[0]).name: subprocess.run(s, capture_output=True, check=False) for s in steps}
    return {name: each.returncode for name, each in done.items()}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("inv", ".ci/run", "docker/a.sh", "tests/engines/b.sh", "docker/Dockerfile"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("#!/bin/sh\necho hello\n")
    (tmp_path / "docker" / "Dockerfile").write_text("FROM debian:12\nRUN make\n")
    return tmp_path


def test_nothing_is_said_of_what_is_right(clone: Path) -> None:
    assert codes(clone) == {"shellcheck": 0, "hadolint": 0}


@pytest.mark.parametrize("name", ["inv", ".ci/run", "docker/a.sh", "tests/engines/b.sh"])
def test_fault_in_a_script_is_noticed(clone: Path, name: str) -> None:
    (clone / name).write_text("#!/bin/sh\ncd $1\nrm -rf $2/*\n")
    assert codes(clone) == {"shellcheck": 1, "hadolint": 0}


def test_fault_in_the_dockerfile_is_noticed(clone: Path) -> None:
    (clone / "docker" / "Dockerfile").write_text("FROM debian\nRUN cd /x && sudo make\n")
    assert codes(clone) == {"shellcheck": 0, "hadolint": 1}


def test_program_that_the_lock_has_not_is_the_systems(clone: Path, tmp_path: Path) -> None:
    """shellcheck is published for no Linux on arm64."""
    steps = of_others(tmp_path / "nothing", clone)
    assert [step[0] for step in steps] == ["shellcheck", "hadolint"]


def test_every_script_of_the_repository_is_checked() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    heads = {
        name: (ROOT / name).read_bytes()[:80].split(b"\n")[0].decode(errors="replace")
        for name in listed.stdout.split("\n") if name and (ROOT / name).is_file()
    }  # fmt: skip
    scripts = {name for name, head in heads.items() if re.match(r"#!.*\b(ba)?sh\b", head)}
    checked = {Path(path).relative_to(ROOT).as_posix() for path in of_others(PROGRAMS, ROOT)[0][1:]}
    assert scripts == checked
