"""The rules on imports that make `inv --list` quick and the rooms independent."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
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
    # What changed since a reference is judged as `inv bench --compare` judges.
    "cluster": {"errors", "process", "records", "paths", "engines", "bench"},
    # A lab is started in an engine, on this machine or through Slurm, and opens on the course.
    "server": {
        "errors",
        "process",
        "records",
        "paths",
        "engines",
        "cluster",
        "cluster_place",
        "launch",
        "locks",
        "course",
        "language",
        "memory",
        "turn",
        "units",
        "whole",
    },
    # A class: what a teacher does with it, and JupyterHub's configuration.
    "hub": {
        "errors",
        "process",
        "records",
        "paths",
        "turn",
        "units",
        "whole",
        "engines",
        "course",
    },
    "network": {"errors", "records"},
    "locks": {"errors", "process", "records", "paths", "turn"},
    "image": {"errors", "process", "records", "paths", "engines", "locks", "turn"},
    "seeding": {"errors"},
    "fingerprint": {"errors", "records", "told", "seeding"},
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


Loaded = Callable[[str], set[str]]


@pytest.fixture(scope="module")
def loaded_by() -> Iterator[Loaded]:
    """What is loaded after one module is imported, in a process that has imported nothing else."""
    words = [sys.executable, "-P", str(ROOT / "tests" / "imports.py")]
    env = {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env
    ) as process:

        def ask(module: str) -> set[str]:
            assert process.stdin
            assert process.stdout
            process.stdin.write(f"{module}\n")
            process.stdin.flush()
            found = set(process.stdout.readline().split())
            assert module in found, f"{module} cannot be imported"
            return found

        yield ask


# Its class is made from one of Jupyter's, which loads it by name when its server starts.
OF_JUPYTER = "lab.server.contents"


@pytest.mark.parametrize("module", [module for module in MODULES if module != OF_JUPYTER])
def test_import_loads_nothing_heavy(loaded_by: Loaded, module: str) -> None:
    assert not loaded_by(module) & set(HEAVY)


def test_check_for_heavy_imports_can_fail(loaded_by: Loaded) -> None:
    """And no module answers for the one before it."""
    assert "numpy" in loaded_by("numpy")
    assert "numpy" not in loaded_by("lab.errors")


def test_module_that_cannot_be_imported_fails_alone(loaded_by: Loaded) -> None:
    with pytest.raises(AssertionError, match=r"lab\.no_such cannot be imported"):
        loaded_by("lab.no_such")
    assert "lab.no_such" not in loaded_by("lab.errors")


def test_tasks_load_without_what_lab_needs(loaded_by: Loaded) -> None:
    """`inv --list` pays for invoke alone, which itself reads its settings with yaml."""
    assert not loaded_by("tasks") & {"msgspec", *HEAVY} - {"yaml"}


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
