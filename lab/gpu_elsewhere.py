"""`inv gpu` in a container: the same task inside the image, its report shown here."""

import dataclasses

import msgspec

from lab import process
from lab.engines.choose import check_words
from lab.errors import LabError
from lab.gpu_command import Show, Tell
from lab.gpu_views import code_of, publish
from lab.image.provide import is_there, own_image
from lab.launch import Launch, Say, Wish, chosen, prepare
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
    publish(report, show, tell)
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
