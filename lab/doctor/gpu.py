"""The GPU: its driver, whether both are new enough for torch, and its way into containers."""

from lab.doctor.gpu_host import GpuHost
from lab.doctor.words import few
from lab.engines.choose import gpu_access
from lab.engines.probe import EngineState
from lab.gpu.compatibility import (
    WHEEL_ARCHITECTURES,
    WHEEL_CUDA,
    architecture_for,
    judge_driver,
)
from lab.gpu.driver import DriverState, GpuModel
from lab.records.doctor import Finding, Status


def check_gpu(driver: DriverState, host: GpuHost, *, asked: bool) -> Finding:
    """Say whether there is a GPU and its driver answers.

    Args:
        driver: what NVML says.
        host: what the operating system shows.
        asked: whether the GPU was asked for; else the lab runs on the CPU without one.
    """
    status: Status = "fail" if asked else "warn"
    if driver.answers:
        return _check_gpus(driver, status)
    if not host.shows and driver.problem == "no_library":
        return _no_gpu(host, asked=asked)
    why, remedy = _cause(driver, host)
    seen = f"an NVIDIA GPU shows, but its driver does not answer: {driver.detail}"
    if not host.shows:
        seen = f"NVIDIA's library is here, but no GPU shows: {driver.detail}"
    elif host.slots and not host.nodes and driver.problem == "no_library":
        seen = f"an NVIDIA GPU is at PCI {few(list(host.slots))}, without a driver"
    return Finding(name="gpu", status=status, seen=seen, why=why, next=remedy)


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


def _check_gpus(driver: DriverState, status: Status) -> Finding:
    broken = [f"GPU {gpu.index}: {gpu.problem}" for gpu in driver.gpus if gpu.problem]
    if not driver.gpus:
        return Finding(
            name="gpu", status=status, seen=f"driver {driver.version} answers, but knows no GPU",
            why="torch finds no device", next="see `sudo dmesg | grep -i nvrm`; pass --device cpu",
        )  # fmt: skip
    if broken:
        return Finding(
            name="gpu", status=status, seen=f"driver {driver.version}; {few(broken)}",
            why="a program that touches this GPU fails or hangs",
            next="see `nvidia-smi` and `sudo dmesg | grep -i xid`; reboot the machine",
        )  # fmt: skip
    names = [gpu.name or "" for gpu in driver.gpus]
    counts = [f"{names.count(name)} x {name}" for name in dict.fromkeys(names)]
    return Finding(name="gpu", status="ok", seen=f"{few(counts)}, driver {driver.version}")


def _cause(driver: DriverState, host: GpuHost) -> tuple[str, str]:
    """Why NVML does not answer, and what to do: one code has several causes."""
    if driver.problem == "no_library" and host.wsl:
        return (
            "NVIDIA's library of WSL 2 is not on the loader's path",
            "export LD_LIBRARY_PATH=/usr/lib/wsl/lib, and install the driver on Windows only",
        )
    if host.in_container and driver.problem in ("no_library", "lost", "mismatch"):
        return (
            "this container was started without the driver's libraries, or its devices went away",
            "make the container anew, with the GPU (docker run --gpus all)",
        )
    causes = {
        "no_library": (
            "no libnvidia-ml.so.1 is on the loader's path",
            "install NVIDIA's driver, 580 or newer (Ubuntu: sudo ubuntu-drivers install); reboot",
        ),
        "not_loaded": (
            "the driver is installed, but its kernel module is not loaded, as after a new kernel",
            "sudo modprobe nvidia; if that fails, install the driver anew and reboot",
        ),
        "mismatch": (
            f"the driver was updated and the old one still runs{_running(host)}",
            "reboot; containers that ran must be made anew",
        ),
        "no_permission": (
            "this user may not open /dev/nvidia*",
            "ls -l /dev/nvidia*, and add yourself to their group (often video or render)",
        ),
    }
    return causes.get(
        driver.problem, ("the driver answered with an error", "run nvidia-smi; reboot")
    )


def _running(host: GpuHost) -> str:
    return f" ({host.module})" if host.module else ""


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


def check_architecture(gpus: tuple[GpuModel, ...]) -> Finding | None:
    """Say whether torch's wheel has code for each GPU.

    Args:
        gpus: those that the driver knows.
    """
    known = [gpu for gpu in gpus if gpu.capability is not None]
    if not known:
        return None
    without = [gpu for gpu in known if gpu.capability and not architecture_for(gpu.capability)]
    if not without:
        codes = {architecture_for(gpu.capability) for gpu in known if gpu.capability}
        return Finding(
            name="architecture",
            status="ok",
            seen=f"torch's wheel has code for it: {few(sorted(filter(None, codes)))}",
        )
    others = [str(gpu.index) for gpu in known if gpu not in without]
    return Finding(
        name="architecture",
        status="warn" if others else "fail",
        seen="torch's wheel has no code for "
        + few([f"GPU {gpu.index} ({gpu.name}, {_capability(gpu)})" for gpu in without]),
        why='torch answers "no kernel image is available"; the wheel has '
        + ", ".join(WHEEL_ARCHITECTURES),
        next=(
            "keep to the others: CUDA_DEVICE_ORDER=PCI_BUS_ID"
            f" CUDA_VISIBLE_DEVICES={','.join(others)}"
            if others
            else "pass --device cpu; this GPU needs another build of torch"
        ),
    )


def _capability(gpu: GpuModel) -> str:
    return f"sm_{gpu.capability[0]}{gpu.capability[1]}" if gpu.capability else "unknown"


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
