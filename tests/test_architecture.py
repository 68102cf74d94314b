"""The rules on imports that make `inv --list` quick and the rooms independent."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "lab").rglob("*.py")
)
HEAVY = ("torch", "numpy", "matplotlib", "pynvml", "jupyterlab", "rich", "psutil", "yaml")

# What each room may import from lab, beside errors, process, records and paths, which all may.
ROOMS = {
    "records": {"errors", "language", "whole"},
    "whole": set(),
    "turn": set(),
    "told": {"errors"},
    "memory": {"records"},
    "errors": set(),
    "process": {"errors"},
    "paths": {"errors"},
    "units": {"errors"},
    "engines": {"errors", "process", "records"},
    "gpu": {"errors", "process", "records", "paths"},
    "render": {"errors", "records"},
    "language": {"errors"},
    # The exercises that ask for a gradient have it checked.
    "course": {"errors", "records", "language", "turn", "whole", "autograd"},
    # A drawing shows what the check finds.
    "graph": {"errors", "records", "told", "autograd"},
    "autograd": {"errors", "records", "told", "memory"},
    # NVML has one caller, lab/gpu: the speed tests look through it while they run.
    "bench": {"errors", "process", "records", "paths", "gpu", "told", "memory"},
    "cluster": {"errors", "process", "records", "paths", "engines"},
    "locks": {"errors", "process", "records", "paths", "turn"},
    "image": {"errors", "process", "records", "paths", "engines", "locks"},
    "doctor": {
        "errors",
        "process",
        "records",
        "paths",
        "engines",
        "locks",
        "gpu",
        "server",
        "image",
    },
}


def _loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"],
        capture_output=True, text=True, check=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    return set(done.stdout.split())


@pytest.mark.parametrize("module", MODULES)
def test_import_loads_nothing_heavy(module: str) -> None:
    assert not _loaded_by(f"import {module}") & set(HEAVY)


def test_check_for_heavy_imports_can_fail() -> None:
    assert "numpy" in _loaded_by("import numpy")


def test_tasks_load_without_what_lab_needs() -> None:
    """`inv --list` pays for invoke alone, which itself reads its settings with yaml."""
    assert not _loaded_by("import tasks") & {"msgspec", *HEAVY} - {"yaml"}


def _imported_rooms(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {
        node.module for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("lab.")
    }  # fmt: skip
    return {name.split(".")[1] for name in names}


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_room_imports_only_what_it_may(room: str) -> None:
    folder = ROOT / "lab" / room
    files = folder.rglob("*.py") if folder.is_dir() else [folder.with_suffix(".py")]
    for path in files:
        assert _imported_rooms(path) <= ROOMS[room] | {room}, path
