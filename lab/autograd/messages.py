"""What the runner asks of a process that checks gradients, and what that says: one JSON document a
line."""

from msgspec import Struct

from lab.records.autograd import CaseResult, Language, Mode
from lab.told import Refused


class CheckRequest(Struct, frozen=True, kw_only=True):
    """The checks of one process."""

    device: str
    seed: int
    language: Language
    budget_s: float
    only: tuple[str, ...] = ()
    """Names of the lab's own cases; empty: all."""
    target: str | None = None
    """A person's function in place of the lab's own: `FILE.py:NAME` or `module:NAME`."""
    folder: str = ""
    """Where modules of the target are looked for first."""
    shapes: tuple[tuple[int, ...], ...] = ()
    order: int = 1


class Began(Struct, frozen=True, kw_only=True, tag="began"):
    """torch is loaded, and this is the version."""

    torch_version: str
    total: int
    """How many checks there will be."""


class Checking(Struct, frozen=True, kw_only=True, tag="checking"):
    """It is at this one now."""

    name: str
    mode: Mode


class Checked(Struct, frozen=True, kw_only=True, tag="checked"):
    """One is done."""

    result: CaseResult


Message = Began | Checking | Checked | Refused
