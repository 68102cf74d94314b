"""Why no GPU can be read, and what to do about it: one error of NVML's has several causes."""

import os
import re
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from lab.gpu.host import GpuHost
from lab.gpu.reasons import DMESG, REMEDIES, reason_of
from lab.gpu.snapshot import Snapshot

CauseName = Literal[
    "no_gpu", "no_driver", "no_library", "container", "wsl", "jetson", "stub", "not_loaded",
    "mismatch", "no_permission", "lost", "no_answer", "other",
]  # fmt: skip

_IN_LAB = "on the host ./inv stop, then ./inv lab --device cuda; by hand docker run --gpus all"
_INSTALL = "install NVIDIA's driver, 580 or newer (Ubuntu: sudo ubuntu-drivers install); reboot"


class Cause(NamedTuple):
    """Why no GPU can be read.

    Args:
        name: one of a fixed set.
        what: one sentence on what was seen.
        why: the cause.
        next: what to do.
    """

    name: CauseName
    what: str
    why: str
    next: str


def find_cause(snapshot: Snapshot, host: GpuHost, environ: Mapping[str, str] = os.environ) -> Cause:
    """Tell why a snapshot has no GPU.

    Args:
        snapshot: one that does not answer, or has no GPU.
        host: what the operating system shows.
        environ: variables of the environment.
    """
    seen = f"NVML answered {snapshot.detail!r} ({snapshot.code}) to {snapshot.call}"
    if "/stubs/" in snapshot.library or (snapshot.code == _NO_LIBRARY and _stub_named(environ)):
        path = snapshot.library or _stub_named(environ)
        return Cause(
            "stub", "The library that was found is a stub, not the driver.",
            f"{path} is for building programs alone; {seen}",
            "take the CUDA toolkit's stubs folder out of LD_LIBRARY_PATH; without a driver: "
            + _INSTALL,
        )  # fmt: skip
    if snapshot.answers:
        return _nothing_known(snapshot, host)
    tell = _BY_CODE.get(snapshot.code, _other)
    return tell(snapshot, host, seen)


_NO_LIBRARY = 12


def _stub_named(environ: Mapping[str, str]) -> str:
    """The toolkit's stubs folder on the loader's path, where it holds the library."""
    folders = environ.get("LD_LIBRARY_PATH", "").split(":")
    for folder in folders:
        if folder.rstrip("/").endswith("/stubs") and os.path.exists(  # noqa: PTH110
            f"{folder}/libnvidia-ml.so"
        ):
            return f"{folder.rstrip('/')}/libnvidia-ml.so"
    return ""


def _nothing_known(snapshot: Snapshot, host: GpuHost) -> Cause:
    if host.in_container:
        return Cause(
            "container", "The driver answers in this container, but shows it no GPU.",
            "the container was given the libraries and none of the devices",
            f"make the container anew, with the GPU: {_IN_LAB}",
        )  # fmt: skip
    return Cause(
        "no_gpu", f"Driver {snapshot.driver_version} answers, but knows no GPU.",
        "none is on the bus, or none is this job's (Slurm: --gpus)",
        f"{DMESG}; lspci | grep -i nvidia",
    )  # fmt: skip


def _no_library(snapshot: Snapshot, host: GpuHost, seen: str) -> Cause:
    if host.in_container:
        return _container_without(host, seen)
    if host.jetson:
        return Cause(
            "jetson", "This Jetson's system has no NVML.", "JetPack before 7 comes without it",
            "sudo tegrastats shows the GPU; the lab runs on the CPU: ./inv lab --device cpu",
        )  # fmt: skip
    if host.wsl or host.wsl_without_driver:
        return _wsl(host)
    if host.nodes:
        return Cause(
            "no_library", "NVIDIA's driver is loaded, but its library is not found.",
            f"libnvidia-ml.so.1 is not on the loader's path {_searched()}",
            _loader_remedy(host.libraries),
        )  # fmt: skip
    if host.slots:
        return Cause(
            "no_driver", f"An NVIDIA GPU is at PCI {host.slots[0]}, without a driver.",
            "neither a kernel module of NVIDIA's nor libnvidia-ml.so.1 is here", _INSTALL,
        )  # fmt: skip
    return Cause(
        "no_gpu", "No NVIDIA GPU shows on this machine.",
        f"no device under /dev, none on the PCI bus, and no libnvidia-ml.so.1 {_searched()}",
        f"use a machine that has one (the lab runs here on the CPU); if one is built in:"
        f" {_INSTALL}",
    )  # fmt: skip


def _searched() -> str:
    path = os.environ.get("LD_LIBRARY_PATH", "")
    return (
        f"(looked in LD_LIBRARY_PATH={path} and the system's folders)"
        if path
        else ("(looked in the system's folders)")
    )


def _loader_remedy(libraries: tuple[str, ...]) -> str:
    if libraries:
        return f"export LD_LIBRARY_PATH={libraries[0]}:$LD_LIBRARY_PATH; lasting: sudo ldconfig"
    return "install the driver's library (Debian: libnvidia-ml1, of the running driver's version)"


