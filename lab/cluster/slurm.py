"""Asks Slurm and tells it: its nodes, its jobs. Nothing here believes an exit code of a job."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.cluster.nodelist import expand
from lab.errors import LabError
from lab.process import Finished, run

# A controller under load answers late; one that is gone is given up by Slurm's own programs.
_PATIENCE_S = 120
# SQUEUE_PARTITION would hide the jobs of the others, SCANCEL_INTERACTIVE would wait for an answer.
_FILTERS = ("SINFO_", "SQUEUE_", "SACCT_", "SCANCEL_")
_UNAVAILABLE = {
    "down", "drain", "drained", "draining", "fail", "failing", "error", "unknown", "future", "inval"
}  # fmt: skip
WAITING = {"PENDING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD", "REQUEUE_FED"}
WORKING = {"RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING",
           "STAGE_OUT"}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SlurmNode:
    """A node as sinfo shows it.

    Args:
        name: of the node.
        state: such as `idle`, without the marks that Slurm puts behind it.
        partition: one that it is in.
        default: whether that is the partition of jobs that name none.
        features: that a constraint can ask for.
        reason: why it is down or drained; empty where none is known.
    """

    name: str
    state: str
    partition: str = ""
    default: bool = False
    features: frozenset[str] = frozenset()
    reason: str = ""

    @property
    def available(self) -> bool:
        """Whether a job that asks for it can ever start there, as things are."""
        return self.state not in _UNAVAILABLE

    @property
    def why_unavailable(self) -> str:
        """In words."""
        return f"the node is {self.state}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job as Slurm shows it.

    Args:
        id: its number.
        state: such as `RUNNING`.
        comment: what it was submitted with.
        reason: why it is in that state.
        held: the nodes that it has, or had at its end; of one that waits none. Slurm takes a node
            that fails out of a job that may go on without it.
    """

    id: str
    state: str
    comment: str = ""
    reason: str = ""
    held: frozenset[str] = frozenset()

    def lacks(self, *nodes: str) -> bool:
        """Whether it goes on, or went on, without any of these nodes of its own. While it completes
        squeue leaves out those that are free again."""
        known = bool(self.held) and self.state != "COMPLETING"
        return known and self.held.isdisjoint(nodes)


def read_nodes(partition: str = "") -> list[SlurmNode]:
    """All nodes, once for each partition that they are in.

    Raises:
        LabError: there is no Slurm, or it does not answer.
    """
    argv = ["sinfo", "--noheader", "--Node", "--format=%N|%T|%P|%f|%E"]
    done = ask([*argv, *([f"--partition={partition}"] if partition else [])])
    return parse_nodes(done.stdout)


def parse_nodes(text: str) -> list[SlurmNode]:
    """The nodes of sinfo's lines."""
    found = []
    for line in text.splitlines():
        name, state, partition, features, reason = (line.split("|", 4) + [""] * 5)[:5]
        known = features if features != "(null)" else ""
        found.append(
            SlurmNode(
                name=name.strip(), state=re.sub(r"[^a-z_]+$", "", state.strip().lower()),
                partition=partition.rstrip("*"), default=partition.endswith("*"),
                features=frozenset(filter(None, known.split(","))),
                reason="" if reason.strip().lower() == "none" else reason.strip(),
            )
        )  # fmt: skip
    return found


def read_gpus() -> dict[str, int]:
    """How many GPUs Slurm knows on each node that has any.

    Raises:
        LabError: there is no Slurm, or it does not answer.
    """
    lines = ask(["sinfo", "--noheader", "--Node", "--format=%N|%G"]).stdout.splitlines()
    counts = {name: count_gpus(kinds) for name, _, kinds in (line.partition("|") for line in lines)}
    return {name.strip(): count for name, count in counts.items() if count}


def count_gpus(text: str) -> int:
    """The GPUs among a node's generic resources, such as `gpu:h100:4(S:0-1),gpu:a30:2,mps:100`."""
    return sum(int(count) for count in re.findall(r"(?:^|,)gpu(?::[^:,(]+)?:(\d+)", text))


