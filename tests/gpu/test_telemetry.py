"""A fake NVML, read by the real thread; tests wait until it has been asked, for no time to pass."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from statistics import median
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.gpu.fields import CLOCK_REASONS
from lab.gpu.telemetry import (
    Reader,
    Sample,
    Watch,
    find_disturbance,
    foreign_pids,
    reason_names,
    summarise,
    usual_clock,
)

UUID = "GPU-8a1b"
NOT_SUPPORTED, FUNCTION_NOT_FOUND, LOST = 3, 13, 15
OURS = os.getpid()


class FakeNvml:
    """Answers as nvidia-ml-py does; a value that is an exception is raised, a function called."""

    NVMLError = pynvml.NVMLError
    NVMLLibraryMismatchError = pynvml.NVMLLibraryMismatchError
    NVML_CLOCK_SM = pynvml.NVML_CLOCK_SM
    NVML_TEMPERATURE_GPU = pynvml.NVML_TEMPERATURE_GPU

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {
            "Init": None,
            "DeviceGetHandleByUUID": lambda uuid: f"handle of {uuid}",
            "DeviceGetClockInfo": 1980,
            "DeviceGetPowerUsage": 700_000,
            "DeviceGetTemperature": 61,
            "DeviceGetCurrentClocksEventReasons": 0,
            "DeviceGetComputeRunningProcesses_v3": [SimpleNamespace(pid=OURS)],
            "DeviceGetTotalEnergyConsumption": 5_000,
            "DeviceGetCurrPcieLinkGeneration": 5,
            "DeviceGetCurrPcieLinkWidth": 16,
            "Shutdown": None,
            **answers,
        }
        self.asked: Counter[str] = Counter()
        self.arguments: dict[str, tuple[Any, ...]] = {}
        self._changed = threading.Condition()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        what = name.removeprefix("nvml")
        if what == name or what not in self.answers:
            raise AttributeError(name)
        return lambda *arguments: self._give(what, arguments)

    def _give(self, what: str, arguments: tuple[Any, ...]) -> Any:
        with self._changed:
            self.asked[what] += 1
            self.arguments[what] = arguments
            self._changed.notify_all()
        answer = self.answers[what]
        answer = answer(*arguments) if callable(answer) else answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    def wait_for(self, what: str, times: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.asked[what] >= times, timeout=30), what


def watch(nvml: Any, **settings: Any) -> Watch:
    return Watch(UUID, nvml=nvml, **{"period_s": 0.001, "patience_s": 30.0, **settings})


def watched(nvml: FakeNvml, times: int = 3) -> Watch:
    """A watch that has ended, after at least so many samples."""
    with watch(nvml) as watching:
        nvml.wait_for("Init", 1)
        nvml.wait_for("DeviceGetClockInfo", times + 1)
    return watching


def all_time(watching: Watch) -> list[tuple[float, float]]:
    return [(watching.samples[0].at_s, watching.samples[-1].at_s)]


def test_watch_reads_the_gpu_that_torch_names() -> None:
    nvml = FakeNvml()
    with Watch("8a1b", nvml=nvml, period_s=0.001):
        nvml.wait_for("DeviceGetClockInfo", 1)
    assert nvml.arguments["DeviceGetHandleByUUID"] == (UUID,)
    assert nvml.arguments["DeviceGetClockInfo"] == (f"handle of {UUID}", pynvml.NVML_CLOCK_SM)


def test_watch_reads_in_units_without_prefix() -> None:
    watching = watched(FakeNvml(DeviceGetCurrentClocksEventReasons=0x4))
    first = watching.samples[0]
    assert (first.sm_clock_hz, first.power_w, first.temperature_c) == (1.98e9, 700.0, 61.0)
    assert (first.reasons, first.pids) == (0x4, (OURS,))
    assert (first.pcie_generation, first.pcie_width) == (5, 16)
    assert watching.missing == {}


def test_summary_says_the_link_while_it_worked() -> None:
    widths = iter([8, 8, 16])
    nvml = FakeNvml(DeviceGetCurrPcieLinkWidth=lambda handle: next(widths, 8))
    watching = watched(nvml)
    seen = watching.summary(all_time(watching), None, 1)
    assert (seen.pcie_generation, seen.pcie_width) == (5.0, 8.0)


def test_watch_starts_and_stops_nvml_once() -> None:
    nvml = FakeNvml()
    watched(nvml)
    assert (nvml.asked["Init"], nvml.asked["Shutdown"]) == (1, 1)


def test_samples_are_in_order_of_the_watchs_clock() -> None:
    ticks = iter(range(10_000))
    nvml = FakeNvml()
    with watch(nvml, clock=lambda: float(next(ticks))) as watching:
        nvml.wait_for("DeviceGetClockInfo", 6)
    times = [sample.at_s for sample in watching.samples]
    assert times == [float(number) for number in range(len(times))]


def test_processes_are_listed_less_often_than_the_clock() -> None:
    nvml = FakeNvml()
    watched(nvml, times=25)
    lists, clocks = (
        nvml.asked["DeviceGetComputeRunningProcesses_v3"],
        nvml.asked["DeviceGetClockInfo"],
    )
    assert 1 < lists <= clocks // 10 + 1


@pytest.mark.parametrize(
    ("call", "field"),
    [
        ("DeviceGetClockInfo", "sm_clock"),
        ("DeviceGetPowerUsage", "power"),
        ("DeviceGetTemperature", "temperature"),
        ("DeviceGetCurrentClocksEventReasons", "throttle_reasons"),
        ("DeviceGetComputeRunningProcesses_v3", "processes"),
    ],
)
def test_unsupported_field_is_missing_with_its_reason_and_asked_for_once(
    call: str, field: str
) -> None:
    nvml = FakeNvml(**{call: pynvml.NVMLError(NOT_SUPPORTED)})
    reader = Reader(nvml, "handle")
    for at in range(3):
        reader.sample(float(at), with_processes=True)
    assert reader.missing == {field: "Not Supported"}
    assert nvml.asked[call] == 1


def test_fields_beside_an_unsupported_one_are_still_read() -> None:
    nvml = FakeNvml(DeviceGetPowerUsage=pynvml.NVMLError(NOT_SUPPORTED))
    watching = watched(nvml)
    seen = watching.summary(all_time(watching), None, 1)
    assert (seen.power_w_median, seen.sm_clock_hz_median) == (None, 1.98e9)
    assert seen.missing == {"power": "Not Supported"}


def test_older_driver_is_asked_by_the_older_name() -> None:
    nvml = FakeNvml(
        DeviceGetCurrentClocksEventReasons=pynvml.NVMLError(FUNCTION_NOT_FOUND),
        DeviceGetCurrentClocksThrottleReasons=0x8,
    )
    assert Reader(nvml, "handle").sample(0.0, with_processes=False).reasons == 0x8


def test_older_python_package_is_asked_by_the_older_name() -> None:
    nvml = FakeNvml(DeviceGetCurrentClocksThrottleReasons=0x8)
    del nvml.answers["DeviceGetCurrentClocksEventReasons"]
    assert Reader(nvml, "handle").sample(0.0, with_processes=False).reasons == 0x8


def test_field_that_no_name_gives_is_missing() -> None:
    nvml = FakeNvml()
    del nvml.answers["DeviceGetCurrentClocksEventReasons"]
    reader = Reader(nvml, "handle")
    assert reader.sample(0.0, with_processes=False).reasons is None
    assert reader.missing == {"throttle_reasons": "this driver has no call for it"}


def test_mismatch_error_of_the_python_package_is_caught() -> None:
    """It is not one of the package's NVMLErrors."""
    nvml = FakeNvml(DeviceGetPowerUsage=pynvml.NVMLLibraryMismatchError("function called"))
    reader = Reader(nvml, "handle")
    reader.sample(0.0, with_processes=False)
    assert reader.missing == {"power": "function called"}