def _container_without(host: GpuHost, seen: str) -> Cause:
    given = host.capabilities
    if host.nodes and given and not {"utility", "all"} & set(given.replace(" ", "").split(",")):
        return Cause(
            "container", "This container has the GPU, but not NVML.",
            f"it was started with NVIDIA_DRIVER_CAPABILITIES={given}, which lacks utility",
            "make the container anew with NVIDIA_DRIVER_CAPABILITIES=compute,utility",
        )  # fmt: skip
    return Cause(
        "container", "This container has no GPU.",
        f"it was started without one: no libnvidia-ml.so.1 is in it; {seen}",
        f"make the container anew, with the GPU: {_IN_LAB}",
    )  # fmt: skip


def _wsl(host: GpuHost) -> Cause:
    if host.wsl_without_driver:
        return Cause(
            "wsl", "Under WSL 2 the driver is the one of Windows, and Windows has none.",
            "/usr/lib/wsl/lib has no libnvidia-ml.so.1",
            "install NVIDIA's driver on Windows only, never inside WSL; then wsl --shutdown",
        )  # fmt: skip
    return Cause(
        "wsl", "Under WSL 2 NVIDIA's library is not found.",
        "it is in /usr/lib/wsl/lib, which is not on the loader's path",
        "export LD_LIBRARY_PATH=/usr/lib/wsl/lib, and install the driver on Windows only",
    )  # fmt: skip


def _not_loaded(snapshot: Snapshot, host: GpuHost, seen: str) -> Cause:
    return Cause(
        "not_loaded", "NVIDIA's driver is installed, but not loaded.",
        f"its kernel module does not run, as after a new kernel; {seen}",
        "lsmod | grep nvidia; sudo modprobe nvidia; if that fails, build it anew (sudo dkms"
        " autoinstall) or install the driver anew, and reboot",
    )  # fmt: skip


def _mismatch(snapshot: Snapshot, host: GpuHost, seen: str) -> Cause:
    library = library_version(snapshot.library)
    versions = (
        f"the kernel runs {host.module or 'an unknown version'},"
        f" the library is {library or 'of another one'}"
    )
    remedy = (
        f"make the container anew: {_IN_LAB}; after an update of the driver reboot first"
        if host.in_container
        else "reboot (or unload and load the nvidia modules); containers that ran must be made anew"
    )
    return Cause(
        "mismatch", "NVIDIA's library and kernel module are of different versions.",
        f"the driver was updated and the old one still runs: {versions}", remedy,
    )  # fmt: skip


def _lost(snapshot: Snapshot, host: GpuHost, seen: str) -> Cause:
    if host.in_container:
        return Cause(
            "lost", "This container has lost its GPU.",
            f"its devices went away, as after a daemon-reload on the host; {seen}",
            f"make the container anew: {_IN_LAB}; nothing saved is lost",
        )  # fmt: skip
    return Cause(
        "other", "NVIDIA's driver does not start.", seen,
        f"{DMESG}; sudo modprobe nvidia_uvm; reboot",
    )  # fmt: skip


def _no_permission(snapshot: Snapshot, host: GpuHost, seen: str) -> Cause:
    return Cause(
        "no_permission", "This user may not read the GPUs.",
        f"/dev/nvidia* is closed to user {os.getuid()}; {seen}",
        "ls -l /dev/nvidia*, and have yourself added to their group (often video or render)",
    )  # fmt: skip


def _no_answer(snapshot: Snapshot, host: GpuHost, seen: str) -> Cause:
    why, remedy = REMEDIES["no_answer"]
    return Cause("no_answer", "NVIDIA's driver does not answer.", f"{why}: {snapshot.call}", remedy)


def _too_old(snapshot: Snapshot, host: GpuHost, seen: str) -> Cause:
    return Cause("other", "NVIDIA's driver is too old to be read.", seen, _INSTALL)


def _other(snapshot: Snapshot, host: GpuHost, seen: str) -> Cause:
    why, remedy = REMEDIES.get(reason_of(snapshot.code), REMEDIES["unknown"])
    remedy = remedy.replace("-i {index}", "").replace("  ", " ")
    return Cause("other", "NVIDIA's driver answers with an error.", f"{why}; {seen}", remedy)


_BY_CODE: dict[int, Callable[[Snapshot, GpuHost, str], Cause]] = {
    4: _no_permission,
    9: _not_loaded,
    10: _no_answer,
    _NO_LIBRARY: _no_library,
    13: _too_old,
    18: _mismatch,
    25: _too_old,
    999: _lost,
}


def library_version(path: str) -> str | None:
    """The driver's version in the name of its library, behind whatever links lead to it."""
    found = re.search(r"\.so\.(\d+\.\d+(?:\.\d+)?)$", os.path.realpath(path), re.ASCII)
    return found[1] if found else None
