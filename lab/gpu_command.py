"""The ways of `inv gpu`: read once, watch, for a scraper, in another engine."""

import dataclasses
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec.structs import replace

from lab import process
from lab.engines.choose import check_words
from lab.errors import LabError
from lab.gpu.cause import find_cause
from lab.gpu.containers import name_containers
from lab.gpu.host import read_gpu_host
from lab.gpu.read import DEADLINE_S, Reading, Snapshot
from lab.gpu.remember import Memory
from lab.gpu.report import make_report, worst
from lab.image.provide import is_there, own_image
from lab.launch import Launch, Say, Wish, chosen, prepare
from lab.records.error import ErrorReport
from lab.records.gpu import Gpu, GpuReport
from lab.records.save import save, to_json
from lab.render.gpu.table import gpu_text
from lab.units import parse_number, parse_words

_FAILED = 3
_INTERVAL_S = 1.0
_CONTAINER_S = 300.0


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a person asked for.

    Args:
        only: indices or beginnings of UUIDs; empty takes all.
        deadline_s: how long the calls of one GPU may take together.
        interval_s: from one reading to the next.
        slow: read what takes 20 ms a call as well.
    """

    only: tuple[str, ...] = ()
    deadline_s: float = DEADLINE_S
    interval_s: float = _INTERVAL_S
    slow: bool = False


def parse_order(only: str, deadline: str, interval: str, *, slow: bool) -> Order:
    """Read what was typed.

    Raises:
        LabError: a number is none, or makes no sense.
    """
    return Order(
        only=parse_words(only), slow=slow,
        deadline_s=parse_number(deadline, "--deadline", least=0.1, most=600)
        if deadline
        else DEADLINE_S,
        interval_s=parse_number(interval, "--interval", least=0.1, most=86400)
        if interval
        else _INTERVAL_S,
    )  # fmt: skip


def read(order: Order, say: Say, prepare: Callable[[], object] = lambda: None) -> GpuReport:
    """Read all GPUs once.

    Args:
        order: what was asked for.
        say: takes lines of progress.
        prepare: done while the driver is asked.

    Raises:
        LabError: nothing could be read; says why.
    """
    with Reading(deadline_s=order.deadline_s, slow=order.slow) as reading:
        prepare()
        return _report(reading.snapshot(say), order)


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


@dataclass(frozen=True, kw_only=True)
class Show:
    """How it is to be shown.

    Args:
        watch: again and again.
        json: as JSON.
        prometheus: as metrics.
        details: every value.
        output: a file for it, beside standard output.
    """

    watch: bool = False
    json: bool = False
    prometheus: bool = False
    details: bool = False
    output: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Tell:
    """Where results go.

    Args:
        publish: shows a report, given with its text, and keeps it where that was asked for.
        say: takes lines for people.
    """

    publish: Callable[[GpuReport, str], None]
    say: Say


def refuse_senseless(show: Show, interval: str) -> None:
    """Refuse options that exclude each other, rather than leave one of them out without a word.

    Raises:
        LabError: two of them exclude each other.
    """
    if show.json and show.prometheus:
        raise LabError(
            "--json and --prometheus exclude each other.",
            why="standard output holds one document",
            next_step="leave one of them out",
        )
    if interval and not show.watch:
        raise LabError(
            "--interval is for --watch.",
            why="without it the GPUs are read once",
            next_step=f"./inv gpu --watch --interval {interval}",
        )


def run(order: Order, show: Show, tell: Tell) -> int:
    """Read here, and show; returns the exit code.

    Raises:
        LabError: nothing could be read; says why.
    """
    if not show.watch:
        report = read(order, tell.say, lambda: _load(show))
        _publish(report, show, tell)
        return code_of(report)
    from lab.render.gpu.watch import is_terminal

    if show.json or show.prometheus or not is_terminal():
        return _follow(order, show, tell)
    return _draw(order, show)


def _load(show: Show) -> None:
    """Import what shows the report while the driver is asked: each takes as long as the other."""
    if not show.json and not show.prometheus:
        import rich.console
        import rich.table  # noqa: F401


def _publish(report: GpuReport, show: Show, tell: Tell) -> None:
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


def _follow(order: Order, show: Show, tell: Tell) -> int:
    """One report after the other, for programs and for files."""
    code = 0
    memory = Memory()
    with _until_interrupted(), Reading(deadline_s=order.deadline_s, slow=order.slow) as reading:
        while True:
            begun = time.monotonic()
            report = memory.complete(_report(reading.snapshot(), order))
            _publish(report, show, tell)
            code = code_of(report)
            time.sleep(max(0.0, begun + order.interval_s - time.monotonic()))
            reading.again()
    return code


def _draw(order: Order, show: Show) -> int:
    """On the whole terminal."""
    from lab.render.gpu.watch import Screen

    memory = Memory()
    with Reading(deadline_s=order.deadline_s, slow=order.slow) as reading:
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


def parse_place(engine: str, image: str) -> Wish | None:
    """Where to read: None is right here, on the host or in the container that this is.

    Raises:
        LabError: there is no such engine.
    """
    check_words(engine, "auto")
    if engine in ("auto", "host"):
        if image:
            raise LabError(
                "--image is for a container.", why="without --engine the GPUs are read right here",
                next_step=f"./inv gpu --engine docker --image {image}",
            )  # fmt: skip
        return None
    return Wish(engine=engine, device="cuda", image=image or None, work=None)


def elsewhere(where: Wish, words: list[str], show: Show, tell: Tell) -> int:
    """Read in a container; returns the exit code.

    Raises:
        LabError: there is no such container, or nothing can be read in it.
    """
    launch = _launch(where, words, show, tell.say, dry_run=False)
    if show.watch:
        return launch.run()
    done = process.run(launch.argv, env=launch.env, cwd=launch.cwd, timeout_s=_CONTAINER_S)
    try:
        report = msgspec.json.decode(done.stdout, type=GpuReport)
    except msgspec.DecodeError:
        raise _refused(done) from None
    _publish(report, show, tell)
    return code_of(report)


def plan(where: Wish | None, words: list[str], show: Show, say: Say) -> list[str]:
    """The command line that would read; starts nothing."""
    if where is None:
        return ["inv", *like_typed(words, ())]
    return _launch(where, words, show, say, dry_run=True).argv


def _launch(where: Wish, words: list[str], show: Show, say: Say, *, dry_run: bool) -> Launch:
    kept = like_typed(words, ("--engine", "--image", "--output"))
    ours = ["--dry-run"]
    if not show.watch:  # shown here, with the width and the colours of this terminal
        ours += ["--json", "--prometheus", "--details"]
    kept = [word for word in kept if word not in ours]
    if not show.watch:
        kept.append("--json")
    choice = chosen(where)
    if where.image is None and not is_there(choice.engine, own_image("cuda")):
        # NVML comes with the driver: any image serves, and the one without CUDA has a tenth of the
        # size.
        choice = dataclasses.replace(choice, device="cpu")
    return prepare(
        where, ("inv", *kept, "--engine=host"), say, dry_run=dry_run, piped=not show.watch,
        choice=choice,
    )  # fmt: skip


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


def like_typed(words: list[str], taken: tuple[str, ...]) -> list[str]:
    """The words of a command line without some options and their values.

    Args:
        words: as typed, `--engine docker` or `--engine=docker`.
        taken: options with a value to leave out.
    """
    kept: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in taken:
            skip = True
        elif not word.startswith(tuple(f"{option}=" for option in taken)):
            kept.append(word)
    return kept
