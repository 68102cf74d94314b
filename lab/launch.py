"""Runs one command in the chosen engine's environment: the one path that every task shares."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.engines import apptainer, docker, host
from lab.engines.choose import Choice, choose
from lab.engines.request import LaunchRequest, Mount
from lab.image.provide import own_image, provide_image
from lab.language import parse_language
from lab.locks.install import ensure_environment, environment_folder
from lab.paths import ROOT, in_image, state, typed_path, work_default
from lab.process import attach
from lab.server.work import container_user, prepare_work

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a person asked for; None means that the choice is left to us.

    Args:
        work: the student's folder.
        port: to publish on.
        engine: docker, podman, apptainer, host or auto.
        device: cpu, cuda, mps or auto.
        image: an image to run as it is, instead of this clone's own.
        base: an image that stands in for the Dockerfile's base, should an image have to be built.
        memory_bytes: limit for a container.
        mounts: more folders that a container is to see.
    """

    work: Path | None = None
    port: int | None = None
    engine: str = "auto"
    device: str = "auto"
    image: str | None = None
    base: str = ""
    memory_bytes: int | None = None
    mounts: tuple[Mount, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A command line, ready to be run."""

    argv: list[str]
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    image: str | None = None
    """None on the host."""

    def run(self) -> int:
        """Run it on this terminal; returns its exit code."""
        return attach(self.argv, env=self.env, cwd=self.cwd)


def prepare(
    wish: Wish,
    command: tuple[str, ...],
    say: Say,
    *,
    dry_run: bool = False,
    piped: bool = False,
    choice: Choice | None = None,
) -> Launch:
    """Make everything ready that a command needs: folder, image or packages.

    Args:
        wish: where to run it.
        command: the program and its arguments, as they are inside.
        say: takes lines of progress.
        dry_run: make nothing; the command line is the same.
        piped: the command talks with us, not with the terminal.
        choice: where to run it, as `chosen` gave it before; None chooses now.

    Raises:
        LabError: something it needs cannot be had.
    """
    choice = choice or chosen(wish)
    work = typed_path(str(wish.work or work_default()))
    if not dry_run:
        work = prepare_work(work)
    request = request_for(choice, wish, command, work, say, dry_run=dry_run)
    if piped:
        request = replace(request, terminal=False)
    if choice.engine == "host":
        return _on_host(choice, request, say, dry_run=dry_run)
    if choice.engine == "apptainer":
        return Launch(argv=apptainer.run_arguments(request), image=request.image)
    return Launch(argv=docker.run_arguments(request, choice.engine), image=request.image)


def chosen(wish: Wish) -> Choice:
    """Where a wish will run; inside the image that is where we are.

    Raises:
        LabError: the engine does not answer, or has no such device.
    """
    engine = "host" if wish.engine == "auto" and in_image() else wish.engine
    return choose(engine, wish.device)


def request_for(
    choice: Choice, wish: Wish, command: tuple[str, ...], work: Path, say: Say, *, dry_run: bool
) -> LaunchRequest:
    """The frozen request for a command; the image is made where it is missing."""
    image, user = "", ""
    if choice.engine != "host":
        image = wish.image or own_image(choice.device, choice.engine)
        if not dry_run:
            image = provide_image(choice, wish.image, wish.base, say)
    if choice.state is not None:
        user = container_user(work, rootless=choice.state.rootless)
    return LaunchRequest(
        command=command, image=image, work=work, user=user, device=choice.device, gpu=choice.gpu,
        gpu_name=choice.gpu_name or LaunchRequest.gpu_name, memory_bytes=wish.memory_bytes,
        mounts=wish.mounts, environment=_variables(choice),
        terminal=sys.stdin.isatty() and sys.stdout.isatty(),
    )  # fmt: skip


# What srun tells each of a step's tasks, and what nccl and gloo are told by variables alone.
_STEP = {"SLURMD_NODENAME", "SLURM_NODEID", "SLURM_NNODES"}
_BETWEEN = ("NCCL_", "GLOO_")


def _variables(choice: Choice) -> tuple[tuple[str, str], ...]:
    """What a container is told: the language; of a job's also which of the node's GPUs Slurm gave
    us, where it would see all of them, which of the job's nodes this is, and what was set for the
    network between them."""
    found: list[tuple[str, str]] = [("LAB_LANGUAGE", parse_language("", os.environ))]
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if choice.engine == "apptainer" and choice.gpu != "none" and given is not None:
        found.append(("CUDA_VISIBLE_DEVICES", given))
    if choice.engine == "apptainer":
        found += [
            (name, value) for name, value in sorted(os.environ.items())
            if name in _STEP or name.startswith(_BETWEEN)
        ]  # fmt: skip
    return tuple(found)


def _on_host(choice: Choice, request: LaunchRequest, say: Say, *, dry_run: bool) -> Launch:
    if in_image():
        return Launch(argv=list(request.command), cwd=request.work)
    lock = host_lock(choice)
    folder = environment_folder(lock) if dry_run else ensure_environment(lock, say=say)
    variables = host.variables(request, folder, ROOT, os.environ.get("PATH", ""))
    return Launch(
        argv=host.run_arguments(request, folder),
        cwd=request.work,
        env={**variables, "LAB_STATE": str(state())},
    )


def host_lock(choice: Choice) -> str:
    """Which lock the host's environment is made from; Apple's GPU is served by the cpu lock."""
    return "cuda" if choice.device == "cuda" else "cpu"
