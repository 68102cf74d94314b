"""The GPU: its driver, whether both are new enough for torch, and its way into containers."""

from collections.abc import Sequence

from msgspec.structs import replace

from lab.doctor.words import few
from lab.engines.choose import gpu_access
from lab.engines.probe import EngineState
from lab.gpu.cause import find_cause
from lab.gpu.compatibility import (
    WHEEL_ARCHITECTURES,
    WHEEL_CUDA,
    architecture_for,
    judge_driver,
)
from lab.gpu.host import GpuHost
from lab.gpu.judge import capability_of
from lab.gpu.snapshot import Snapshot
from lab.records.doctor import Finding, Status
from lab.records.gpu import Gpu

_NO_LIBRARY = 12
# What has a line of the doctor's own, for all GPUs together.
_OWN_LINES = ("driver", "architecture")


def check_gpu(
    snapshot: Snapshot, host: GpuHost, gpus: Sequence[Gpu], *, asked: bool
) -> list[Finding]:
    """Say whether there is a GPU, its driver answers, and it is well: the verdicts of `inv gpu`.

    Args:
        snapshot: what NVML says.
        host: what the operating system shows.
        gpus: judged; empty where the driver does not answer.
        asked: whether the GPU was asked for; else the lab runs on the CPU without one.
    """
    if gpus:
        return _check_gpus(snapshot, gpus)
    if not host.shows and snapshot.code == _NO_LIBRARY and not snapshot.library:
        return [_no_gpu(host, asked=asked)]
    cause = find_cause(snapshot, host)
    status: Status = "fail" if asked else "warn"
    return [Finding(name="gpu", status=status, seen=cause.what, why=cause.why, next=cause.next)]


def _no_gpu(host: GpuHost, *, asked: bool) -> Finding:
    where = "in this container" if host.in_container else "on this machine"
    if not asked:
        return Finding(
            name="gpu", status="ok", seen=f"no NVIDIA GPU shows {where}: the lab runs on the CPU"
        )
    return Finding(
        name="gpu",
        status="fail",
        seen=f"no NVIDIA GPU shows {where}",
        why="--device cuda was asked for",
        next=(
            "start the container with the GPU (docker run --gpus all), or pass --device cpu"
            if host.in_container
            else "pass --device cpu, or run the lab on a machine with an NVIDIA GPU"
        ),
    )


def _check_gpus(snapshot: Snapshot, gpus: Sequence[Gpu]) -> list[Finding]:
    trouble = [
        replace(reason, name="gpu", seen=f"GPU {gpu.index}: {reason.seen}")
        for gpu in gpus
        for reason in gpu.reasons
        if reason.name not in _OWN_LINES
    ]
    if trouble:
        return trouble
    names = [gpu.name or "unknown" for gpu in gpus]
    counts = [f"{names.count(name)} x {name}" for name in dict.fromkeys(names)]
    seen = f"{few(counts)}, driver {snapshot.driver_version}"
    return [Finding(name="gpu", status="ok", seen=seen)]


