"""How far a node is with what it was asked for, and how far all nodes of a run are."""

from typing import Literal

from msgspec import Struct


class NodeProgress(Struct, frozen=True, kw_only=True):
    """What a node leaves while it runs. Version 1 of the schema is the first."""

    schema: Literal["lab/progress/1"] = "lab/progress/1"
    done: int
    """Steps, of `total`; of `bench` these are seconds."""
    total: int
    now: str
    """What it is at."""
    cases: dict[str, tuple[int, int]] = {}
    """By speed test: how many of its cases have a figure so far, of how many."""


class RunProgress(Struct, frozen=True, kw_only=True):
    """All nodes of a run at one moment."""

    pending: list[str] = []
    running: list[str] = []
    done: list[str] = []
    lost: list[str] = []
    at: dict[str, NodeProgress] = {}
    """Of the running nodes, those that said how far they are."""
