"""What the checks need to know of this machine, read side by side before they judge it."""

import platform
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from lab.doctor.deadline import start
from lab.engines.choose import gpu_access
from lab.engines.probe import EngineState, probe_apptainer, probe_engine
from lab.gpu.host import GpuHost, read_gpu_host
from lab.gpu.report import make_report
from lab.gpu.snapshot import Snapshot
from lab.locks.install import PYTHON, uv_program
from lab.process import Finished, run
from lab.records.gpu import Gpu


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the lab is to be started with.

    Args:
        work: the student's folder.
        port: None takes the first free one.
        engine: auto, docker, podman, apptainer or host.
        device: auto, cpu, cuda or mps.
        image: an image to run as it is; None takes the clone's own.
    """

    work: Path
    port: int | None = None
    engine: str = "auto"
    device: str = "auto"
    image: str | None = None

    @property
    def apple_by_itself(self) -> bool:
        """Whether Apple's GPU decides for the host: no container has it."""
        return self.engine == "auto" and self.device == "mps"

    @property
    def wants_nvidia(self) -> bool:
        """Whether an NVIDIA GPU would be used if there is one."""
        return self.device in ("auto", "cuda")

    @property
    def needs_nvidia(self) -> bool:
        """Whether the lab does not start without an NVIDIA GPU."""
        return self.device == "cuda"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the lab would run.

    Args:
        states: the engines that were asked, in that order.
        container: the one that would run it; None on the host, or where it does not answer.
        on_host: whether it would run on the host.
    """

    states: tuple[EngineState, ...]
    container: EngineState | None
    on_host: bool


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Read in threads: asking for a result waits for it, and raises what reading raised."""

    system: str
    machine: str
    release: str
    libc: tuple[str, str]
    environ: Mapping[str, str]
    place: Future[Place]
    snapshot: Future[Snapshot]
    gpus: Future[list[Gpu]]
    gpu_host: Future[GpuHost]
    host_python: Future[Finished]


def gather(
    wish: Wish, environ: Mapping[str, str], *, root: Path, read_gpus: Callable[[], Snapshot]
) -> Facts:
    """Start to read everything that is slow or may hang.

    Args:
        wish: what the lab is to be started with.
        environ: variables of the environment.
        root: where /dev, /proc and /sys are.
        read_gpus: asks NVML.
    """
    snapshot = start(read_gpus)
    return Facts(
        system=platform.system(),
        machine=platform.machine(),
        release=platform.release(),
        libc=platform.libc_ver(),
        environ=environ,
        place=start(lambda: find_place(wish)),
        snapshot=snapshot,
        gpus=start(lambda: _judged(snapshot.result(), root, environ)),
        gpu_host=start(lambda: read_gpu_host(root)),
        host_python=start(find_host_python),
    )


def _judged(snapshot: Snapshot, root: Path, environ: Mapping[str, str]) -> list[Gpu]:
    """The GPUs with their verdicts; none where the driver does not answer."""
    return make_report(snapshot, root=root, environ=environ).gpus if snapshot.answers else []


def find_place(wish: Wish) -> Place:
    """Ask the engines, as `choose` does, and say where the lab would run."""
    if wish.engine == "apptainer":
        return Place(states=(probe_apptainer(),), container=None, on_host=False)
    if wish.engine == "host" or wish.apple_by_itself:
        return Place(states=(), container=None, on_host=True)
    states = []
    for program in ("docker", "podman") if wish.engine == "auto" else (wish.engine,):
        states.append(probe_engine(program))
        if states[-1].answers:
            return Place(states=tuple(states), container=states[-1], on_host=False)
    return Place(states=tuple(states), container=None, on_host=wish.engine == "auto")


def find_host_python() -> Finished:
    """Ask uv for a Python of the locks' version on this machine; uv fetches nothing for that."""
    return run([uv_program(), "python", "find", "--system", PYTHON], timeout_s=15)


def device_kind(wish: Wish, place: Place, host: GpuHost) -> str:
    """Which packages the lab would take: `cuda` where it would use an NVIDIA GPU, else `cpu`."""
    if wish.device != "auto":
        return "cuda" if wish.needs_nvidia else "cpu"
    if place.container is not None:
        return "cpu" if gpu_access(place.container, host.nodes)[0] == "none" else "cuda"
    return "cuda" if host.nodes else "cpu"
