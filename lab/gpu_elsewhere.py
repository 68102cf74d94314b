"""`inv gpu` in a container: the same task inside the image, its report shown here."""

import dataclasses

import msgspec

from lab import process
from lab.engines.choose import Choice, check_words
from lab.errors import LabError
from lab.gpu_command import Order, Show, Tell
from lab.gpu_views import code_of, publish
from lab.image.provide import is_there, own_image
from lab.launch import Launch, Say, Wish, chosen, prepare
from lab.receipt.identity import own_identity
from lab.records.error import ErrorReport
from lab.records.gpu import GpuReport

_CONTAINER_S = 300.0


def place_of(engine: str, image: str) -> Wish:
    """Which container to read in.

    Raises:
        LabError: there is no such engine.
    """
    check_words(engine, "auto")
    if engine in ("auto", "host"):
        raise LabError(
            "--image is for a container.", why="without --engine the GPUs are read right here",
            next_step=f"./inv gpu --engine docker --image {image}",
        )  # fmt: skip
    return Wish(engine=engine, device="cuda", image=image or None)


def elsewhere(where: Wish, order: Order, show: Show, tell: Tell) -> int:
    """Read in a container; returns the exit code.

    Raises:
        LabError: there is no such container, or nothing can be read in it.
    """
    if show.watch and show.output:
        raise LabError(
            "--watch in a container has no --output.",
            why="it writes to this terminal alone", next_step="leave --output or --engine out",
        )  # fmt: skip
    launch = _launch(where, order, show, tell.say, dry_run=False)
    if show.watch:
        return launch.run()
    done = process.run(launch.argv, env=launch.env, cwd=launch.cwd, timeout_s=_CONTAINER_S)
    try:
        report = msgspec.json.decode(done.stdout, type=GpuReport)
    except msgspec.DecodeError:
        raise _refused(done) from None
    report = msgspec.structs.replace(report, receipt=own_identity())  # an image has none
    publish(report, show, tell)
    return code_of(report)


def plan(where: Wish | None, order: Order, show: Show, say: Say) -> list[str]:
    """The command line that would read; starts nothing."""
    if where is None:
        return _command(order, show)
    return _launch(where, order, show, say, dry_run=True).argv


def _launch(where: Wish, order: Order, show: Show, say: Say, *, dry_run: bool) -> Launch:
    if not show.watch:  # shown here, with the width and the colours of this terminal
        show = Show(json=True)
    choice = _chosen(where)
    if where.image is None and not _has_cuda(choice.engine):
        # NVML comes with the driver: any image serves, and the one without CUDA has a tenth of the
        # size.
        choice = dataclasses.replace(choice, device="cpu")
    return prepare(
        where, (*_command(order, show), "--engine=host"), say, dry_run=dry_run,
        piped=not show.watch, choice=choice,
    )  # fmt: skip


def _has_cuda(engine: str) -> bool:
    return is_there(engine, own_image("cuda", engine))


def _chosen(where: Wish) -> Choice:
    """The container; where it gets no GPU, the CPU is no way out, as it is for a lab."""
    try:
        return chosen(where)
    except LabError as error:
        remedy = error.next_step.partition("; without a GPU:")[0]
        if "--device" in remedy:
            remedy = "leave --engine out: ./inv gpu then reads right here, and says why it cannot"
        raise LabError(error.what, why=error.why, next_step=remedy) from error


def _command(order: Order, show: Show) -> list[str]:
    """The task with its options, as inside the image; a file that is named is on this side."""
    options = {
        "--watch": show.watch, "--json": show.json, "--prometheus": show.prometheus,
        "--details": show.details, "--throughput": order.slow,
    }  # fmt: skip
    return [
        "inv", "gpu", *(name for name, on in options.items() if on),
        *([f"--only={','.join(order.only)}"] if order.only else []),
        f"--deadline={order.deadline_s:g}",
        *([f"--interval={order.interval_s:g}"] if show.watch else []),
    ]  # fmt: skip


def _refused(done: process.Finished) -> LabError:
    """The error that the container told, or else its last words."""
    try:
        told = msgspec.json.decode(done.stdout, type=ErrorReport)
    except msgspec.DecodeError:
        return LabError(
            "The container that was to read the GPUs did not.", why=done.last_words,
            next_step="./inv doctor looks for the known causes",
        )  # fmt: skip
    return LabError(told.what, why=told.why, next_step=told.next_step)
