"""The whole examination, with faults put in place for real."""

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lab.doctor.examine import examine
from lab.errors import LabError
from lab.gpu.snapshot import Snapshot
from lab.records.doctor import DoctorReport, Finding
from lab.records.gpu import Gpu

from .conftest import Program

ROOT = Path(__file__).resolve().parents[2]
ALWAYS = ("platform", "python", "host-python", "port", "work", "disk-state", "memory")


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_STATE", str(tmp_path / "state"))


def named(report: DoctorReport) -> dict[str, Finding]:
    return {finding.name: finding for finding in report.findings}


def no_library() -> Snapshot:
    """A machine without NVIDIA's library."""
    detail = "NVML Shared Library Not Found"
    return Snapshot(answers=False, code=12, call="nvmlInit", detail=detail)


def old_gpu() -> Snapshot:
    """An old driver with an old GPU; CUDA's version as cuda-compat inflates it."""
    gpu = Gpu(index=0, name="Tesla V100", compute_capability="7.0")
    return Snapshot(answers=True, driver_version="535.183.01", cuda_version=13000, gpus=[gpu])


def look(work: Path, **words: Any) -> DoctorReport:
    """Examine an empty machine: no device, no variable, no GPU, unless a test says otherwise."""
    return examine(
        work=work,
        **{"root": work / "no-such-root", "environ": {}, "read_gpus": no_library, **words},
    )


@pytest.mark.usefixtures("without_engines")
def test_examination_without_an_engine_is_for_the_host(tmp_path: Path) -> None:
    found = named(look(tmp_path))
    assert found["engine"].status == "ok"
    assert found["gpu"].status == "ok"
    assert set(ALWAYS) <= found.keys()
    assert not {"compose", "buildx", "image-store", "disk-images", "container-gpu"} & found.keys()
    assert not [f for f in found.values() if f.status == "unknown"]


def test_examination_of_the_host_asks_no_engine(tmp_path: Path, program: Program) -> None:
    program("docker", f"touch {tmp_path}/asked; exit 1")
    found = named(look(tmp_path, engine="host"))
    assert not (tmp_path / "asked").exists()
    assert not {"docker", "engine", "compose"} & found.keys()


