"""What `inv gpu` makes of a reading: a report, shown once, again and again, or on a terminal."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from lab.errors import LabError
from lab.gpu.containers import name_containers
from lab.gpu.read import Reading
from lab.gpu.remember import Memory
from lab.gpu.report import make_report, worst
from lab.gpu.snapshot import Snapshot
from lab.gpu_command import Order, Show, Tell
from lab.receipt.identity import own_identity
from lab.records.gpu import Gpu, GpuReport
from lab.records.save import save, to_json
from lab.render.gpu.table import gpu_text

_FAILED = 3
_INTERRUPTED = 130


def _report(snapshot: Snapshot) -> GpuReport:
    if not snapshot.answers or not snapshot.gpus:
        raise unreadable(snapshot)
    report = replace(name_containers(make_report(snapshot)), receipt=own_identity())
    if all(gpu.unreadable == "no_permission" for gpu in report.gpus):
        raise unreadable(
            replace(
                snapshot,
                answers=False,
                code=4,
                call="nvmlDeviceGetHandleByIndex",
                detail="Insufficient Permissions",
            )
        )
    return report


def unreadable(snapshot: Snapshot) -> LabError:
    """The error for a machine without a GPU that can be read."""
    from lab.gpu.cause import find_cause
    from lab.gpu.host import read_gpu_host

    cause = find_cause(snapshot, read_gpu_host())
    return LabError(cause.what, why=cause.why, next_step=cause.next)


def _choose(report: GpuReport, only: tuple[str, ...]) -> GpuReport:
    if not only:
        return report
    chosen = []
    for word in only:
        found = [gpu for gpu in report.gpus if _is_named(gpu, word)]
        if not found:
            known = ", ".join(f"{gpu.index} ({gpu.uuid or 'no UUID'})" for gpu in report.gpus)
            raise LabError(
                f"There is no GPU {word!r}.",
                why=f"the driver knows {known}",
                next_step="pass numbers or UUIDs: --only 0,1",
            )
        chosen += found
    indices = {gpu.index for gpu in chosen}
    gpus = [gpu for gpu in report.gpus if gpu.index in indices]
    topology = [pair for pair in report.topology if set(pair.gpus) <= indices]
    return replace(report, gpus=gpus, topology=topology, verdict=worst(gpus))


def _is_named(gpu: Gpu, word: str) -> bool:
    if word.isdigit():
        return gpu.index == int(word)
    uuid = gpu.uuid or ""
    return bool(uuid) and uuid.startswith((word, f"GPU-{word}"))


def code_of(report: GpuReport) -> int:
    """The exit code that a report stands for."""
    return _FAILED if report.verdict == "fail" else 0


def _load(show: Show) -> None:
    """Import what shows the report while the driver is asked: each takes as long as the other."""
    if not show.json and not show.prometheus:
        import rich.console
        import rich.table  # noqa: F401


def publish(report: GpuReport, show: Show, tell: Tell) -> None:
    """Show a report in the way that was asked for, and keep it where a file was named."""
    if show.prometheus:
        from lab.render.gpu.prometheus import prometheus_text

        text = prometheus_text(report)
        if show.output:
            save(text, show.output)
        print(text, flush=True)
        return
    text = (
        ""
        if show.json
        else gpu_text(report, sys.stdout, details=_names_of_smi() if show.details else None)
    )
    tell.publish(report, text)


@contextmanager
def _until_interrupted() -> Iterator[None]:
    """Ctrl-C is how a person ends what would go on for ever."""
    try:
        yield
    except KeyboardInterrupt:
        return


def _names_of_smi() -> dict[str, str]:
    from lab.gpu.fields import FIELDS

    return {field.name: field.smi for field in FIELDS}


def once(reading: Reading, order: Order, show: Show, tell: Tell) -> int:
    """Read once, and show; returns the exit code.

    Raises:
        LabError: nothing could be read; says why.
    """
    _load(show)
    report = _choose(_report(reading.snapshot(tell.say)), order.only)
    publish(report, show, tell)
    return code_of(report)


def _reports(reading: Reading, order: Order) -> Iterator[tuple[GpuReport, str]]:
    """One report after the other, each with why there is no newer one; never ends by itself.

    Raises:
        LabError: nothing could be read at the start.
    """
    memory = Memory()
    report, trouble = memory.complete(_report(reading.snapshot())), ""
    while True:
        yield _choose(report, order.only), trouble
        reading.again()
        try:
            report, trouble = memory.complete(_report(reading.snapshot())), ""
        except LabError as error:  # the driver is gone; what was last seen stays
            report, trouble = memory.all_gone(report), str(error)


def follow(reading: Reading, order: Order, show: Show, tell: Tell) -> int:
    """One report after the other, for programs and for files, until Ctrl-C."""
    code = _INTERRUPTED
    with _until_interrupted():
        begun = time.monotonic()
        for report, trouble in _reports(reading, order):
            if trouble:
                tell.say(trouble)
            publish(report, show, tell)
            code = code_of(report)
            time.sleep(max(0.0, begun + order.interval_s - time.monotonic()))
            begun = time.monotonic()
    return code


def draw(reading: Reading, order: Order, show: Show) -> int:
    """On the whole terminal, until Ctrl-C."""
    from lab.render.gpu.watch import Screen

    reports = _reports(reading, order)
    report, trouble = next(reports)  # trouble at the start is an error, and leaves the terminal be
    with _until_interrupted(), Screen(order.interval_s) as screen:
        while True:
            begun = time.monotonic()
            screen.show(report, trouble)
            if show.output:
                save(to_json(report), show.output)
            while not screen.wait(begun + order.interval_s - time.monotonic()):
                pass
            report, trouble = next(reports)
    return code_of(report)


def is_terminal() -> bool:
    """Whether standard output is a terminal that can be drawn on."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")
