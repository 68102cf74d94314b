"""Runs the project's own tests and checks, in the locked environment with the tools for them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from lab.errors import LabError
from lab.locks.install import ensure_environment
from lab.paths import ROOT, state
from lab.process import attach

_LOCKS = ("cpu", "dev")
_SCRIPTS = ("inv", ".ci/run", "docker/*.sh", "tests/engines/*.sh")
_NO_TESTS = 5  # pytest's exit code
# pytest's: a test failed, interrupted, internal error, wrong words, no test
_EXIT_CODES = {1: 3, 2: 130, 3: 2, 4: 2, 5: 2}


def run_tests(only: str, *, verbose: bool, say: Callable[[str], None]) -> int:
    """Run pytest over what this machine can serve; 0 when all of that is green, 3 when a test
    failed.

    Args:
        only: a folder, a file or one test of tests/, the name of a marker, or an expression for
        pytest's -k.
        verbose: name every test.
        say: takes lines of progress.

    Raises:
        LabError: no test matches.
    """
    python = ensure_environment(*_LOCKS, say=say) / "bin" / "python"
    argv = [str(python), "-m", "pytest", *(["-v"] if verbose else []), *_selection(only)]
    code = attach(argv, cwd=ROOT, env=_variables())
    if code == _NO_TESTS and only:
        raise LabError(
            f"No test matches {only!r}.",
            why="it is no folder or file of tests/, no marker, and no words of a test's name",
            next_step="see tests/ for the folders, CONTRIBUTING.md for the markers",
        )
    return _EXIT_CODES.get(code, code)


def _selection(only: str) -> list[str]:
    if not only:
        return []
    file, separator, name = only.partition("::")
    for path in (ROOT / "tests" / file, ROOT / file):
        if path.exists():
            return [f"{path}{separator}{name}"]
    marker = only.rstrip("s")
    if f'"{marker}:' in (ROOT / "pyproject.toml").read_text(encoding="utf-8"):
        return ["-m", marker]
    return ["-k", only]


def _variables() -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), "PYTHONNOUSERSITE": "1", "LAB_STATE": str(state())}


def run_lint(*, fix: bool, say: Callable[[str], None]) -> int:
    """Check format, style, types, scripts and the Dockerfile; 0 when there is nothing to say, else
    3."""
    programs = ensure_environment(*_LOCKS, say=say) / "bin"
    steps = [*_of_python(programs, fix=fix), *of_others(programs, ROOT)]
    for missing in [step[0] for step in steps if shutil.which(step[0]) is None]:
        say(f"not checked, for want of {Path(missing).name} on this kind of machine: apt or brew"
            " has it")  # fmt: skip
    steps = [step for step in steps if shutil.which(step[0])]
    codes = [attach(step, cwd=ROOT, env={**os.environ, **_variables()}) for step in steps]
    return 3 if any(codes) else 0


def _of_python(programs: Path, *, fix: bool) -> list[list[str]]:
    python = str(programs / "python")
    return [
        [python, "-m", "ruff", "format", *([] if fix else ["--diff"])],
        [python, "-m", "ruff", "check", *(["--fix"] if fix else [])],
        [python, "-m", "mypy"],
    ]


def of_others(programs: Path, root: Path) -> list[list[str]]:
    """What checks the shell scripts and the Dockerfile of a clone."""
    scripts = [str(path) for pattern in _SCRIPTS for path in sorted(root.glob(pattern))]
    return [
        [_found(programs / "shellcheck"), *scripts],
        [_found(programs / "hadolint"), str(root / "docker" / "Dockerfile")],
    ]


def _found(program: Path) -> str:
    """A program of the environment; the system's where its lock has none for this machine."""
    return str(program) if program.exists() else program.name
