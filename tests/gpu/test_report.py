from pathlib import Path

from msgspec.structs import replace

from lab.gpu.report import judge_wheel, make_report
from lab.records.gpu import Gpu
from tests.gpu.sample import BUSY, several, snapshot


def test_report_has_versions_as_people_write_them() -> None:
    found = make_report(snapshot(BUSY, cuda_version=12080, driver_version="570.26"))
    assert (found.cuda_version, found.driver_version) == ("12.8", "570.26")
    assert found.wheel.outcome == "too_old"


def test_report_says_whether_it_is_of_a_container(tmp_path: Path) -> None:
    assert make_report(snapshot(BUSY), root=tmp_path).place == "host"
    (tmp_path / ".dockerenv").touch()
    assert make_report(snapshot(BUSY), root=tmp_path).place == "container"


def test_report_has_the_systems_memory_in_bytes(tmp_path: Path) -> None:
    file = tmp_path / "proc" / "meminfo"
    file.parent.mkdir()
    file.write_text("MemTotal:       24684084 kB\nMemAvailable:   1 kB\nHugePages_Total:  0\n")
    found = make_report(snapshot(BUSY), root=tmp_path)
    assert found.system_memory_total_bytes == 24684084 * 1024
    assert found.system_memory_available_bytes == 1024
    file.write_text("what?")
    assert make_report(snapshot(BUSY), root=tmp_path).system_memory_total_bytes is None


def test_memory_is_unified_where_the_gpu_has_none_of_its_own() -> None:
    none = replace(BUSY, memory_total_bytes=None)
    lacking = replace(none, missing={"memory_total_bytes": "not_supported"})
    closed = replace(none, missing={"memory_total_bytes": "no_permission"})
    found = make_report(snapshot(BUSY, lacking, closed))
    assert [gpu.memory for gpu in found.gpus] == ["own", "unified", None]


def test_verdict_of_the_report_is_the_worst() -> None:
    assert make_report(snapshot(*several(3))).verdict == "ok"
    assert make_report(snapshot(*several(3, remapped_rows_pending=True))).verdict == "warn"
    assert make_report(snapshot(*several(3, remapped_rows_failed=True))).verdict == "fail"


def test_gpu_without_cudas_number_says_why() -> None:
    found = make_report(snapshot(*several(2)), environ={"CUDA_VISIBLE_DEVICES": "1"})
    assert [gpu.cuda_index for gpu in found.gpus] == [None, 0]
    assert found.gpus[0].missing["cuda_index"] == "hidden"


def test_image_for_the_cpu_says_so() -> None:
    found = make_report(snapshot(Gpu(index=0)), environ={"LAB_IMAGE_DEVICE": "cpu"})
    assert "computes on the CPU" in found.notes[0]


def test_wheel_is_not_judged_by_a_version_that_is_none() -> None:
    assert judge_wheel("abc").outcome is None
    assert judge_wheel(None).outcome is None
