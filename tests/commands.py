"""tasks.py in this process: what a command prints and how it ends."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from invoke import Collection, Program

ROOT = Path(__file__).resolve().parent.parent

Call = Callable[..., tuple[int, str, str]]


def caller(namespace: Collection, capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*words: str) -> tuple[int, str, str]:
        code = 0
        try:
            Program(namespace=namespace, name="inv", binary="inv").run(["inv", *words])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture(scope="module")
def tasks() -> Iterator[ModuleType]:
    """tasks.py, without its handing over to ./inv, which is for an invoke of the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_RUNNER", "test")
        patch.syspath_prepend(str(ROOT))
        patch.delitem(sys.modules, "tasks", raising=False)
        yield importlib.import_module("tasks")