def read_jobs(name: str) -> list[Job] | None:
    """The jobs of a run that Slurm still knows, ended ones too; None where it does not answer.

    Raises:
        LabError: there is no Slurm here.
    """
    done = _run(
        ["squeue", "--states=all", f"--name={name}", "--noheader", "--format=%i|%T|%k|%N|%r"]
    )  # fmt: skip
    _refuse_without(done)
    return parse_jobs(done.stdout) if done.ok else None


def parse_jobs(text: str) -> list[Job]:
    """The jobs of squeue's lines."""
    found = []
    for line in text.splitlines():
        number, state, comment, held, reason = (line.split("|", 4) + [""] * 5)[:5]
        found.append(
            Job(
                id=number.strip(), state=state.strip(),
                comment="" if comment.strip() == "(null)" else comment.strip(),
                reason="" if reason.strip() == "None" else reason.strip(), held=_held(held.strip()),
            )
        )  # fmt: skip
    return found


def _held(text: str) -> frozenset[str]:
    """The nodes of a job; none where Slurm lists them in another way than the lab reads."""
    try:
        return frozenset(expand(text)) if text and text != "(null)" else frozenset()
    except LabError:
        return frozenset()


def read_accounts(ids: Sequence[str]) -> dict[str, Job]:
    """Jobs that Slurm has forgotten, from its database; none without one."""
    if not ids:
        return {}
    done = _run(
        ["sacct", "--noheader", "--parsable2", "--allocations", "--format=JobID,State,NodeList",
         f"--jobs={','.join(ids)}"]
    )  # fmt: skip
    return parse_accounts(done.stdout if done.ok else "")


def parse_accounts(text: str) -> dict[str, Job]:
    """The jobs of sacct's lines. One that lost a node has a line for each of its sizes, of which
    the last one says how it ended."""
    lines = [line.split("|") for line in text.splitlines()]
    # `CANCELLED by 1000` names who did it.
    return {
        number: Job(id=number, state=state.split()[0], held=_held(held))
        for number, state, held in (line for line in lines if len(line) == 3)
        if state
    }


def submit(argv: Sequence[str], keep: int | None = None) -> tuple[str, str]:
    """Submit a job; returns its number, or an empty one and why Slurm did not take it.

    What SBATCH_ACCOUNT and the like say holds where nothing else was asked for.

    Args:
        argv: the command line of sbatch.
        keep: an open lock that sbatch holds too: it goes on where we are killed.
    """
    done = run(argv, timeout_s=_PATIENCE_S, keep=keep)
    # `--parsable` prints the number, and the cluster's name behind a semicolon.
    number = done.stdout.strip().partition(";")[0]
    if done.ok and number.isdecimal():
        return number, ""
    return "", done.last_words.removeprefix("sbatch: error: ")


def cancel(ids: Sequence[str]) -> None:
    """Take jobs back; one that has ended meanwhile is none."""
    if ids:
        _run(["scancel", *ids])


def ask(argv: Sequence[str], env: Mapping[str, str] | None = None) -> Finished:
    """Run one of Slurm's programs that is to answer.

    Args:
        argv: its command line.
        env: variables set on top of this process's own.

    Raises:
        LabError: there is no Slurm here, or it does not answer.
    """
    done = _run(argv, env)
    _refuse_without(done)
    if not done.ok:
        raise LabError(
            "Slurm does not answer.",
            why=done.last_words,
            next_step="see whether `sinfo` answers; its controller may be down",
        )
    return done


def _run(argv: Sequence[str], env: Mapping[str, str] | None = None) -> Finished:
    """Run one of Slurm's programs without the filters that a person set for their own use of it."""
    filters = [name for name in os.environ if name.startswith(_FILTERS)]
    return run(argv, timeout_s=_PATIENCE_S, without=filters, env=env)


def _refuse_without(done: Finished) -> None:
    if done.code in (126, 127):
        raise LabError(
            "There is no Slurm on this machine.",
            why=done.last_words,
            next_step="run it where `sinfo` answers, such as the cluster's login node",
        )
