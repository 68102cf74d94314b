import pytest
from msgspec.structs import replace

from lab.gpu import containers
from lab.gpu.containers import name_containers
from lab.gpu.report import make_report
from lab.records.gpu import GpuProcess, GpuReport
from tests.fakes import Programs
from tests.gpu.sample import BUSY, snapshot

FIRST, SECOND = "a" * 64, "b" * 64


@pytest.fixture(autouse=True)
def nothing_asked() -> None:
    containers._names.cache_clear()


def report(*ids: str | None) -> GpuReport:
    processes = [
        GpuProcess(pid=number, kind="compute", container_id=container)
        for number, container in enumerate(ids)
    ]
    return make_report(snapshot(replace(BUSY, processes=processes)))


def names(found: GpuReport) -> list[str | None]:
    return [process.container for process in found.gpus[0].processes]


def test_container_has_the_name_that_its_engine_knows(programs: Programs) -> None:
    programs.add_answer("docker", out=f"{FIRST} lab-of-ana\n")
    programs.add_answer("podman", out=f"{SECOND} lab of luis\n")
    assert names(name_containers(report(FIRST, SECOND, None))) == [
        "lab-of-ana", "lab of luis", None,
    ]  # fmt: skip


def test_container_without_an_engine_has_its_short_id(programs: Programs) -> None:
    programs.add_answer("docker", err="permission denied", code=1)
    assert names(name_containers(report(FIRST))) == [FIRST[:12]]


def test_no_engine_is_asked_without_a_container(programs: Programs) -> None:
    programs.add_answer("docker")
    name_containers(report(None))
    assert programs.calls == []


def test_engine_is_asked_once_for_the_same_containers(programs: Programs) -> None:
    """A watch reads each second."""
    programs.add_answer("docker", out=f"{FIRST} one\n")
    name_containers(report(FIRST))
    name_containers(report(FIRST))
    assert len(programs.calls) == 1
