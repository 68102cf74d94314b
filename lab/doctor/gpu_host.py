"""What the operating system shows of NVIDIA's GPUs, without asking their driver."""

import re
from dataclasses import dataclass
from pathlib import Path

_NVIDIA = "0x10de"
_DISPLAY = "0x03"  # class of PCI devices: VGA and 3D controllers


@dataclass(frozen=True, kw_only=True)
class GpuHost:
    """What the operating system shows of NVIDIA's GPUs, without asking the driver.

    Args:
        nodes: whether device nodes show: a driver is loaded, or this is a container with a GPU.
        slots: PCI addresses of NVIDIA's display controllers.
        module: version of the driver's kernel module that is loaded.
        wsl: whether the driver is the one of Windows, under WSL 2.
        in_container: whether this process is in a container itself.
    """

    nodes: bool = False
    slots: tuple[str, ...] = ()
    module: str | None = None
    wsl: bool = False
    in_container: bool = False

    @property
    def shows(self) -> bool:
        """Whether there is a GPU of NVIDIA's, with a driver or without."""
        return self.nodes or bool(self.slots)


def read_gpu_host(root: Path = Path("/")) -> GpuHost:
    """Look for NVIDIA's GPUs under /dev, /sys and /proc.

    Args:
        root: where these are.
    """
    # Every WSL 2 has /dev/dxg; NVIDIA's library is there only with NVIDIA's driver on Windows.
    wsl = (root / "dev/dxg").exists() and (root / "usr/lib/wsl/lib/libnvidia-ml.so.1").exists()
    nodes = any((root / "dev" / name).exists() for name in ("nvidiactl", "nvidia0"))
    marks = (".dockerenv", "run/.containerenv", ".singularity.d")
    return GpuHost(
        nodes=nodes or wsl,
        slots=tuple(sorted(_slots(root / "sys/bus/pci/devices"))),
        module=parse_module_version(_read(root / "proc/driver/nvidia/version")),
        wsl=wsl,
        in_container=any((root / mark).exists() for mark in marks),
    )


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
