"""What the runner asks of a process that traces a graph, and what that says."""

from msgspec import Struct

from lab.records.autograd import Language
from lab.records.graph import Graph
from lab.told import Refused


class TraceRequest(Struct, frozen=True, kw_only=True):
    """The graph of one function."""

    device: str
    seed: int
    language: Language
    budget_s: float
    target: str | None = None
    """A person's function: `FILE.py:NAME` or `module:NAME`; null: the lab's example."""
    folder: str = ""
    """Where modules of the target are looked for first."""
    shapes: tuple[tuple[int, ...], ...] = ()
    check: bool = True
    """Check the gradient as well, and show on its node what that finds."""


class Traced(Struct, frozen=True, kw_only=True, tag="traced"):
    """It is done."""

    graph: Graph


Message = Traced | Refused
