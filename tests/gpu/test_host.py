from pathlib import Path

import pytest

from lab.gpu.host import GpuHost, parse_module_version, read_gpu_host

CLOSED = """NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 2024
GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)
"""
OPEN = """NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (dvs)
GCC version:  gcc version 13.3.0 (Ubuntu 13.3.0-6ubuntu2~24.04)
"""


def put(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def add_pci(root: Path, slot: str, vendor: str, kind: str) -> None:
    put(root / "sys/bus/pci/devices" / slot / "vendor", vendor + "\n")
    put(root / "sys/bus/pci/devices" / slot / "class", kind + "\n")


@pytest.mark.parametrize(
    ("text", "version"),
    [(CLOSED, "535.183.01"), (OPEN, "580.65.06"), ("", None), ("GCC version: 12.2.0", None)],
)
def test_module_version_is_read_from_either_module(text: str, version: str | None) -> None:
    assert parse_module_version(text) == version


def test_host_without_anything_shows_no_gpu(tmp_path: Path) -> None:
    host = read_gpu_host(tmp_path)
    assert (host, host.shows) == (GpuHost(), False)


def test_host_with_a_card_and_no_driver_shows_it(tmp_path: Path) -> None:
    add_pci(tmp_path, "0000:01:00.0", "0x10de", "0x030200")
    add_pci(tmp_path, "0000:01:00.1", "0x10de", "0x040300")  # its sound
    add_pci(tmp_path, "0000:00:02.0", "0x8086", "0x030000")  # another maker's
    host = read_gpu_host(tmp_path)
    assert (host.slots, host.nodes, host.shows) == (("0000:01:00.0",), False, True)


def test_host_with_a_driver_shows_its_nodes_and_version(tmp_path: Path) -> None:
    put(tmp_path / "dev/nvidiactl")
    put(tmp_path / "proc/driver/nvidia/version", OPEN)
    host = read_gpu_host(tmp_path)
    assert (host.nodes, host.module, host.wsl) == (True, "580.65.06", False)


def test_host_under_wsl_has_a_gpu_only_with_nvidias_driver(tmp_path: Path) -> None:
    """Every WSL 2 has /dev/dxg, with any maker's GPU."""
    put(tmp_path / "dev/dxg")
    assert not read_gpu_host(tmp_path).shows
    put(tmp_path / "usr/lib/wsl/lib/libnvidia-ml.so.1")
    host = read_gpu_host(tmp_path)
    assert (host.nodes, host.wsl) == (True, True)


@pytest.mark.parametrize("mark", [".dockerenv", "run/.containerenv"])
def test_host_that_is_a_container_is_known(tmp_path: Path, mark: str) -> None:
    put(tmp_path / mark)
    assert read_gpu_host(tmp_path).in_container


def test_host_under_wsl_without_a_driver_on_windows_is_known(tmp_path: Path) -> None:
    put(tmp_path / "dev/dxg")
    assert read_gpu_host(tmp_path).wsl_without_driver


@pytest.mark.parametrize(
    ("file", "text"),
    [("etc/nv_tegra_release", "# R35"), ("proc/device-tree/model", "NVIDIA Jetson Orin\0")],
)
def test_host_that_is_a_jetson_is_known(tmp_path: Path, file: str, text: str) -> None:
    put(tmp_path / file, text)
    assert read_gpu_host(tmp_path).jetson


def test_host_has_its_library_where_no_loader_looks(tmp_path: Path) -> None:
    put(tmp_path / "run/opengl-driver/lib/libnvidia-ml.so.1")
    assert read_gpu_host(tmp_path).libraries == ("/run/opengl-driver/lib",)


def test_host_knows_what_the_toolkit_was_told(tmp_path: Path) -> None:
    environ = {"NVIDIA_DRIVER_CAPABILITIES": "compute"}
    assert read_gpu_host(tmp_path, environ).capabilities == "compute"