def test_lost_gpu_keeps_what_was_read_before() -> None:
    nvml = FakeNvml()
    lost = threading.Event()

    def clock(*_: Any) -> int:
        if nvml.asked["DeviceGetClockInfo"] > 3:
            for call in ("PowerUsage", "Temperature", "CurrentClocksEventReasons",
                         "ComputeRunningProcesses_v3", "TotalEnergyConsumption"):  # fmt: skip
                nvml.answers[f"DeviceGet{call}"] = pynvml.NVMLError(LOST)
            lost.set()
            raise pynvml.NVMLError(LOST)
        return 1980

    nvml.answers["DeviceGetClockInfo"] = clock
    with watch(nvml) as watching:
        assert lost.wait(30)
        assert watching.energy_j() is None
    seen = watching.summary(all_time(watching), None, 1)
    assert (seen.sm_clock_hz_median, seen.power_w_median) == (1.98e9, 700.0)
    assert seen.missing["sm_clock"] == seen.missing["energy"] == "GPU is lost"


@pytest.mark.parametrize("call", ["Init", "DeviceGetHandleByUUID"])
def test_nvml_that_does_not_start_is_missing_with_its_reason(call: str) -> None:
    with watch(FakeNvml(**{call: pynvml.NVMLError(9)})) as watching:
        assert watching.energy_j() is None
    assert watching.missing == {"nvml": "Driver Not Loaded"}
    assert watching.summary([(0.0, 1e9)], None, 5).samples == 0
    assert watching.disturbance(0.0, 1e9) is None


