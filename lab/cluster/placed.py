"""Asks Slurm for one job by its name: where it is, until when, or what it waits for."""

import os
from dataclasses import dataclass

from lab.cluster.slurm import ask


@dataclass(frozen=True, kw_only=True)
class PlacedJob:
    """A job by itself, with its time.

    Args:
        id, state, node: of the job; the node is empty until it has one.
        reason: why it waits, in Slurm's word; empty where it gives none.
        starts, ends: seconds since the epoch; of a job that waits, what Slurm expects. None where
            it does not know.
    """

    id: str
    state: str
    node: str = ""
    reason: str = ""
    starts: float | None = None
    ends: float | None = None


def read_placed_job(name: str) -> PlacedJob | None:
    """The user's job of a name that only one has; None where Slurm knows none (any more).

    Raises:
        LabError: there is no Slurm here, or it does not answer.
    """
    asked = ["squeue", "--states=all", f"--name={name}", f"--user={os.getuid()}", "--noheader"]
    done = ask([*asked, "--format=%i|%T|%N|%S|%e|%r"], env={"SLURM_TIME_FORMAT": "%s"})
    return next(iter(parse_placed_jobs(done.stdout)), None)


def parse_placed_jobs(text: str) -> list[PlacedJob]:
    """The jobs of squeue's lines, with their times as numbers."""
    found = []
    for line in text.splitlines():
        number, state, node, starts, ends, reason = (line.split("|", 5) + [""] * 6)[:6]
        found.append(
            PlacedJob(
                id=number.strip(), state=state.strip(), node=node.strip(),
                reason="" if reason.strip() == "None" else reason.strip(),
                starts=_moment(starts), ends=_moment(ends),
            )
        )  # fmt: skip
    return found


def _moment(text: str) -> float | None:
    """Seconds since the epoch; None for `N/A`, and for a job without an end."""
    return float(text) if text.strip().isdecimal() else None
