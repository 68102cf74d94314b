"""A clock that follows a script: every duration is exact."""

from dataclasses import dataclass, field

import pytest

from lab.bench.case import Workload
from lab.bench.timer import DeviceTimer, HostTimer


@dataclass
class Machine:
    """A host and a device that runs behind it, in nanoseconds; the host's clock costs nothing to
    read."""

    now: int = 1_000_000
    device_free_at: int = 0
    lost: int = 0
    waited_ns: int = 0
    events: list["Event"] = field(default_factory=list)
    # What synchronize() forgets to wait for, as a backend with a fault would.
    deaf: bool = False

    def clock(self) -> int:
        return self.now

    def switches(self) -> int:
        return self.lost

    def waited(self) -> int:
        return self.waited_ns

    def work(self, host_ns: int) -> None:
        self.now += host_ns

    def launch(self, device_ns: int, host_ns: int = 1_000) -> None:
        """Give the device work, which it begins when it is free; the host goes on after
        `host_ns`."""
        self.now += host_ns
        self.device_free_at = max(self.device_free_at, self.now) + device_ns

    def synchronize(self) -> None:
        if not self.deaf:
            self.now = max(self.now, self.device_free_at)

    def event(self) -> "Event":
        return Event(self)


@dataclass
class Event:
    """Is reached when the device has done all that it was given before."""

    machine: Machine
    at: int = -1

    def record(self) -> None:
        self.machine.now += 200
        self.at = max(self.machine.device_free_at, self.machine.now)

    def elapsed_time(self, later: "Event") -> float:
        return (later.at - self.at) / 1e6


@pytest.fixture
def machine() -> Machine:
    return Machine()


def host_timer(machine: Machine) -> HostTimer:
    return HostTimer(machine.clock, machine.waited, machine.switches)


# --- CPU ------------------------------------------------------------------------------------------


def test_host_sample_is_the_time_of_its_calls_alone(machine: Machine) -> None:
    sample = host_timer(machine).sample(Workload(run=lambda: machine.work(7_000)), 10)
    assert sample.duration_s == pytest.approx(70e-6, rel=1e-12)
    assert sample.begin_s == pytest.approx(1e-3, rel=1e-12)
    assert sample.disturbance is None
    assert sample.wall_s is None


def test_host_sample_leaves_the_flush_out(machine: Machine) -> None:
    cold = Workload(run=lambda: machine.work(7_000), flush=lambda: machine.work(900_000))
    assert host_timer(machine).sample(cold, 10).duration_s == pytest.approx(70e-6, rel=1e-12)


def test_host_sample_is_preempted_when_its_threads_waited(machine: Machine) -> None:
    """Also when none was switched off against its will: one that wakes up may wait as well."""

    def run() -> None:
        machine.work(7_000)
        machine.waited_ns += 500

    timer = host_timer(machine)
    assert timer.sample(Workload(run=run), 3).disturbance == "preempted"
    own = Workload(run=run, self_preempting=True)
    assert timer.sample(own, 3).disturbance is None


def test_host_sample_that_lost_a_processor_for_a_moment_is_clean(machine: Machine) -> None:
    """The kernel's own threads run for microseconds: a sample of a second meets many of them."""

    def run() -> None:
        machine.work(1_000_000)
        machine.lost += 1
        machine.waited_ns += 5_000

    assert host_timer(machine).sample(Workload(run=run), 3).disturbance is None


def test_host_sample_with_a_switch_is_preempted_where_nobody_counts_the_wait(
    machine: Machine,
) -> None:
    def run() -> None:
        machine.work(1_000_000)
        machine.lost += 1

    timer = HostTimer(machine.clock, lambda: None, machine.switches)
    assert timer.sample(Workload(run=run), 3).disturbance == "preempted"


# --- a device that runs behind its host -----------------------------------------------------------


@pytest.mark.parametrize("device_ns", [500, 5_000, 800_000])
def test_device_sample_is_what_the_device_took_and_not_the_launches(
    machine: Machine, device_ns: int
) -> None:
    timer = DeviceTimer(machine, machine.clock)
    sample = timer.sample(Workload(run=lambda: machine.launch(device_ns)), 50)
    truth = 50 * max(device_ns, 1_000)  # launches that take longer than the work hold the device up
    assert sample.duration_s == pytest.approx(truth * 1e-9, rel=0.03)
    assert sample.disturbance is None
    assert sample.wall_s is not None
    assert sample.wall_s >= sample.duration_s


