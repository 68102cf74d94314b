from pathlib import Path

import pytest

from lab.gpu.cause import find_cause, library_version
from lab.gpu.host import GpuHost
from lab.gpu.reasons import REMEDIES
from lab.gpu.snapshot import Snapshot

LOADED = GpuHost(nodes=True, slots=("0000:01:00.0",), module="580.65.06")
CARD_ONLY = GpuHost(slots=("0000:01:00.0",))
NOTHING = GpuHost()
CONTAINER = GpuHost(in_container=True)


def silent(code: int, library: str = "", call: str = "nvmlInit") -> Snapshot:
    return Snapshot(answers=False, code=code, call=call, detail="its words", library=library)


@pytest.mark.parametrize(
    ("code", "host", "name", "remedy"),
    [
        (12, CONTAINER, "container", "--device cuda"),
        (12, GpuHost(in_container=True, nodes=True, capabilities="compute"), "container",
         "NVIDIA_DRIVER_CAPABILITIES=compute,utility"),
        (12, GpuHost(in_container=True, nodes=True, capabilities="all"), "container", "--gpus all"),
        (12, NOTHING, "no_gpu", "install NVIDIA's driver"),
        (12, CARD_ONLY, "no_driver", "install NVIDIA's driver"),
        (12, LOADED, "no_library", "install the driver's library"),
        (12, GpuHost(nodes=True, libraries=("/run/opengl-driver/lib",)), "no_library",
         "LD_LIBRARY_PATH=/run/opengl-driver/lib"),
        (12, GpuHost(nodes=True, wsl=True), "wsl", "/usr/lib/wsl/lib"),
        (12, GpuHost(wsl_without_driver=True), "wsl", "on Windows only"),
        (12, GpuHost(jetson=True), "jetson", "tegrastats"),
        (9, CARD_ONLY, "not_loaded", "modprobe nvidia"),
        (18, LOADED, "mismatch", "reboot"),
        (18, GpuHost(in_container=True, nodes=True), "mismatch", "make the container anew"),
        (999, GpuHost(in_container=True, nodes=True), "lost", "make the container anew"),
        (999, LOADED, "other", "reboot"),
        (4, LOADED, "no_permission", "ls -l /dev/nvidia*"),
        (10, LOADED, "no_answer", "reboot"),
        (13, LOADED, "other", "install NVIDIA's driver"),
        (8, LOADED, "other", "power plug"),
        (15, LOADED, "other", "switch the machine off"),
        (16, LOADED, "other", "nvidia-smi --gpu-reset"),
        (17, LOADED, "other", "cgroup"),
    ],
)  # fmt: skip
def test_cause_has_its_name_and_remedy(code: int, host: GpuHost, name: str, remedy: str) -> None:
    found = find_cause(silent(code), host, {})
    assert (found.name, remedy in found.next) == (name, True), found
    assert found.what
    assert found.why
    assert "{" not in found.next


def test_mismatch_shows_both_versions(tmp_path: Path) -> None:
    library = tmp_path / "libnvidia-ml.so.575.51.03"
    library.touch()
    (tmp_path / "libnvidia-ml.so.1").symlink_to(library.name)
    found = find_cause(silent(18, str(tmp_path / "libnvidia-ml.so.1")), LOADED, {})
    assert "580.65.06" in found.why
    assert "575.51.03" in found.why


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/x/libnvidia-ml.so.580.65.06", "580.65.06"),
        ("/x/libnvidia-ml.so.1", None),
        ("/x/libnvidia-ml.so.470.57", "470.57"),
        ("", None),
    ],
)
def test_library_has_its_version_in_its_name(path: str, version: str | None) -> None:
    assert library_version(path) == version


def test_stub_is_told_by_where_it_was_loaded_from() -> None:
    found = find_cause(silent(999, "/usr/local/cuda/lib64/stubs/libnvidia-ml.so.1"), LOADED, {})
    assert (found.name, "stub, not the driver" in found.what) == ("stub", True)
    assert "/usr/local/cuda/lib64/stubs/" in found.why


def test_stub_is_told_by_the_path_where_its_name_is_another(tmp_path: Path) -> None:
    """The toolkit's stub is called libnvidia-ml.so, which a program does not load by itself."""
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    path = {"LD_LIBRARY_PATH": f"/usr/lib:{stubs}"}
    assert find_cause(silent(12), NOTHING, path).name == "no_gpu"
    (stubs / "libnvidia-ml.so").touch()
    assert find_cause(silent(12), NOTHING, path).name == "stub"


@pytest.mark.parametrize(("host", "name"), [(CONTAINER, "container"), (LOADED, "no_gpu")])
def test_driver_without_a_gpu_is_said(host: GpuHost, name: str) -> None:
    found = find_cause(Snapshot(answers=True, driver_version="580.65.06"), host, {})
    assert found.name == name


def test_hang_names_the_call() -> None:
    assert "nvmlDeviceGetCount" in find_cause(silent(10, call="nvmlDeviceGetCount"), LOADED, {}).why


def test_every_remedy_says_why_and_what_to_do() -> None:
    assert all(why and remedy for why, remedy in REMEDIES.values())
