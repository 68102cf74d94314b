"""Ends the lab on a node of a cluster."""

import time
from collections.abc import Callable
from contextlib import suppress

from msgspec.structs import replace

from lab.cluster.placed import read_placed_job
from lab.cluster.slurm import WAITING, WORKING, cancel
from lab.errors import LabError
from lab.launch import Say
from lab.server import slurm_folder
from lab.server.slurm_folder import Order

_END_S = 180.0  # a node that does not answer is given up by Slurm after minutes


def end(
    say: Say, sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:  # fmt: skip
    """Cancel the job of the last lab and return when Slurm has its node back.

    Raises:
        LabError: Slurm does not answer, or the job does not end.
    """
    last = slurm_folder.read_last()
    if last is None or last.stopped:
        return
    begun, told = clock(), False
    while (job := read_placed_job(last.name)) and job.state in WAITING | WORKING:
        if not told:
            cancel([job.id])
            say(f"cancelled job {job.id}; waiting until it has ended ...")
        told = True
        if clock() - begun > _END_S:
            raise LabError(
                f"The job {job.id} was cancelled, and has not ended yet.",
                why=f"after {_END_S:.0f} s it is {job.state.lower()}: its node may not answer",
                next_step=f"`squeue --jobs={job.id}` shows it; ./inv stop again waits on",
            )
        sleep(0.3)
    forget()


def forget() -> None:
    """Note that the last lab is to be spoken of no more; its log stays until the next one."""
    last = slurm_folder.read_last()
    if last is None or last.stopped:
        return
    order = slurm_folder.read(slurm_folder.folder_of(last.name) / "order.json", Order)
    if order is not None:
        with suppress(OSError):
            slurm_folder.seen_mark(order).unlink(missing_ok=True)
    slurm_folder.write_last(replace(last, stopped=True))
