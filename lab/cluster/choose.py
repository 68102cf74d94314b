"""Which nodes a run is for: a number of them, all, or a list."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lab.cluster.nodelist import compress, expand
from lab.cluster.slurm import SlurmNode
from lab.errors import LabError

# Nodes that can start at once come first.
_READY = ("idle", "planned", "mixed", "completing", "allocated")


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The nodes of a run.

    Args:
        nodes: all of them, in the order of the list or of Slurm.
        unavailable: those that no job could start on, and why.
    """

    nodes: tuple[str, ...]
    unavailable: dict[str, str]

    @property
    def to_submit(self) -> list[str]:
        """The nodes that a job is submitted for."""
        return [node for node in self.nodes if node not in self.unavailable]


def choose_nodes(
    wish: str, known: Sequence[SlurmNode], partition: str = "", constraint: str = ""
) -> Chosen:
    """Choose from the nodes that there are.

    Args:
        wish: a number, `all`, or a list.
        known: Slurm's nodes, as it lists them.
        partition: the one of the jobs; empty is Slurm's default one.
        constraint: features that the nodes must have, for a number and for `all`.

    Raises:
        LabError: there are no such nodes, or not as many.
    """
    by_name = {node.name: node for node in known}
    if not re.fullmatch(r"[0-9]+|all", wish.strip()):
        names = expand(wish)
        _refuse_unknown([name for name in names if name not in by_name], by_name, partition)
        return _of([by_name[name] for name in names])
    inside = _inside(known, partition, constraint)
    if not inside:
        raise LabError(
            "There is no node to choose from.",
            why=f"partition {partition or '(default)'}, constraint {constraint or '(none)'}",
            next_step="see `sinfo` for the partitions and their nodes",
        )
    if wish.strip() == "all":
        return _of(inside)
    free = [node for node in inside if node.available]
    if not 1 <= int(wish) <= len(free):
        raise LabError(
            f"There are not {wish} nodes to choose from."
            if int(wish)
            else "A run needs at least one node.",
            why=f"{len(free)} of {len(inside)} can be used; partition {partition or '(default)'}",
            next_step=f"pass a number from 1 to {len(free)}, or `all`",
        )
    ready = {state: i for i, state in enumerate(_READY)}
    best = sorted(free, key=lambda node: ready.get(node.state, len(ready)))[: int(wish)]
    return _of([node for node in inside if node in best])


def _of(nodes: Sequence[SlurmNode]) -> Chosen:
    return Chosen(
        nodes=tuple(node.name for node in nodes),
        unavailable={node.name: node.why_unavailable for node in nodes if not node.available},
    )


def _refuse_unknown(unknown: list[str], known: dict[str, SlurmNode], partition: str) -> None:
    if unknown:
        raise LabError(
            f"There is no node {compress(unknown)}.",
            why=f"Slurm knows {_short(compress(known)) or 'none'}"
            + (f" in partition {partition}" if partition else ""),
            next_step="pass nodes that `sinfo` shows, and the --partition that they are in",
        )


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}…"


def _inside(
    known: Sequence[SlurmNode], partition: str, constraint: str
) -> list[SlurmNode]:  # fmt: skip
    """The nodes of a partition, or of several, that a simple constraint allows; each once."""
    named = set(partition.split(",")) if partition else set()
    wanted = [set(part.split("|")) for part in re.split("[&,]", constraint)] if constraint else []
    if not all(re.fullmatch(r"[A-Za-z0-9_.|&,-]+", constraint) for _ in wanted):
        raise LabError(
            f"With the constraint {constraint!r} nodes can only be named one by one.",
            why="the lab understands features joined by & and |",
            next_step="pass them as a list: --nodes 'n[1-8]'",
        )
    found = {
        node.name: node
        for node in known
        if (node.partition in named if named else node.default)
        if all(node.features & choices for choices in wanted)
    }
    return list(found.values())
