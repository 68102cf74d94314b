"""The quick start of the tasks, held to what it takes for granted of invoke."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def _run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LAB_RUNNER": "test"},
    ).stdout  # fmt: skip


_LIST = """
import os, sys
from lab.command_line import main
sys.argv = ["inv", "--search-root", ".", "--list"]
really, os._exit = os._exit, lambda code: None
main()
os._exit = really
"""


def test_tasks_start_without_unittest_mock() -> None:
    out = _run(_LIST + "print('loaded:', 'unittest.mock' in sys.modules, 'asyncio' in sys.modules)")
    assert "doctor" in out
    assert out.rstrip().endswith("loaded: False False")


def test_plain_invoke_would_load_it() -> None:
    """Else the stand-in has become needless."""
    assert _run("import invoke, sys; print('unittest.mock' in sys.modules)") == "True\n"


def test_who_asks_for_it_later_gets_the_real_one() -> None:
    assert _run(_LIST + "from unittest.mock import Mock; print(Mock)").rstrip().endswith("Mock'>")


def test_ends_with_the_code_of_the_task() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lab.command_line", "--search-root", ".", "gpu", "--deadline", "x"],
        capture_output=True, text=True, check=False, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LAB_RUNNER": "test"},
    )  # fmt: skip
    assert (done.returncode, "--deadline" in done.stderr) == (2, True)


def test_help_into_a_closed_pipe_is_no_traceback() -> None:
    """Invoke prints its help line by line, in more parts than a pipe that is closed takes."""
    code = _LIST.replace("--list", "--help").replace("main()", "os.close(r); main()")
    code = code.replace("lambda code: None", "os._exit")
    piped = "import os\nr, w = os.pipe()\nos.dup2(w, 1)\n" + code
    done = subprocess.run(
        [sys.executable, "-c", piped], capture_output=True, text=True, check=False, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (141, "")
