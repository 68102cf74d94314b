"""Finds the function that a person names: `FILE.py:NAME`, or `module:NAME`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from lab.errors import LabError

_EXAMPLE = "such as --target work/loss.py:loss, or --target package.module:loss"


def split_target(text: str) -> tuple[str, str]:
    """The file or module, and the name in it.

    Raises:
        LabError: it has no such form.
    """
    place, colon, name = text.rpartition(":")
    if not colon or not place or not all(part.isidentifier() for part in name.split(".")):
        raise LabError(
            f"There is no target {text!r}.",
            why="a target is a file or a module, a colon, and a name in it",
            next_step=f"pass one, {_EXAMPLE}",
        )
    return place, name


def is_file(place: str) -> bool:
    """Whether a target's place is a file, and not a module."""
    return place.endswith(".py") or "/" in place


def load_target(place: str, name: str, folder: str) -> Any:
    """Import what is named.

    Args:
        place: path of a file, or a module's name.
        name: of a function, a class or an object in it; dots go further in.
        folder: looked into first for modules.

    Raises:
        LabError: there is no such file, module or name, or importing it raises.
    """
    sys.path.insert(0, folder)
    found: Any = _module(place)
    for part in name.split("."):
        if not hasattr(found, part):
            raise LabError(
                f"{place} has no {name}.",
                why=f"it has {_names(found)}",
                next_step="name one of them after the colon, as it is written there",
            )
        found = getattr(found, part)
    return found


def _module(place: str) -> ModuleType:
    try:
        if not is_file(place):
            return importlib.import_module(place)
        spec = importlib.util.spec_from_file_location(Path(place).stem, place)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module
    except ModuleNotFoundError as error:
        raise LabError(
            f"{place} cannot be imported.",
            why=str(error),
            next_step="name the file itself, FILE.py:NAME, or run this where the module lies",
        ) from error
    except Exception as error:
        raise _of_import(place, error) from error


def _of_import(place: str, error: Exception) -> LabError:
    if isinstance(error, SyntaxError):
        where = f"line {error.lineno}"
    else:
        own = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == place]
        where = f"line {own[-1].lineno}" if own else "while it was imported"
    return LabError(
        f"{place} cannot be imported: {type(error).__name__}.",
        why=f"{error} ({where})",
        next_step="run it once by itself with python, and mend that first",
    )


def _names(found: Any) -> str:
    names = [
        name
        for name, value in vars(found).items()
        if not name.startswith("_") and callable(value) and not isinstance(value, ModuleType)
    ]
    own = [n for n in names if getattr(vars(found)[n], "__module__", "") == found.__name__]
    return ", ".join((own or names)[:12]) or "nothing that could be called"
