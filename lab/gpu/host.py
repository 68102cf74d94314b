"""What the operating system shows of NVIDIA's GPUs, without asking their driver."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_NVIDIA = "0x10de"
_DISPLAY = "0x03"  # class of PCI devices: VGA and 3D controllers
_LIBRARY = "libnvidia-ml.so.1"
# Where distributions, Kubernetes and NixOS put the driver's libraries and a loader may not look.
_ODD_FOLDERS = (
    "usr/lib/nvidia",
    "usr/lib64/nvidia",
    "usr/lib/nvidia/current",
    "usr/local/nvidia/lib64",
    "usr/lib/wsl/lib",
    "run/opengl-driver/lib",
)


@dataclass(frozen=True, kw_only=True)
class GpuHost:
    """What the operating system shows of NVIDIA's GPUs, without asking the driver.

    Args:
        nodes: whether device nodes show: a driver is loaded, or this is a container with a GPU.
        slots: PCI addresses of NVIDIA's display controllers.
        module: version of the driver's kernel module that is loaded.
        wsl: whether the driver is the one of Windows, under WSL 2.
        wsl_without_driver: whether this is WSL 2 and Windows has no driver of NVIDIA's.
        jetson: whether this is a Jetson, whose GPU older systems show no NVML for.
        in_container: whether this process is in a container itself.
        capabilities: what NVIDIA's Container Toolkit was told to bring into this container; None
            where it was not told.
        libraries: copies of the library outside the usual folders.
    """

    nodes: bool = False
    slots: tuple[str, ...] = ()
    module: str | None = None
    wsl: bool = False
    wsl_without_driver: bool = False
    jetson: bool = False
    in_container: bool = False
    capabilities: str | None = None
    libraries: tuple[str, ...] = ()

    @property
    def shows(self) -> bool:
        """Whether there is a GPU of NVIDIA's, with a driver or without."""
        return self.nodes or bool(self.slots)


def read_gpu_host(root: Path = Path("/"), environ: Mapping[str, str] = os.environ) -> GpuHost:
    """Look for NVIDIA's GPUs under /dev, /sys and /proc.

    Args:
        root: where these are.
        environ: variables of the environment.
    """
    # Every WSL 2 has /dev/dxg; NVIDIA's library is there only with NVIDIA's driver on Windows.
    wsl2 = (root / "dev/dxg").exists()
    wsl = wsl2 and (root / "usr/lib/wsl/lib/libnvidia-ml.so.1").exists()
    nodes = any((root / "dev" / name).exists() for name in ("nvidiactl", "nvidia0"))
    return GpuHost(
        nodes=nodes or wsl,
        slots=tuple(sorted(_slots(root / "sys/bus/pci/devices"))),
        module=parse_module_version(_read(root / "proc/driver/nvidia/version")),
        wsl=wsl,
        wsl_without_driver=wsl2 and not wsl,
        jetson=_is_jetson(root),
        in_container=in_container(root),
        capabilities=environ.get("NVIDIA_DRIVER_CAPABILITIES"),
        libraries=tuple(
            f"/{folder}" for folder in _ODD_FOLDERS if (root / folder / _LIBRARY).exists()
        ),
    )


def in_container(root: Path = Path("/")) -> bool:
    """Whether this process is in a container: Docker's, Podman's or Apptainer's marks."""
    marks = (".dockerenv", "run/.containerenv", ".singularity.d")
    return any((root / mark).exists() for mark in marks)


def _is_jetson(root: Path) -> bool:
    model = _read(root / "proc/device-tree/model")
    return (root / "etc/nv_tegra_release").exists() or "jetson" in model.lower()


def _slots(folder: Path) -> list[str]:
    slots = folder.iterdir() if folder.is_dir() else ()
    return [
        slot.name
        for slot in slots
        if _read(slot / "vendor").strip() == _NVIDIA and _read(slot / "class").startswith(_DISPLAY)
    ]


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def parse_module_version(text: str) -> str | None:
    """The driver's version in /proc/driver/nvidia/version, whichever of its two modules runs."""
    found = re.search(r"Kernel Module(?: for \S+)?\s+(\d+\.\d+(?:\.\d+)?)", text, re.ASCII)
    return found[1] if found else None
