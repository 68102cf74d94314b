"""The registry of the lab's own gradient checks: a decorator, and a folder that is looked into."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab.errors import LabError
from lab.records.autograd import Mode

ALL_MODES: tuple[Mode, ...] = ("first", "second", "forward", "vmap")


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a case has checked.

    Args:
        function: a function of tensors, or a module.
        inputs: what it is called with, float64.
        closed_form: called with the inputs and the gradient of the output, gives that of each
            floating input; None: there is no formula to compare with.
    """

    function: Any
    inputs: tuple[Any, ...]
    closed_form: Callable[..., Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """A registered check.

    Args:
        name: as `--only` knows it: the name of its function.
        prepare: called with a function that makes random tensors on the device; returns what is
            checked.
        modes: the ways in which its derivatives are taken.
        summary: the first line of its docstring.
    """

    name: str
    prepare: Callable[[Callable[..., Any]], Checked]
    modes: tuple[Mode, ...]
    summary: str


def gradient_case(
    *, modes: tuple[Mode, ...] = ALL_MODES
) -> Callable[[Callable[[Callable[..., Any]], Checked]], Case]:
    """Make a case of a function that prepares what is checked."""

    def register(prepare: Callable[[Callable[..., Any]], Checked]) -> Case:
        return Case(
            name=prepare.__name__, prepare=prepare, modes=modes,
            summary=(prepare.__doc__ or "").strip().partition("\n")[0],
        )  # fmt: skip

    return register


def discover() -> dict[str, Case]:
    """Find every case by looking in the folder; none of them loads torch when imported."""
    folder = importlib.import_module("lab.autograd.cases")
    found: dict[str, Case] = {}
    for module in sorted(m.name for m in pkgutil.iter_modules(folder.__path__)):
        members = vars(importlib.import_module(f"lab.autograd.cases.{module}"))
        found |= {case.name: case for case in members.values() if isinstance(case, Case)}
    return found


def choose_cases(only: tuple[str, ...]) -> list[Case]:
    """The cases of these names; all where there are none.

    Raises:
        LabError: there is no such case; names those that there are.
    """
    known = discover()
    for name in only:
        if name not in known:
            raise LabError(
                f"There is no gradient check {name!r}.",
                why=f"the lab's own are {', '.join(known)}",
                next_step=(
                    "pass some of them: --only logistic_loss,softmax; for a function of yours:"
                    " --target FILE.py:NAME"
                ),
            )
    return [known[name] for name in dict.fromkeys(only or known)]