def test_machine_without_the_library_is_watched_in_vain() -> None:
    """The real nvidia-ml-py: on a machine with a driver, no GPU has this UUID either."""
    with Watch(UUID) as watching:
        assert watching.energy_j() is None
    assert watching.missing["nvml"]


def test_error_at_the_end_does_not_hide_what_was_read() -> None:
    assert watched(FakeNvml(Shutdown=pynvml.NVMLError(999))).samples


@pytest.fixture
def hanging() -> Iterator[Callable[..., None]]:
    """A call that does not return before the test is over."""
    over = threading.Event()
    before = set(threading.enumerate())

    def hang(*_: Any) -> None:
        over.wait()

    yield hang
    over.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(30)


@pytest.mark.parametrize("call", ["Init", "DeviceGetClockInfo"])
def test_nvml_that_hangs_does_not_hold_up_the_end(call: str, hanging: Callable[..., None]) -> None:
    nvml = FakeNvml(**{call: hanging})
    with watch(nvml, patience_s=0.01) as watching:
        nvml.wait_for(call, 1)
    assert watching.missing["nvml"] == "it did not answer within 0.01 s"


def test_energy_that_hangs_is_asked_for_once(hanging: Callable[..., None]) -> None:
    nvml = FakeNvml(DeviceGetTotalEnergyConsumption=hanging)
    with watch(nvml, patience_s=0.01) as watching:
        assert (watching.energy_j(), watching.energy_j()) == (None, None)
        nvml.wait_for("DeviceGetTotalEnergyConsumption", 1)
    assert nvml.asked["DeviceGetTotalEnergyConsumption"] == 1
    assert watching.missing["energy"] == "no answer within 0.01 s"


def test_energy_is_read_when_it_is_asked_for() -> None:
    readings = iter([5_000, 7_500])
    nvml = FakeNvml(DeviceGetTotalEnergyConsumption=lambda handle: next(readings))
    with watch(nvml, period_s=10.0) as watching:
        assert (watching.energy_j(), watching.energy_j()) == (5.0, 7.5)


def test_energy_is_answered_though_each_sample_takes_longer_than_the_period() -> None:
    with watch(FakeNvml(), period_s=0.0) as watching:
        assert watching.energy_j() == 5.0


