"""Runs the project's own tests and checks, in the locked environment with the tools for them."""

import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.errors import LabError
from lab.locks.install import ensure_environment
from lab.paths import ROOT, state
from lab.process import attach, stream

_LOCKS = ("cpu", "dev")
_SCRIPTS = ("inv", ".ci/run", "docker/*.sh", "tests/engines/*.sh")
_NO_TESTS = 5  # pytest's exit code
# The longer half of the tests: image builds and most of what runs in containers; last, with nothing
# beside it, what measures, ends processes or owns the cluster.
SECOND = "(container and not browser and not notebook) or host or cluster or alone"
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
    if only or (os.cpu_count() or 1) == 1:
        code = attach(argv, cwd=ROOT, env=_variables())
    else:
        code = run_halves(argv, say)
    if code == _NO_TESTS and only:
        raise LabError(
            f"No test matches {only!r}.",
            why="it is no folder or file of tests/, no marker, and no words of a test's name",
            next_step="see tests/ for the folders, CONTRIBUTING.md for the markers",
        )
    return _EXIT_CODES.get(code, code)


def run_halves(argv: Sequence[str], say: Callable[[str], None]) -> int:
    """Run the tests in two processes side by side; tests/order.py says what begins only after the
    first has ended. Its output comes first, then that of the second.

    Args:
        argv: pytest's command line, to which each half adds its marks.
        say: takes lines of progress.

    Returns:
        The first exit code that is not 0.
    """
    later = _Later()
    with tempfile.NamedTemporaryFile(prefix="lab-tests-") as lock, ThreadPoolExecutor(1) as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)
        beside = {**_variables(), "LAB_TESTS_BESIDE": lock.name}
        second = pool.submit(stream, [*argv, "-m", SECOND], later, cwd=ROOT, env=beside)
        try:
            first = attach(
                [*argv, "-m", f"not ({SECOND})"], cwd=ROOT, env=_variables(), keep=lock.fileno()
            )
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
        say(f"the other tests, which began at the same time ({SECOND}):")
        later.show()
        codes = (first, second.result().code)
    if first and not codes[1]:
        say("of the tests that ran beside these, see above, some failed")
    return next((code for code in codes if code), 0)


class _Later:
    """Keeps lines until they may be shown; from then on shows each as it comes."""

    def __init__(self) -> None:
        self._kept: list[str] = []
        self._shown = False
        self._lock = threading.Lock()

    def __call__(self, line: str) -> None:
        with self._lock:
            if self._shown:
                print(line, flush=True)
            else:
                self._kept.append(line)

    def show(self) -> None:
        """Show what was kept."""
        with self._lock:
            self._shown = True
            for line in self._kept:
                print(line, flush=True)


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
