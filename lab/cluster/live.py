"""How far the nodes of a run are, by what they leave while they run."""

from collections.abc import Mapping, Sequence

import msgspec

from lab.cluster.attempt import Attempt
from lab.cluster.batch import PROGRESS
from lab.cluster.states import Phase
from lab.records.progress import NodeProgress, RunProgress
from lab.records.unreadable import UNREADABLE


def progress_of(attempts: Sequence[Attempt], phases: Mapping[str, Phase]) -> RunProgress:
    """Look at all nodes once.

    Args:
        attempts: the newest one of each node.
        phases: how far each is, by node.
    """
    by_phase: dict[Phase, list[str]] = {"pending": [], "running": [], "done": [], "lost": []}
    at = {}
    for attempt in attempts:
        node = attempt.entry.node
        by_phase[phases[node]].append(node)
        if phases[node] == "running" and (found := read_progress(attempt)) is not None:
            at[node] = found
    return RunProgress(**by_phase, at=at)


def read_progress(attempt: Attempt) -> NodeProgress | None:
    """How far a node is; None where it has not said so yet, or what it said is damaged."""
    try:
        document = (attempt.folder / PROGRESS).read_bytes()
        return msgspec.json.decode(document, type=NodeProgress)
    except (OSError, *UNREADABLE):
        return None
