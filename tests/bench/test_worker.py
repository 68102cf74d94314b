"""What the measuring process does with its request, on a device that follows a script."""

import time
from collections.abc import Iterator

import pytest

from lab.bench import worker
from lab.bench.case import Case, NotHere, Workload
from lab.bench.messages import (
    CaseRequest,
    MeasureRequest,
    Message,
    Noted,
    NotRun,
    Sampled,
    Warmed,
)  # fmt: skip
from lab.bench.sampler import Block
from lab.bench.timer import DeviceTimer
from lab.bench.worker import Run
from lab.records.bench import Telemetry

GB = 1 << 30


class Lazy:
    """A device whose work is done 2 ms after each launch, whatever the host does meanwhile."""

    def __init__(self) -> None:
        self.free_at = 0

    def launch(self) -> None:
        self.free_at = max(self.free_at, time.perf_counter_ns()) + 2_000_000

    def synchronize(self) -> None:
        while time.perf_counter_ns() < self.free_at:
            pass

    def event(self) -> "Mark":
        return Mark(self)


class Mark:
    def __init__(self, device: Lazy) -> None:
        self.device, self.at = device, 0

    def record(self) -> None:
        self.at = max(self.device.free_at, time.perf_counter_ns())

    def elapsed_time(self, later: "Mark") -> float:
        return (later.at - self.at) / 1e6


class Meter:
    """Counts a joule for each look; NVML in a few lines."""

    def __init__(self) -> None:
        self.joules = 0.0
        self.blocks: list[tuple[Block, int]] = []

    def energy_j(self) -> float:
        self.joules += 1
        return self.joules

    def disturbance(self, begin: float, end: float) -> str | None:
        return None

    def saw(self, block: Block, calls: int) -> None:
        self.blocks.append((block, calls))

    def telemetry(self) -> Iterator[tuple[int, Telemetry]]:
        yield 0, Telemetry(samples=len(self.blocks))


def case(name: str, prepare: object, memory_bytes: int = 0) -> Case:
    return Case(
        name=name, prepare=prepare, memory_bytes=lambda device, **params: memory_bytes,  # type: ignore[arg-type]
    )  # fmt: skip


def told_by(
    *cases: Case, process: int = 0, device: str = "cuda", seconds: float = 1.0
) -> tuple[list[Message], Meter, Lazy]:
    lazy, meter, told = Lazy(), Meter(), []
    request = MeasureRequest(
        cases=[CaseRequest(name=c.name, params={}) for c in cases], device=device, seed=1,
        process=process, budget_s=seconds, precision=0.0,
    )  # fmt: skip
    timer = DeviceTimer(lazy, disturbance=meter.disturbance)
    run = Run(
        request=request, tell=told.append, timer=timer, watching=meter,
        cases={c.name: c for c in cases}, began_s=time.monotonic(),
    )  # fmt: skip
    run.everything()
    return told, meter, lazy


@pytest.fixture(autouse=True)
def _memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "available_bytes", lambda device: 10 * GB)


def test_device_is_timed_by_its_own_clock_and_not_by_the_launches() -> None:
    lazy = Lazy()
    made = case("lazy", lambda device: Workload(run=lazy.launch, flop_per_call=1e6))
    request = MeasureRequest(
        cases=[CaseRequest(name="lazy", params={})], device="cuda", seed=1, process=0,
        budget_s=2.0, precision=0.0,
    )  # fmt: skip
    told: list[Message] = []
    meter = Meter()
    Run(
        request=request, tell=told.append, timer=DeviceTimer(lazy), watching=meter,
        cases={"lazy": made}, began_s=time.monotonic(),
    ).everything()  # fmt: skip
    (warmed,) = [message for message in told if isinstance(message, Warmed)]
    blocks = [message for message in told if isinstance(message, Sampled)]
    assert blocks
    for block in blocks:
        assert len(block.wall_s) == len(block.samples_s)
        for duration, why in zip(block.samples_s, block.disturbances, strict=True):
            if why is None:
                assert duration / warmed.calls == pytest.approx(2e-3, rel=0.1)
    assert [calls for _, calls in meter.blocks] == [warmed.calls] * len(blocks)
    assert all(block.energy_j == 1.0 for block, _ in meter.blocks)


def test_case_that_the_device_cannot_run_is_told_with_its_reason() -> None:
    def refuse(device: str) -> Workload:
        raise NotHere("it has no such unit")

    told, _, _ = told_by(case("never", refuse))
    assert NotRun(index=0, reason="it has no such unit") in told
    assert not [m for m in told if isinstance(m, Sampled)]


def test_case_that_never_fits_is_left_out_and_the_others_run() -> None:
    big = case("big", lambda device: Workload(run=lambda: None), memory_bytes=11 * GB)
    small = case("small", lambda device: Workload(run=lambda: time.sleep(0.002)), memory_bytes=GB)
    told, _, _ = told_by(big, small)
    (refused,) = [m for m in told if isinstance(m, NotRun)]
    assert (refused.index, refused.too_large) == (0, True)
    assert "11 GB" in refused.reason
    assert "10 GB" in refused.reason
    assert {m.index for m in told if isinstance(m, Sampled)} == {1}


def test_cases_that_do_not_fit_together_are_held_one_group_after_the_other() -> None:
    held: list[str] = []
    most: list[int] = []

    def hold(name: str) -> object:
        def prepare(device: str) -> Workload:
            held.append(name)
            most.append(len(held))
            return Workload(run=lambda: time.sleep(0.002), close=lambda: held.remove(name))

        return prepare

    cases = [case(name, hold(name), memory_bytes=3 * GB) for name in "abcde"]
    told, _, _ = told_by(*cases, seconds=3)
    assert max(most) == 2  # of 10 GB free, 6 may be held
    assert held == []
    assert {m.index for m in told if isinstance(m, Sampled)} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(("process", "lines"), [(0, [["as printed"]]), (1, [])])
def test_only_the_first_process_lets_a_case_observe(process: int, lines: list[list[str]]) -> None:
    talks = case(
        "talks", lambda device: Workload(run=lambda: None, observe=lambda: ["as printed"])
    )  # fmt: skip
    told, _, _ = told_by(talks, process=process)
    assert [m.lines for m in told if isinstance(m, Noted)] == lines


@pytest.mark.parametrize(
    ("error", "too_large"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 9 GB"), True),
        (MemoryError(), True),
        (RuntimeError("no kernel image is available"), False),
    ],
)
def test_fault_of_a_case_is_told_and_closed(error: Exception, too_large: bool) -> None:
    def fail(device: str) -> Workload:
        raise error

    told, _, _ = told_by(case("fails", fail))
    (refused,) = [m for m in told if isinstance(m, NotRun)]
    assert refused.too_large is too_large


def test_what_nvml_saw_belongs_to_its_case() -> None:
    _, meter, _ = told_by(case("one", lambda device: Workload(run=lambda: None)))
    assert {block.index for block, _ in meter.blocks} == {0}