def test_energy_of_an_older_gpu_is_missing_and_asked_for_once() -> None:
    nvml = FakeNvml(DeviceGetTotalEnergyConsumption=pynvml.NVMLError(NOT_SUPPORTED))
    with watch(nvml) as watching:
        assert (watching.energy_j(), watching.energy_j()) == (None, None)
    assert nvml.asked["DeviceGetTotalEnergyConsumption"] == 1
    assert watching.missing == {"energy": "Not Supported"}


def test_energy_before_and_after_the_watch_is_none() -> None:
    watching = watch(FakeNvml())
    assert watching.energy_j() is None
    with watching:
        pass
    assert watching.energy_j() is None


def test_watch_judges_by_its_own_samples() -> None:
    nvml = FakeNvml(DeviceGetCurrentClocksEventReasons=0x40)
    watching = watched(nvml)
    ((begin, end),) = all_time(watching)
    assert watching.disturbance(begin, end) == "throttled"
    assert watching.disturbance(end + 100, end + 101) is None


def sampled(*clocks_mhz: float, **fields: Any) -> list[Sample]:
    """One sample a second, from 0 on."""
    return [
        Sample(at_s=float(at), sm_clock_hz=mhz * 1e6, **fields) for at, mhz in enumerate(clocks_mhz)
    ]


def disturbance(samples: list[Sample], begin: float, end: float, **settings: Any) -> str | None:
    given: dict[str, Any] = {"own": {1}, "reach_s": 0.5, "usual_hz": 2e9, **settings}
    return find_disturbance(samples, begin, end, **given)


@pytest.mark.parametrize(
    ("name", "disturbs"),
    [
        ("hw_slowdown", True),
        ("sw_thermal_slowdown", True),
        ("hw_thermal_slowdown", True),
        ("hw_power_brake_slowdown", True),
        ("sw_power_cap", False),
        ("gpu_idle", False),
        ("applications_clocks_setting", False),
    ],
)
def test_heat_and_power_brake_disturb_but_a_power_cap_does_not(name: str, disturbs: bool) -> None:
    bit = next(bit for bit, known in CLOCK_REASONS.items() if known == name)
    assert disturbance(sampled(2000, reasons=bit), 0, 1) == ("throttled" if disturbs else None)


def test_sample_just_before_counts_for_what_is_shorter_than_the_period() -> None:
    samples = sampled(2000, reasons=0x40)
    assert disturbance(samples, 0.4, 0.41) == "throttled"
    assert disturbance(samples, 0.6, 0.61) is None


def test_another_process_on_the_gpu_disturbs_until_a_list_is_without_it() -> None:
    samples = sampled(*[2000] * 4)
    lists: list[tuple[int, ...] | None] = [(1, 77), None, (1,), None]
    samples = [
        Sample(at_s=s.at_s, sm_clock_hz=s.sm_clock_hz, pids=pids)
        for s, pids in zip(samples, lists, strict=True)
    ]
    verdicts = [disturbance(samples, at + 0.1, at + 0.2) for at in range(4)]
    assert verdicts == ["foreign_process", "foreign_process", None, None]


@pytest.mark.parametrize(("mhz", "verdict"), [(1799, "clock_low"), (1801, None)])
def test_clock_under_nine_tenths_of_the_usual_disturbs(mhz: float, verdict: str | None) -> None:
    assert disturbance(sampled(mhz), 0, 1) == verdict


@pytest.mark.parametrize("reasons", [0x1, 0x4])
def test_clock_that_is_low_by_idleness_or_power_cap_does_not_disturb(reasons: int) -> None:
    assert disturbance(sampled(900, reasons=reasons), 0, 1) is None


def test_clock_is_not_judged_before_the_usual_one_is_known() -> None:
    assert usual_clock(sampled(*[2000] * 9)) is None
    assert disturbance(sampled(900), 0, 1, usual_hz=None) is None


