"""What a speed test is: a function that prepares a workload, and the parameters that it sweeps."""

import importlib
import itertools
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from lab.errors import LabError
from lab.records.bench import Param

Level = Literal["quick", "default", "full"]
LEVELS: tuple[Level, ...] = ("quick", "default", "full")


class NotHere(Exception):
    """The device cannot run this case; the message is the reason, for people."""


class TooLarge(NotHere):
    """The case needs more memory than there is."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Something to be timed, ready to run: what `run` does once is one call.

    Args:
        run: the call; its result is thrown away. Nothing in it may wait for a device.
        flop_per_call: floating-point operations of one call, by the formula in the case's
            docstring.
        bytes_per_call: bytes that one call moves at least, each operand counted once.
        flush: called, untimed, before each call, for figures with a cold cache.
        moves_memory: the bytes cross the device's memory, whose rate is then what they are set
            beside; not a bus or another process.
        self_preempting: the call starts processes of its own, so that losing the processor says
            nothing.
        observe: called once in the first process before anything is sampled; its lines go to the
            notes.
        close: called when the workload is no longer needed.
    """

    run: Callable[[], object]
    flop_per_call: float | None = None
    bytes_per_call: float | None = None
    flush: Callable[[], object] | None = None
    moves_memory: bool = True
    self_preempting: bool = False
    observe: Callable[[], list[str]] | None = None
    close: Callable[[], object] | None = None


@dataclass(frozen=True, kw_only=True)
class Axis:
    """The values of one parameter at each level of thoroughness.

    Args:
        quick, default, full: values on a CPU.
        accelerator: values on an accelerator at every level but quick, which takes the first;
            empty: as on a CPU.
    """

    quick: tuple[Param, ...]
    default: tuple[Param, ...]
    full: tuple[Param, ...]
    accelerator: tuple[Param, ...] = ()

    def values(self, level: Level, device: str) -> tuple[Param, ...]:
        """The values to sweep on a device."""
        if device != "cpu" and self.accelerator:
            return self.accelerator[:1] if level == "quick" else self.accelerator
        values: tuple[Param, ...] = getattr(self, level)
        return values


def axis(
    *quick: Param,
    default: tuple[Param, ...] = (),
    full: tuple[Param, ...] = (),
    accelerator: tuple[Param, ...] = (),
) -> Axis:
    """An axis; a level that names no values takes those of the level before."""
    default = default or quick
    return Axis(quick=quick, default=default, full=full or default, accelerator=accelerator)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A registered speed test.

    Args:
        name: as `--only` knows it: the name of its file.
        prepare: called with `device` and one value of each axis; returns a Workload, or raises
            NotHere.
        memory_bytes: called with the same; what the workload holds at its largest, in bytes.
        axes: the parameters that it sweeps.
        skip: tells of a combination that makes no sense, on this device or on any.
        on_request: tells of a combination that takes so long that it runs only when its size or
            dtype was asked for.
        summary: the first line of its docstring.
    """

    name: str
    prepare: Callable[..., Workload]
    memory_bytes: Callable[..., int]
    axes: dict[str, Axis] = field(default_factory=dict)
    skip: Callable[..., bool] | None = None
    on_request: Callable[..., bool] | None = None
    summary: str = ""

    def grid(
        self, level: Level, device: str, chosen: dict[str, tuple[Param, ...]] | None = None
    ) -> Iterator[dict[str, Param]]:
        """All combinations of parameters; `chosen` replaces the values of the axes that it
        names."""
        wished = {k: v for k, v in (chosen or {}).items() if k in self.axes}
        values = [wished.get(name) or a.values(level, device) for name, a in self.axes.items()]
        for combination in itertools.product(*values):
            params = dict(zip(self.axes, combination, strict=True))
            left_out = (self.skip, None if wished else self.on_request)
            if not any(rule and rule(device=device, **params) for rule in left_out):
                yield params


def benchmark(
    *,
    memory_bytes: Callable[..., int],
    skip: Callable[..., bool] | None = None,
    on_request: Callable[..., bool] | None = None,
    **axes: Axis,
) -> Callable[[Callable[..., Workload]], Case]:
    """Make a case of a function that prepares a workload; the case's name is its file's."""

    def register(prepare: Callable[..., Workload]) -> Case:
        return Case(
            name=prepare.__module__.rpartition(".")[2], prepare=prepare, memory_bytes=memory_bytes,
            axes=axes, skip=skip, on_request=on_request,
            summary=(prepare.__doc__ or "").strip().partition("\n")[0],
        )  # fmt: skip

    return register


def discover() -> dict[str, Case]:
    """Find every case by looking in the folder; none of them loads torch when imported."""
    folder = importlib.import_module("lab.bench.cases")
    found: dict[str, Case] = {}
    for module in sorted(m.name for m in pkgutil.iter_modules(folder.__path__)):
        members: dict[str, Any] = vars(importlib.import_module(f"lab.bench.cases.{module}"))
        cases = [value for value in members.values() if isinstance(value, Case)]
        found.update({case.name: case for case in cases})
    return found


def choose_cases(only: str) -> list[Case]:
    """The cases that `--only` names, separated by commas; all where it is empty.

    Raises:
        LabError: there is no such case; names those that there are.
    """
    known = discover()
    names = [name.strip() for name in only.split(",") if name.strip()] or list(known)
    for name in names:
        if name not in known:
            raise LabError(
                f"There is no speed test {name!r}.",
                why=f"the folder lab/bench/cases has {', '.join(known)}",
                next_step="pass some of them: --only matmul,memory",
            )
    return [known[name] for name in dict.fromkeys(names)]
