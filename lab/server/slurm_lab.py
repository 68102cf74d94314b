"""The lab on a node of a cluster, as it is at this moment: from its folder, and from Slurm."""

import getpass
import os
from datetime import UTC, datetime

from msgspec.structs import replace

from lab.cluster.placed import PlacedJob, read_placed_job
from lab.cluster.slurm import WAITING, WORKING, read_accounts
from lab.cluster.states import words_of_end
from lab.errors import LabError
from lab.records.session import Session
from lab.server import address
from lab.server.slurm_folder import Last, OnNode, Order, folder_of, read, read_last

_HALTED = {
    "SUSPENDED": "Slurm has suspended its job", "STOPPED": "Slurm has stopped its job",
}  # fmt: skip
# In a word of Slurm's: what a queue does, and what may keep a job waiting for ever.
_REASONS = {
    "Priority": "others are before it", "Resources": "no node is free for it",
    "PartitionTimeLimit": "the partition does not allow so long a time",
    "ReqNodeNotAvail": "the nodes that it could have are down, drained or reserved",
    "PartitionDown": "the partition is down", "JobHeldUser": "it is held",
    "JobHeldAdmin": "it is held by the administrator",
    "BeginTime": "its time to begin has not come",
}  # fmt: skip


def find() -> Session:
    """The lab that was started through Slurm; `stopped` where there is none.

    Raises:
        LabError: Slurm does not answer, or the lab's file is damaged.
    """
    last = read_last()
    order = None if last is None else read(folder_of(last.name) / "order.json", Order)
    if last is None or last.stopped or order is None:
        return Session(state="stopped")
    try:
        job = read_placed_job(last.name)
    except LabError as error:
        raise LabError(
            "A lab was started through Slurm, which does not answer now.",
            why=f"{error.what} {error.why}",
            next_step="the same command where `squeue` answers; the lab itself goes on",
        ) from error
    told = read(folder_of(last.name) / "node.json", OnNode)
    if job is None:
        job = _forgotten(last.job or (told.job if told else ""))
    return describe(order, last, job, told)


def _forgotten(number: str) -> PlacedJob | None:
    """A job that only Slurm's database may still know."""
    job = read_accounts([number] if number else []).get(number)
    return PlacedJob(id=number, state=job.state) if job else None


def describe(order: Order, last: Last, job: PlacedJob | None, told: OnNode | None) -> Session:
    """The session of a lab.

    Args:
        order: what it was to be.
        last: which lab it is.
        job: as Slurm knows it; None where it knows it no more, or never did.
        told: what the node says; None where it said nothing yet.
    """
    known = job or PlacedJob(id=last.job or (told.job if told else ""), state="")
    base = Session(
        state="stopped", engine=order.engine, device=order.device, image=order.image,
        work=order.work, started_utc=order.submitted_utc, job=known.id or None,
        node=known.node or (told.node if told else "") or None, port=order.port,
    )  # fmt: skip
    if not known.id:  # the client was killed before Slurm took it
        return Session(state="stopped")
    if known.state in WAITING:
        return replace(
            base, state="waiting", note=_why_it_waits(known), expected_utc=_utc(known.starts)
        )
    if known.state in {"RUNNING", "CONFIGURING", "SIGNALING", "RESIZING", *_HALTED} and (
        told is None or told.phase not in ("ended", "failed")
    ):
        return _on_node(replace(base, ends_utc=_utc(known.ends)), known, told, order)
    return replace(base, state="ended", note=_end(known, told))


def _on_node(base: Session, job: PlacedJob, told: OnNode | None, order: Order) -> Session:
    if job.state in _HALTED:
        return replace(base, state="unhealthy", note=_HALTED[job.state])
    if told is None or told.port is None:
        return replace(base, state="starting")
    found = replace(
        base, state=told.phase, note=told.note or None, port=told.port,
        url=address.url(told.port, told.token, told.page),
    )  # fmt: skip
    return replace(found, ssh=ssh_line(found, order.ssh))


def ssh_line(session: Session, options: str) -> str:
    """The line that brings the page from its node to the user's own machine."""
    user = os.environ.get("USER") or os.environ.get("LOGNAME") or getpass.getuser()
    way = f"{options} " if options else ""
    port = session.port
    return f"ssh -N {way}-L {port}:127.0.0.1:{port} {user}@{session.node}"


def way_from_outside(site: str | None) -> str:
    """Options of ssh that bring a person to a node: the site's, else over this machine."""
    if site is not None:
        return site
    connection = os.environ.get("SSH_CONNECTION", "").split()
    if len(connection) != 4:
        return ""
    user = os.environ.get("USER") or os.environ.get("LOGNAME") or getpass.getuser()
    host = f"[{connection[2]}]" if ":" in connection[2] else connection[2]
    return f"-J {user}@{host}"


def _end(job: PlacedJob, told: OnNode | None) -> str:
    """Why it ended: Slurm knows best who ended a job, the node why it ended by itself."""
    if job.state not in {"", "COMPLETED", "FAILED", *WORKING}:
        return words_of_end(job.state)
    if own := _own_end(told):
        return own
    if not job.state:
        return "its job is gone, and Slurm does not say how it ended"
    if job.state in WORKING:
        return "its job is ending"
    began = told is not None and told.port is not None
    return words_of_end(job.state) + ("" if began else " before the lab began")


def _own_end(told: OnNode | None) -> str:
    """Why it ended, as the node says it; empty where it says nothing."""
    if told is None or told.phase not in ("ended", "failed"):
        return ""
    return f"{told.failed[0].rstrip('.')}: {told.failed[1]}" if told.failed else told.note


def _why_it_waits(job: PlacedJob) -> str:
    word = job.reason.partition(",")[0].strip()
    words = _REASONS.get(word)
    return f"{words} ({word})" if words else f"Slurm's reason is {word}" if word else ""


def _utc(moment: float | None) -> str | None:
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
