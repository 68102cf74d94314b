"""A computational graph with what went through it, as a record."""

from typing import Literal

from msgspec import Struct

from lab.records.autograd import Finding

Kind = Literal["input", "parameter", "constant", "operation", "module"]
State = Literal["nan", "inf", "saturated", "detached", "output", "in_place"]


class Values(Struct, frozen=True, kw_only=True):
    """What a tensor holds: all of it where that is little, else its range."""

    shape: tuple[int, ...]
    entries: list[float] | None
    """In row-major order, a complex one as two; null where there are too many, or one is nan or
    infinite, which JSON has no word for: `text` has."""
    text: str
    """For people: the entries, or the least, the mean and the largest."""


class Node(Struct, frozen=True, kw_only=True):
    """A tensor: a leaf, or what an operation gave."""

    id: int
    kind: Kind
    name: str
    """The variable that held it; empty where none did."""
    operation: str
    """What made it, such as `matmul`; empty for a leaf."""
    arguments: str = ""
    """What the operation was given beside tensors."""
    module: str = ""
    """Path of the innermost module that it was made in."""
    line: str = ""
    """File and line of the person's own code."""
    dtype: str
    value: Values
    gradient: Values | None
    """Of the sum of the output; null where none came."""
    states: list[State]
    forward_step: int
    """From 0, in the order of being made."""
    backward_step: int | None
    """From 0, in the order in which gradients were complete; null where none came."""
    findings: list[Finding] = []
    """What the gradient check found here."""
    folded: int = 0
    """How many nodes a folded module stands for."""


class Edge(Struct, frozen=True, kw_only=True):
    """One use of a tensor by an operation."""

    source: int
    target: int
    carries_gradient: bool
    reason: str = ""
    """Why it does not."""
    contribution: Values | None = None
    """What this use adds to the gradient of the source."""
    local_derivative: Values | None = None
    """Of the operation, entry by entry, where it works so; or its Jacobian, where that is small."""
    derivative_kind: Literal["elementwise", "jacobian", ""] = ""


class Graph(Struct, frozen=True, kw_only=True):
    """The graph of one call. Version 1 of the schema is the first."""

    schema: str = "lab/graph/1"
    function: str
    nodes: list[Node]
    """In forward order: each after those that it was made of."""
    edges: list[Edge]
    outputs: list[int]
    torch_version: str
