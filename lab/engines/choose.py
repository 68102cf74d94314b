"""Chooses where the lab runs, from what was asked for and what the machine has."""

import platform
from dataclasses import dataclass

from lab.engines.probe import EngineState, host_has_gpu, probe_apptainer, probe_engine
from lab.engines.request import Device, GpuAccess
from lab.errors import LabError

ENGINES = ("auto", "docker", "podman", "apptainer", "host")
DEVICES = ("auto", "cpu", "cuda", "mps")

_INSTALL = "install Docker or Podman, or run on the host: --engine host"
_APPTAINER = (
    "install it, or where a cluster keeps it as a module: module load apptainer; or run on the"
    " host: --engine host"
)
_REMEDIES = {
    "not_installed": ("no program of that name is on the PATH", _INSTALL),
    "not_running": (
        "its daemon does not answer",
        (
            "start it (Linux: sudo systemctl start docker; macOS, Windows: open Docker Desktop),"
            " or run on the host: --engine host"
        ),
    ),
    "no_permission": (
        "this user may not use its socket",
        "sudo usermod -aG docker $USER, then log in again; or run on the host: --engine host",
    ),
    "hangs": (
        "it gave no answer within 20 s",
        "restart it (Linux: sudo systemctl restart docker), or run on the host: --engine host",
    ),
    "unknown": (
        "it answered with an error",
        "see `docker info`, or run on the host: --engine host",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Where a command will run.

    Args:
        engine: docker, podman, apptainer or host.
        device: what torch will run on.
        gpu: how a container gets the GPU.
        gpu_name: the CDI device.
        why: one sentence on what `auto` chose, for people.
        state: Docker or Podman as found; None on the host and for Apptainer, whose containers run
            as the caller.
    """

    engine: str
    device: Device
    gpu: GpuAccess
    why: str
    gpu_name: str = ""
    state: EngineState | None = None


def choose(engine: str = "auto", device: str = "auto") -> Choice:
    """Probe the machine and choose; a wish that cannot be met is an error, never a silent fallback.

    Raises:
        LabError: the engine does not answer, or the device is not to be had with it.
    """
    check_words(engine, device)
    if engine in ("docker", "podman"):
        state = probe_engine(engine)
        if not state.answers:
            raise not_answering(state)
        return _in_container(state, device)
    if engine == "apptainer":
        return _in_apptainer(device)
    if engine == "host" or device == "mps":
        return _on_host(
            device, "" if engine == "host" else "Apple's GPU is not reachable in containers"
        )
    return _automatic(device)


def check_words(engine: str, device: str) -> None:
    """Make sure that an engine and a device are ones that the lab knows.

    Raises:
        LabError: one is not; names those that are.
    """
    _known(engine, ENGINES, "engine")
    _known(device, DEVICES, "device")


def _known(value: str, known: tuple[str, ...], what: str) -> None:
    if value not in known:
        raise LabError(
            f"There is no {what} {value!r}.",
            why=f"the lab knows {', '.join(known)}",
            next_step=f"pass one of them: --{what} {known[0]}",
        )


def _automatic(device: str) -> Choice:
    """Docker where it answers, else the host; Podman, which cannot build the image, on request."""
    state = probe_engine("docker")
    if state.answers:
        return _in_container(state, device)
    return _on_host(device, f"no container engine answers: {_short(state)}")


def _short(state: EngineState) -> str:
    words = {"not_installed": "is not installed", "not_running": "is not running"}
    return f"{state.program} {words.get(state.problem, _REMEDIES[state.problem][0])}"


def not_answering(state: EngineState, *, build: bool = False) -> LabError:
    """The error for an engine that was asked for, or that a build needs, and does not answer."""
    why, remedy = _REMEDIES[state.problem]
    if state.program == "apptainer":
        remedy = _APPTAINER
    if build:  # only an engine builds an image; running on the host needs none
        remedy = remedy.replace(", or run on the host: --engine host", "")
        remedy = remedy.replace("; or run on the host: --engine host", "")
    detail = f": {state.detail}" if state.detail else ""
    return LabError(
        f"{state.program.capitalize()} cannot start containers here.",
        why=why + detail,
        next_step=remedy,
    )


def _in_container(state: EngineState, device: str) -> Choice:
    if device == "mps":
        raise LabError(
            "Apple's GPU cannot be used from a container.",
            why="containers on macOS run in a Linux machine that does not see it",
            next_step="run on the host: --engine host --device mps",
        )
    gpu, reason = gpu_access(state, host_has_gpu())
    if device == "cuda" and gpu == "none":
        raise LabError(
            f"{state.program.capitalize()} has no GPU to give to a container.",
            why=reason,
            next_step=(
                "install the NVIDIA Container Toolkit, then sudo nvidia-ctk cdi generate"
                " --output=/etc/cdi/nvidia.yaml; without a GPU: --device cpu"
            ),
        )
    label = f"{state.program} {state.version}"
    if device == "cpu" or gpu == "none":
        why = f"{label}, on the CPU: " + ("as asked" if device == "cpu" else reason)
        return Choice(engine=state.program, device="cpu", gpu="none", why=why, state=state)
    why = f"{label}, with the GPU through " + ("CDI" if gpu == "cdi" else "the nvidia runtime")
    name = state.cdi[0] if gpu == "cdi" else ""
    return Choice(engine=state.program, device="cuda", gpu=gpu, gpu_name=name, why=why, state=state)


def _in_apptainer(device: str) -> Choice:
    state = probe_apptainer()
    if not state.answers:
        raise not_answering(state)
    has_gpu = host_has_gpu()
    if device == "mps" or (device == "cuda" and not has_gpu):
        raise LabError(
            f"There is no device {device} for Apptainer here.",
            why="it hands over NVIDIA's GPUs alone, and this host shows none",
            next_step="pass --device cpu",
        )
    cuda = has_gpu and device != "cpu"
    return Choice(
        engine="apptainer", device="cuda" if cuda else "cpu", gpu="nvidia" if cuda else "none",
        why=f"apptainer {state.version}, " + ("with the GPU" if cuda else "on the CPU"),
    )  # fmt: skip


def gpu_access(state: EngineState, device_shows: bool) -> tuple[GpuAccess, str]:
    """Say how this engine hands over a GPU, or why it cannot.

    Args:
        state: the engine.
        device_shows: whether the host shows an NVIDIA device; the nvidia runtime is also
        installed on
            machines that have none.
    """
    if state.cdi:
        return "cdi", ""
    if state.nvidia_runtime and device_shows:
        return "nvidia", ""
    if state.nvidia_runtime:
        return "none", "the nvidia runtime is registered, but this host shows no NVIDIA device"
    if device_shows:
        return (
            "none",
            "this host has an NVIDIA device, but neither a CDI specification nor the runtime",
        )
    return "none", "no NVIDIA device, no CDI specification for nvidia.com/gpu, no nvidia runtime"


def _on_host(device: str, reason: str) -> Choice:
    prefix = f"on the host ({reason})" if reason else "on the host"
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    if device == "cuda" and not host_has_gpu():
        raise LabError(
            "This host has no NVIDIA GPU that the lab could use.",
            why="no NVIDIA device shows under /dev",
            next_step="install the driver (nvidia-smi must answer), or pass --device cpu",
        )
    if device == "mps" and not apple:
        raise LabError(
            "This host has no Apple GPU.",
            why=f"it is {platform.system()} on {platform.machine()}; mps needs macOS on arm64",
            next_step="pass --device cpu or --device cuda",
        )
    chosen: Device = "cpu"
    if device in ("auto", "mps") and apple:
        chosen = "mps"
    elif device in ("auto", "cuda") and host_has_gpu():
        chosen = "cuda"
    return Choice(engine="host", device=chosen, gpu="none", why=f"{prefix}, on {chosen}")