def check_driver(version: str | None) -> Finding | None:
    """Say whether the driver runs the CUDA that torch's wheel was built with.

    Args:
        version: the driver's; None where there is none.
    """
    if version is None:
        return None
    judged = judge_driver(version)
    wanted = f"CUDA {_dotted(WHEEL_CUDA)}"
    own = f" (CUDA {_dotted(judged.driver_cuda)})" if judged.driver_cuda else ""
    if judged.outcome == "native":
        return Finding(
            name="driver", status="ok", seen=f"driver {version}{own} runs the image's {wanted}"
        )
    if judged.outcome == "minor":
        return Finding(
            name="driver", status="warn", seen=f"driver {version}{own}; the image has {wanted}",
            why="it runs, but code that is compiled on the spot (PTX) may not",
            next=f"update the driver to {judged.least_driver} or newer",
        )  # fmt: skip
    return Finding(
        name="driver",
        status="fail",
        seen=f"driver {version}{own} is too old: the image's {wanted} needs {judged.least_driver}",
        why="torch would find no GPU, or the container would not start",
        next=f"update the driver to {judged.least_driver} or newer; until then --device cpu",
    )


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def check_architecture(gpus: Sequence[Gpu]) -> Finding | None:
    """Say whether torch's wheel has code for each GPU.

    Args:
        gpus: those that the driver knows.
    """
    known = {gpu.index: pair for gpu in gpus if (pair := capability_of(gpu)) is not None}
    if not known:
        return None
    codes = {index: architecture_for(pair) for index, pair in known.items()}
    without = [gpu for gpu in gpus if gpu.index in codes and codes[gpu.index] is None]
    if not without:
        return Finding(
            name="architecture",
            status="ok",
            seen=f"torch's wheel has code for it: {few(sorted(set(filter(None, codes.values()))))}",
        )
    others = [str(index) for index, code in codes.items() if code is not None]
    shown = [f"GPU {gpu.index} ({gpu.name}, sm_{_digits(known[gpu.index])})" for gpu in without]
    return Finding(
        name="architecture",
        status="warn" if others else "fail",
        seen=f"torch's wheel has no code for {few(shown)}",
        why='torch answers "no kernel image is available"; the wheel has '
        + ", ".join(WHEEL_ARCHITECTURES),
        next=(
            "keep to the others: CUDA_DEVICE_ORDER=PCI_BUS_ID"
            f" CUDA_VISIBLE_DEVICES={','.join(others)}"
            if others
            else "pass --device cpu; this GPU needs another build of torch"
        ),
    )


def _digits(capability: tuple[int, int]) -> str:
    return f"{capability[0]}{capability[1]}"


def check_container_gpu(
    state: EngineState, host: GpuHost, *, elsewhere: tuple[str, ...], toolkit: bool, asked: bool
) -> Finding | None:
    """Say how a container gets the GPU, or what is missing for that; nothing without a GPU.

    Args:
        state: the engine.
        host: what the operating system shows.
        elsewhere: CDI names in the usual folders, which this engine may not look in.
        toolkit: whether NVIDIA's Container Toolkit is installed.
        asked: whether the GPU was asked for.
    """
    access, reason = gpu_access(state, host.nodes)
    if access != "none":
        ways = {"cdi": f"CDI ({few(list(state.cdi), 1)})", "nvidia": "the nvidia runtime"}
        return Finding(
            name="container-gpu", status="ok", seen=f"containers get the GPU by {ways[access]}"
        )
    if not host.shows and not asked:
        return None
    if not host.shows:
        remedy = "pass --device cpu, or run the lab on a machine with an NVIDIA GPU"
    elif elsewhere:
        reason = (
            f"CDI files define {few(list(elsewhere), 1)}, but this engine does not look at them"
        )
        remedy = (
            'put "features": {"cdi": true} into /etc/docker/daemon.json and restart Docker,'
            " 25 or newer"
        )
    else:
        remedy = "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
        if not toolkit:
            remedy = (
                f"install the package nvidia-container-toolkit (NVIDIA's repository), then {remedy}"
            )
    return Finding(
        name="container-gpu",
        status="fail" if asked else "warn",
        seen=f"{state.program} has no GPU for a container: {reason}",
        why=(
            "the lab in a container runs on the CPU; --engine host would have the GPU"
            if host.shows
            else "--device cuda was asked for"
        ),
        next=remedy,
    )


def check_apple(system: str, machine: str, *, on_host: bool) -> Finding:
    """Say whether torch can use Apple's GPU here.

    Args:
        system: platform.system().
        machine: platform.machine().
        on_host: whether the lab runs outside a container.
    """
    if not on_host:
        return Finding(
            name="gpu",
            status="fail",
            seen="Apple's GPU cannot be used from a container",
            why="containers on macOS run in a Linux machine that does not see it",
            next="run on the host: --engine host --device mps",
        )
    if (system, machine) == ("Darwin", "arm64"):
        return Finding(
            name="gpu", status="ok", seen="Apple's GPU: torch uses it on the host, as mps"
        )
    return Finding(
        name="gpu",
        status="fail",
        seen=f"{system} on {machine} has no Apple GPU",
        why="--device mps was asked for",
        next="pass --device auto",
    )
