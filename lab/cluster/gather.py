"""Gathers what the nodes of a run left, each with its state; nothing is compared yet."""

from dataclasses import dataclass, field

from lab.cluster.attempt import Attempt, main_attempt, recheck_of
from lab.cluster.contents import Content
from lab.cluster.folder import RunFolder
from lab.cluster.look import Jobs, look_at
from lab.cluster.states import phase_of, state_of
from lab.records.cluster import Node, OddOneOut, Setup, Spread, State


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """One node, read from its files.

    Args:
        attempts: at it.
        state: of the one that stands for it.
        reasons: why that is not `ok`.
        content: what it found out; None where that is nothing.
        recheck: the same of its second run.
        rechecked: why its second run found nothing; empty where it did, or was not made or has not
            ended.
    """

    attempts: list[Attempt]
    state: State
    reasons: list[str]
    content: Content | None = None
    recheck: Content | None = None
    rechecked: str = ""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The nodes, judged; what is usual among them, and who is set up in another way."""

    nodes: list[Node]
    cases: list[Spread]
    odd_ones_out: list[OddOneOut]
    setups: list[Setup] = field(default_factory=list)


def gather(node: str, run: RunFolder, attempts: list[Attempt], jobs: Jobs) -> Gathered:
    """Read one node.

    Args:
        node: its name.
        run: the run.
        attempts: at this node.
        jobs: as Slurm knows them.
    """
    main, again = main_attempt(attempts), recheck_of(attempts)
    if main is None:
        why = run.submitted.unavailable.get(node, "it was not submitted: the command ended before")
        return Gathered(attempts=attempts, state="never_started", reasons=[why])
    seen = look_at(main, jobs, read=True)
    state, reasons = state_of(seen)
    recheck, rechecked = None, ""
    if again is not None:
        second = look_at(again, jobs, read=True)
        recheck = _found(second.content) if second.whole else None
        if phase_of(second) == "lost" or (second.whole and recheck is None):
            rechecked = "; ".join(state_of(second)[1])
    return Gathered(
        attempts=attempts, state=state, reasons=reasons, content=_found(seen.content),
        recheck=recheck, rechecked=rechecked,
    )  # fmt: skip


def _found(content: Content | None) -> Content | None:
    return content if content is not None and content.found else None


def bare_node(name: str, own: Gathered, run: RunFolder) -> Node:
    """A node's record before it is judged."""
    main, again = main_attempt(own.attempts), recheck_of(own.attempts)
    return Node(
        name=name, state=own.state, verdict="unknown", reasons=own.reasons,
        jobs=[number for a in own.attempts if (number := a.entry.job or a.begun())],
        file=next(iter(files := _relative(main, run)), None),
        further_files=files[1:],
        recheck_file=next(iter(_relative(again, run)), None),
    )  # fmt: skip


def _relative(attempt: Attempt | None, run: RunFolder) -> list[str]:
    paths = attempt.result_files() if attempt is not None else []
    return [str(path.relative_to(run.path)) for path in paths]