def test_examination_fails_when_the_engine_asked_for_is_down(
    tmp_path: Path, program: Program
) -> None:
    program("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    report = look(tmp_path, engine="docker")
    assert report.verdict == "fail"
    assert named(report)["docker"].status == "fail"
    assert "compose" not in named(report)


def test_examination_finds_the_faults_of_an_old_engine(tmp_path: Path, program: Program) -> None:
    """An engine in a small machine of its own, with a specification of a driver long gone."""
    (tmp_path / "cdi").mkdir()
    (tmp_path / "cdi" / "nvidia.yaml").write_text(
        "kind: nvidia.com/gpu\n"
        "devices: [{name: all}]\n"
        "containerEdits: {mounts: [{hostPath: /gone/libcuda.so.570.26}]}\n"
    )
    info = {
        "ServerVersion": "24.0.7", "MemTotal": 2_000_000_000, "DockerRootDir": "/gone",
        "CDISpecDirs": [str(tmp_path / "cdi")],
    }  # fmt: skip
    program(
        "docker",
        f"""case "$1" in
        info) echo '{json.dumps(info)}';;
        compose) echo 2.10.2;;
        buildx) echo github.com/docker/buildx v0.9.1 ed00243;;
        ps) echo another-lab;;
        *) exit 1;;
        esac""",
    )
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        environ = {"DOCKER_HOST": "ssh://me@server"}
        report = look(tmp_path, engine="docker", port=port, environ=environ)
    found = named(report)
    warned = (
        "docker", "engine-address", "compose", "buildx", "image-store", "cdi", "memory",
    )  # fmt: skip
    assert [found[name].status for name in warned] == ["warn"] * len(warned)
    assert found["disk-images"].status == "unknown"
    assert "the container another-lab" in found["port"].seen


def test_examination_finds_an_old_driver_and_an_old_gpu(tmp_path: Path) -> None:
    node = tmp_path / "root" / "dev" / "nvidiactl"
    node.parent.mkdir(parents=True)
    node.touch()
    module = tmp_path / "root" / "proc" / "driver" / "nvidia" / "version"
    module.parent.mkdir(parents=True)
    module.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  530.30.02  2023\n")
    report = look(tmp_path, engine="host", root=tmp_path / "root", read_gpus=old_gpu)
    found = named(report)
    statuses = [found[name].status for name in ("gpu", "driver", "architecture")]
    assert (report.verdict, statuses) == ("fail", ["ok", "fail", "fail"])
    assert "530.30.02" in found["driver"].seen  # what runs, whatever library NVML came from
    on_the_cpu = named(
        look(tmp_path, engine="host", device="cpu", root=tmp_path / "root", read_gpus=old_gpu)
    )
    assert not {"gpu", "driver", "architecture"} & on_the_cpu.keys()


def test_examination_finds_faults_of_port_work_folder_ca_and_wheelhouse(tmp_path: Path) -> None:
    garbage = tmp_path / "ca.pem"
    garbage.write_text("not a certificate")
    environ = {
        "SSL_CERT_FILE": str(garbage),
        "PIP_CERT": str(tmp_path / "gone.pem"),
        "PIP_FIND_LINKS": str(tmp_path / "no-wheels"),
    }
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        report = look(garbage, engine="host", port=server.getsockname()[1], environ=environ)
    found = named(report)
    names = ("port", "work", "ca", "ca-pip", "wheelhouse")
    assert [found[name].status for name in names] == ["fail"] * 5


def test_examination_looks_at_one_certificate_file_once(tmp_path: Path) -> None:
    environ = dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT"), str(tmp_path / "gone.pem"))
    report = look(tmp_path, engine="host", environ=environ)
    assert [f.name for f in report.findings if f.name.startswith("ca")] == ["ca"]


def test_examination_goes_on_when_a_reader_breaks(tmp_path: Path) -> None:
    def broken() -> Snapshot:
        raise ZeroDivisionError("a bug")

    report = look(tmp_path, engine="host", read_gpus=broken)
    found = named(report)
    assert (found["gpu"].status, "a bug" in found["gpu"].seen) == ("unknown", True)
    assert found["work"].status != "unknown"


def test_examination_gives_up_a_driver_that_hangs(tmp_path: Path) -> None:
    release = threading.Event()

    def hung() -> Snapshot:
        release.wait()
        return no_library()

    report = look(tmp_path, engine="host", read_gpus=hung, deadline_s=2)
    release.set()
    found = named(report)
    assert (found["gpu"].status, found["python"].status) == ("unknown", "ok")


@pytest.mark.parametrize("words", [{"engine": "lxc"}, {"device": "tpu"}])
def test_examination_for_an_unknown_word_is_refused(tmp_path: Path, words: dict[str, str]) -> None:
    with pytest.raises(LabError, match=r"There is no (engine|device)"):
        examine(work=tmp_path, **words)  # type: ignore[arg-type]


def test_examination_changes_nothing(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    look(work, engine="host")
    look(tmp_path / "missing", engine="host")
    assert list(work.iterdir()) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["work"]


def test_examination_never_loads_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from lab.doctor.examine import examine;"
        f"examine(work=Path({str(tmp_path)!r}), engine='host');"
        "print('torch' in sys.modules, 'lab.doctor.port' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.container
def test_examination_of_a_real_engine_finds_all_its_parts(tmp_path: Path) -> None:
    report = examine(work=tmp_path, engine="docker", device="cpu")
    found = named(report)
    parts = ("docker", "compose", "buildx", "image-store")
    assert [found[name].status for name in parts] == ["ok"] * 4
    assert not [f for f in report.findings if f.status == "unknown"]
    assert msgspec.json.decode(msgspec.json.encode(report), type=DoctorReport) == report