def test_device_sample_waits_for_what_was_launched_before(machine: Machine) -> None:
    timer = DeviceTimer(machine, machine.clock)
    machine.launch(50_000_000)
    sample = timer.sample(Workload(run=lambda: machine.launch(800_000)), 5)
    assert sample.duration_s == pytest.approx(4e-3, rel=0.03)


def test_figure_from_launches_alone_is_impossible(machine: Machine) -> None:
    """The notebook's fault, built into a backend: synchronize returns at once."""
    timer = DeviceTimer(machine, machine.clock)
    machine.deaf = True
    sample = timer.sample(Workload(run=lambda: machine.launch(800_000)), 100)
    assert sample.disturbance == "clocks_disagree"


def test_work_that_the_events_do_not_see_gives_no_figure(machine: Machine) -> None:
    """Work on another stream: both events are reached before it has begun."""
    timer = DeviceTimer(machine, machine.clock)

    def elsewhere() -> None:
        machine.now += 1_000

    class Blind(Machine):
        def synchronize(self) -> None:
            self.now += 40_000_000

    blind = Blind()
    timer = DeviceTimer(machine, blind.clock)
    timer._device = blind
    assert timer.sample(Workload(run=elsewhere), 3).disturbance == "clocks_disagree"


def test_device_sample_with_a_cold_cache_has_each_call_by_itself(machine: Machine) -> None:
    timer = DeviceTimer(machine, machine.clock)
    cold = Workload(
        run=lambda: machine.launch(300_000), flush=lambda: machine.launch(2_000_000)
    )  # fmt: skip
    sample = timer.sample(cold, 10)
    assert sample.duration_s == pytest.approx(3e-3, rel=0.03)
    assert sample.disturbance is None


def test_waits_that_end_late_do_not_disturb_a_cold_sample(machine: Machine) -> None:
    """The host wakes up 40 µs after the device is done: 10 % of one call, nothing of them all."""
    timer = DeviceTimer(machine, machine.clock)

    class Late(Machine):
        def synchronize(self) -> None:
            super().synchronize()
            self.now += 40_000

    late = Late()
    timer._device, timer._clock = late, late.clock
    cold = Workload(run=lambda: late.launch(8_000), flush=lambda: late.launch(350_000))
    sample = timer.sample(cold, 40)
    assert sample.disturbance is None
    assert sample.duration_s == pytest.approx(40 * 8e-6, rel=0.03)


@pytest.mark.parametrize(("device_ns", "share"), [(500, 1.0), (800_000, 0.0)])
def test_device_sample_tells_when_the_host_was_done(
    machine: Machine, device_ns: int, share: float
) -> None:
    timer = DeviceTimer(machine, machine.clock)
    sample = timer.sample(Workload(run=lambda: machine.launch(device_ns)), 500)
    assert sample.wall_s is not None
    assert sample.launched_s is not None
    assert sample.launched_s / sample.wall_s == pytest.approx(share, abs=0.02)


def test_device_sample_takes_over_what_nvml_saw(machine: Machine) -> None:
    seen: list[tuple[float, float]] = []

    def throttled(begin: float, end: float) -> str:
        seen.append((begin, end))
        return "throttled"

    timer = DeviceTimer(machine, machine.clock, throttled)
    sample = timer.sample(Workload(run=lambda: machine.launch(800_000)), 5)
    assert sample.disturbance == "throttled"
    begin, end = seen[-1]
    assert begin <= sample.begin_s < sample.begin_s + sample.duration_s <= end


def test_scripted_machine_is_as_lazy_as_a_real_one(machine: Machine) -> None:
    """What the tests above rely on: without a wait the host's clock shows launches alone."""
    begin = machine.clock()
    for _ in range(100):
        machine.launch(800_000)
    assert machine.clock() - begin == 100_000
    machine.synchronize()
    assert machine.clock() - begin > 80_000_000


def test_least_sample_is_a_hundred_times_its_counters() -> None:
    machine = Machine()

    def slow_counter() -> int:
        machine.now += 50_000  # as with hundreds of threads
        return 0

    timer = HostTimer(machine.clock, slow_counter, machine.switches)
    assert timer.least_s() >= 100 * 50e-6
    assert HostTimer(machine.clock, lambda: 0, machine.switches).least_s() == 1e-3
