from msgspec.structs import replace

from lab.gpu.remember import Memory
from lab.gpu.report import make_report
from lab.records.gpu import Gpu, GpuReport
from tests.gpu.sample import several, snapshot


def report(*gpus: Gpu) -> GpuReport:
    return make_report(snapshot(*gpus))


def test_gpus_that_stay_are_left_as_they_are() -> None:
    memory = Memory()
    first = report(*several(3))
    assert memory.complete(first) == first
    assert memory.complete(first) == first


def test_gpu_that_the_driver_forgot_stays_in_view() -> None:
    memory = Memory()
    gpus = several(3)
    memory.complete(report(*gpus))
    # The driver counts anew: what was 2 is 1.
    found = memory.complete(report(gpus[0], replace(gpus[2], index=1)))
    shown = [(gpu.uuid, gpu.verdict) for gpu in found.gpus]
    assert sorted(shown) == [("GPU-0", "ok"), ("GPU-1", "fail"), ("GPU-2", "ok")]
    assert found.verdict == "fail"
    gone = next(gpu for gpu in found.gpus if gpu.uuid == "GPU-1")
    assert (gone.name, gone.unreadable) == (gpus[1].name, "lost")
    assert gone.reasons[0].next


def test_gpu_that_no_longer_tells_its_name_keeps_it() -> None:
    memory = Memory()
    gpus = several(2)
    memory.complete(report(*gpus))
    lost = Gpu(index=1, missing={"uuid": "lost", "name": "lost"})
    found = memory.complete(report(gpus[0], lost))
    assert [(gpu.uuid, gpu.name) for gpu in found.gpus] == [(g.uuid, g.name) for g in gpus]
    assert [gpu.verdict for gpu in found.gpus] == ["ok", "fail"]


def test_gpu_that_comes_back_is_well_again() -> None:
    memory = Memory()
    gpus = several(2)
    memory.complete(report(*gpus))
    memory.complete(report(gpus[0]))
    assert memory.complete(report(*gpus)).verdict == "ok"


def test_all_are_gone_with_the_driver() -> None:
    memory = Memory()
    found = memory.all_gone(memory.complete(report(*several(2))))
    assert (found.verdict, [gpu.verdict for gpu in found.gpus]) == ("fail", ["fail", "fail"])
