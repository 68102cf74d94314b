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
from lab.records.gpu import Gpu, GpuReport
from lab.records.save import save, to_json
from lab.render.gpu.table import gpu_text

_FAILED = 3


def _report(snapshot: Snapshot, order: Order) -> GpuReport:
    if not snapshot.answers or not snapshot.gpus:
        raise unreadable(snapshot)
    report = name_containers(make_report(snapshot))
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
    return _choose(report, order.only)


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
    text = "" if show.json else gpu_text(report, sys.stdout, details=show.details)
    tell.publish(report, text)


@contextmanager
def _until_interrupted() -> Iterator[None]:
    """Ctrl-C is how a person ends what would go on for ever."""
    try:
        yield
    except KeyboardInterrupt:
        return


def once(reading: Reading, order: Order, show: Show, tell: Tell) -> int:
    """Read once, and show; returns the exit code.

    Raises:
        LabError: nothing could be read; says why.
    """
    _load(show)
    report = _report(reading.snapshot(tell.say), order)
    publish(report, show, tell)
    return code_of(report)


def follow(reading: Reading, order: Order, show: Show, tell: Tell) -> int:
    """One report after the other, for programs and for files, until Ctrl-C."""
    code = 0
    memory = Memory()
    with _until_interrupted():
        while True:
            begun = time.monotonic()
            report = memory.complete(_report(reading.snapshot(), order))
            publish(report, show, tell)
            code = code_of(report)
            time.sleep(max(0.0, begun + order.interval_s - time.monotonic()))
            reading.again()
    return code


def draw(reading: Reading, order: Order, show: Show) -> int:
    """On the whole terminal, until Ctrl-C."""
    from lab.render.gpu.watch import Screen

    memory = Memory()
    snapshot = reading.snapshot()
    report = memory.complete(_report(snapshot, order))  # trouble at the start is an error
    with _until_interrupted(), Screen(order.interval_s) as screen:
        while True:
            begun = time.monotonic()
            trouble = ""
            try:
                report = memory.complete(_report(snapshot, order))
            except LabError as error:  # the driver is gone; what was last seen stays
                trouble, report = str(error), memory.all_gone(report)
            screen.show(report, trouble)
            if show.output:
                save(to_json(report), show.output)
            while not screen.wait(begun + order.interval_s - time.monotonic()):
                pass
            reading.again()
            snapshot = reading.snapshot()
    return code_of(report)


def is_terminal() -> bool:
    """Whether standard output is a terminal that can be drawn on."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")