def test_usual_clock_is_the_median_of_samples_that_nothing_lowered() -> None:
    idle = sampled(*[300] * 50, reasons=0x1)
    assert usual_clock([*idle, *sampled(*[1980] * 11)]) == 1.98e9


def test_only_our_process_on_the_gpu_is_nobody_else() -> None:
    assert foreign_pids([OURS], {OURS}) == set()
    assert foreign_pids([], {OURS}) == set()


def test_single_process_of_another_namespace_is_ours() -> None:
    """In a container NVML may give the numbers that the host knows."""
    assert foreign_pids([4711], {7}) == set()
    samples = sampled(2000, pids=(4711, 4712))
    seen = summarise(samples, [(0, 0)], None, 1, own={7}, missing={})
    assert seen.foreign_processes == [4711, 4712]
    assert "namespace" in seen.missing["foreign_processes"]


def test_process_that_is_seen_beside_ours_is_told_by_its_number() -> None:
    seen = summarise(sampled(2000, pids=(7, 9)), [(0, 0)], None, 1, own={7}, missing={})
    assert (seen.foreign_processes, seen.missing) == ([9], {})


def test_reasons_have_the_bits_of_both_generations_of_names() -> None:
    for bit, name in CLOCK_REASONS.items():
        words = "".join(word.capitalize() for word in name.split("_"))
        for prefix in ("nvmlClocksEventReason", "nvmlClocksThrottleReason"):
            assert getattr(pynvml, prefix + words) == bit


@given(st.lists(st.integers(0, 0x7FF)))
def test_reasons_are_named_if_they_were_on_at_least_once(bits: list[int]) -> None:
    names = reason_names(bits)
    for bit, name in CLOCK_REASONS.items():
        assert (name in names) == (bit != 0x1 and any(number & bit for number in bits))
    assert any(name.startswith("0x") for name in names) == any(number & 0x600 for number in bits)


TIMES = st.lists(st.floats(0, 100), max_size=60).map(sorted)


@given(TIMES, st.lists(st.tuples(st.floats(0, 50), st.floats(0, 60)), max_size=4), st.data())
def test_summary_is_of_the_samples_inside_the_intervals(
    times: list[float], spans: list[tuple[float, float]], data: st.DataObject
) -> None:
    samples = [
        Sample(at_s=at, sm_clock_hz=data.draw(st.none() | st.floats(1e8, 3e9)), power_w=at)
        for at in times
    ]
    intervals = [(begin, begin + length) for begin, length in spans]
    inside = [s for begin, end in intervals for s in samples if begin <= s.at_s <= end]
    clocks = [s.sm_clock_hz for s in inside if s.sm_clock_hz is not None]
    seen = summarise(samples, intervals, 10.0, 4, own={1}, missing={"power": "why"})
    assert seen.samples == len(inside)
    assert seen.sm_clock_hz_median == (median(clocks) if clocks else None)
    assert seen.sm_clock_hz_min == min(clocks, default=None)
    assert (seen.energy_j_per_call, seen.missing) == (2.5, {"power": "why"})


def test_energy_of_no_call_is_not_told() -> None:
    assert summarise([], [], 10.0, 0, own=(), missing={}).energy_j_per_call is None


def test_median_of_the_run_follows_its_samples() -> None:
    go_on = threading.Event()
    nvml = FakeNvml()

    def clock(*_: Any) -> int:
        if nvml.asked["DeviceGetClockInfo"] == 20:
            assert go_on.wait(30)
        return 1980 if nvml.asked["DeviceGetClockInfo"] <= 15 else 1000

    nvml.answers["DeviceGetClockInfo"] = clock
    with watch(nvml) as watching:
        nvml.wait_for("DeviceGetClockInfo", 20)
        low = watching.samples[16].at_s
        assert watching.disturbance(low, low) == "clock_low"
        go_on.set()
        nvml.wait_for("DeviceGetClockInfo", 60)
    assert usual_clock(watching.samples) == 1e9
    assert watching.disturbance(low, low + 1) is None
