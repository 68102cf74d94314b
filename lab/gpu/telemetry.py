"""What NVML says of a GPU while it works: read by a thread, told apart by case afterwards."""

import os
import queue
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from statistics import median
from types import TracebackType
from typing import Any, Self

from lab.gpu.ask import errors
from lab.gpu.fields import clock_reasons
from lab.records.bench import Telemetry

_IDLE, _POWER_CAP = 0x1, 0x4
# Too hot, or too little power from outside. The power cap is not here: it is what a GPU at full
# load normally runs into.
_THROTTLED = 0x8 | 0x20 | 0x40 | 0x80

_PERIOD_S = 0.02
# The list of processes costs more than the rest together; a process lives longer than this.
_EACH_N_SAMPLES = 10
# A driver that has not answered by then hangs.
_PATIENCE_S = 2.0
# Under this share of the run's own median the clock says that something slowed the GPU down.
_LOW_CLOCK = 0.9
_LEAST_SAMPLES = 10

_FUNCTION_NOT_FOUND = 13  # NVML_ERROR_FUNCTION_NOT_FOUND: the driver is older than the call


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What was read at one moment; None where it could not be.

    Args:
        at_s: on the watch's clock.
        sm_clock_hz: of the multiprocessors.
        power_w: what the GPU draws; an average over a second on newer ones.
        temperature_c: of the GPU.
        reasons: why the clock is not at its maximum, as bits of lab.gpu.fields.CLOCK_REASONS.
        pids: of the processes that compute on it; None also where nobody asked at this moment, as
            the next.
        pcie_generation, pcie_width: of the link to the host.
    """

    at_s: float
    sm_clock_hz: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None
    reasons: int | None = None
    pids: tuple[int, ...] | None = None
    pcie_generation: int | None = None
    pcie_width: int | None = None


class Reader:
    """Asks NVML about one GPU; a field that it cannot give is asked for once."""

    def __init__(self, nvml: Any, handle: Any) -> None:
        """Keep the GPU's handle, from an NVML that has been started."""
        self._nvml = nvml
        self._handle = handle
        self.missing: dict[str, str] = {}

    def sample(self, at_s: float, *, with_processes: bool) -> Sample:
        """Read everything now."""
        nvml = self._nvml
        clock = self._ask("sm_clock", ("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM))
        power = self._ask("power", ("nvmlDeviceGetPowerUsage",))
        temperature = self._ask(
            "temperature",
            ("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
            ("nvmlDeviceGetTemperatureV", nvml.NVML_TEMPERATURE_GPU),
        )
        reasons = self._ask(
            "throttle_reasons",
            ("nvmlDeviceGetCurrentClocksEventReasons",),
            ("nvmlDeviceGetCurrentClocksThrottleReasons",),
        )
        return Sample(
            at_s=at_s,
            sm_clock_hz=None if clock is None else clock * 1e6,
            power_w=None if power is None else power / 1e3,
            temperature_c=None if temperature is None else float(temperature),
            reasons=None if reasons is None else int(reasons),
            pids=self._pids() if with_processes else None,
            pcie_generation=self._ask("pcie_generation", ("nvmlDeviceGetCurrPcieLinkGeneration",))
            if with_processes
            else None,
            pcie_width=self._ask("pcie_width", ("nvmlDeviceGetCurrPcieLinkWidth",))
            if with_processes
            else None,
        )

    def energy_j(self) -> float | None:
        """The energy that the GPU has used since its driver was loaded; Volta and later."""
        millijoules = self._ask("energy", ("nvmlDeviceGetTotalEnergyConsumption",))
        return None if millijoules is None else millijoules / 1e3

    def _pids(self) -> tuple[int, ...] | None:
        processes = self._ask(
            "processes",
            # By their versions: without one nvidia-ml-py gives up where the newest is missing.
            ("nvmlDeviceGetComputeRunningProcesses_v3",),
            ("nvmlDeviceGetComputeRunningProcesses_v2",),
        )
        return None if processes is None else tuple(process.pid for process in processes)

    def _ask(self, field: str, *calls: tuple[Any, ...]) -> Any:
        """The answer of the first call that this driver has."""
        if field in self.missing:
            return None
        reason = "this driver has no call for it"
        for name, *arguments in calls:
            call = getattr(self._nvml, name, None)
            if call is None:
                continue
            try:
                return call(self._handle, *arguments)
            except errors(self._nvml) as error:
                reason = str(error)
                if getattr(error, "value", None) != _FUNCTION_NOT_FOUND:
                    break
        self.missing[field] = reason
        return None


class Watch:
    """Reads a GPU every 20 ms in a thread, from `with` on until its end.

    One thread makes all calls to NVML, so that a driver that hangs holds up nobody else.
    """

    def __init__(
        self,
        uuid: str,
        *,
        nvml: Any = None,
        own_pids: Collection[int] | None = None,
        period_s: float = _PERIOD_S,
        patience_s: float = _PATIENCE_S,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Remember what to watch; nothing is read yet.

        Args:
            uuid: the GPU's, as torch or NVML give it: its index in NVML is not CUDA's.
            nvml: the module to ask; None takes nvidia-ml-py.
            own_pids: processes that may use the GPU; None: this one.
            period_s: from one sample to the next.
            patience_s: how long an answer is waited for.
            clock: seconds, monotonic; the same that `disturbance` and `summary` are asked in.
        """
        self._uuid = uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"
        self._nvml = nvml
        self._own = frozenset((os.getpid(),) if own_pids is None else own_pids)
        self._period_s, self._patience_s, self._clock = period_s, patience_s, clock
        self._samples: list[Sample] = []
        self._reader: Reader | None = None
        self._missing: dict[str, str] = {}
        self._requests: queue.SimpleQueue[Future[float | None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="nvml-watch", daemon=True)
        self._ending = threading.Event()
        self._usual: tuple[int, float | None] = (0, None)

    def __enter__(self) -> Self:
        """Start to read."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop; a driver that hangs is left behind after a while."""
        self._ending.set()
        self._requests.put(None)
        self._thread.join(self._patience_s)
        if self._thread.is_alive():
            self._missing["nvml"] = f"it did not answer within {self._patience_s:g} s"

    @property
    def samples(self) -> Sequence[Sample]:
        """All that was read so far, in order of time."""
        return tuple(self._samples)

    @property
    def missing(self) -> dict[str, str]:
        """What could not be read, and why."""
        return {**(self._reader.missing if self._reader else {}), **self._missing}

    def energy_j(self) -> float | None:
        """Energy in joules that the GPU has used since its driver was loaded, read now.

        None where it has no such counter, or no answer comes; then it is not asked again.
        """
        if "energy" in self.missing or not self._thread.is_alive():
            return None
        answer: Future[float | None] = Future()
        self._requests.put(answer)
        try:
            return answer.result(self._patience_s)
        except TimeoutError:
            self._missing["energy"] = f"no answer within {self._patience_s:g} s"
            return None

    def disturbance(self, begin: float, end: float) -> str | None:
        """Why what ran between two times does not count, as far as is known now.

        Args:
            begin, end: on the watch's clock. Most durations are shorter than the time between two
                samples, so those just before and after count too.

        Returns:
            `throttled`: too hot, or a power brake; a power cap is normal under load.
            `foreign_process`: another process computes on the GPU.
            `clock_low`: under 90 % of this run's own median, without the power cap as a reason.
            None: nothing was seen.
        """
        return find_disturbance(
            self._samples, begin, end,
            own=self._own, reach_s=self._period_s, usual_hz=self._usual_clock(),
        )  # fmt: skip

    def summary(
        self,
        intervals: Sequence[tuple[float, float]],
        energy_j: float | None,
        calls: int,
        own_pids: Collection[int] | None = None,
    ) -> Telemetry:
        """What was seen while one case ran.

        Args:
            intervals: begin and end of each of its blocks, on the watch's clock.
            energy_j: used in all of them together, None where it is not known.
            calls: in all of them together.
            own_pids: processes that may use the GPU; None: those that the watch was given.
        """
        return summarise(
            self._samples, intervals, energy_j, calls,
            own=self._own if own_pids is None else own_pids, missing=self.missing,
        )  # fmt: skip

    def _usual_clock(self) -> float | None:
        """The median of the clock while the GPU worked; found anew when there is a tenth more."""
        count = len(self._samples)
        if count >= 1.1 * self._usual[0]:
            self._usual = (count, usual_clock(self._samples[:count]))
        return self._usual[1]

    def _work(self) -> None:
        """The thread: start NVML, read until the end, stop NVML."""
        nvml = self._nvml or self._import()
        if nvml is None:
            return self._refuse_requests()
        try:
            nvml.nvmlInit()
            self._reader = Reader(nvml, nvml.nvmlDeviceGetHandleByUUID(self._uuid))
        except errors(nvml) as error:
            self._missing["nvml"] = str(error)
            return self._refuse_requests()
        try:
            self._read(self._reader)
        finally:
            _shut_down(nvml)

    def _import(self) -> Any:
        try:
            import pynvml
        except ImportError:
            self._missing["nvml"] = "nvidia-ml-py is not installed"
            return None
        return pynvml

    def _read(self, reader: Reader) -> None:
        count = 0
        while not self._ending.is_set():
            due = time.monotonic() + self._period_s
            with_processes = count % _EACH_N_SAMPLES == 0
            self._samples.append(reader.sample(self._clock(), with_processes=with_processes))
            count += 1
            self._answer(reader, due)

    def _answer(self, reader: Reader, due: float) -> None:
        """Read the energy for those who ask, until the next sample is due."""
        while True:
            try:
                request = self._requests.get(timeout=max(due - time.monotonic(), 0))
            except queue.Empty:
                return
            if request is None:
                return
            request.set_result(reader.energy_j())

    def _refuse_requests(self) -> None:
        while (request := self._requests.get()) is not None:
            request.set_result(None)


def find_disturbance(
    samples: Sequence[Sample],
    begin: float,
    end: float,
    *,
    own: Collection[int],
    reach_s: float,
    usual_hz: float | None,
) -> str | None:
    """Why what ran between two times does not count; see Watch.disturbance.

    Args:
        samples: in order of time.
        begin, end: on the samples' clock.
        own: processes that may use the GPU.
        reach_s: samples this long before and after count too.
        usual_hz: the clock of the whole run, None where too little is known.
    """
    near = _between(samples, begin - reach_s, end + reach_s)
    if any(sample.reasons and sample.reasons & _THROTTLED for sample in near):
        return "throttled"
    if foreign_pids(_pids(samples, begin, end), own):
        return "foreign_process"
    if usual_hz is not None and any(clock < _LOW_CLOCK * usual_hz for clock in _clocks(near)):
        return "clock_low"
    return None


def summarise(
    samples: Sequence[Sample],
    intervals: Sequence[tuple[float, float]],
    energy_j: float | None,
    calls: int,
    *,
    own: Collection[int],
    missing: dict[str, str],
) -> Telemetry:
    """What the samples inside these intervals say; see Watch.summary."""
    seen = [sample for begin, end in intervals for sample in _between(samples, begin, end)]
    clocks = [s.sm_clock_hz for s in seen if s.sm_clock_hz is not None]
    powers = [s.power_w for s in seen if s.power_w is not None]
    temperatures = [s.temperature_c for s in seen if s.temperature_c is not None]
    pids = {pid for begin, end in intervals for pid in _pids(samples, begin, end)}
    foreign = foreign_pids(pids, own)
    if foreign and pids.isdisjoint(own):
        words = "numbers of another PID namespace: one of them is ours"
        missing = {**missing, "foreign_processes": words}
    return Telemetry(
        samples=len(seen),
        sm_clock_hz_median=median(clocks) if clocks else None,
        sm_clock_hz_min=min(clocks, default=None),
        power_w_median=median(powers) if powers else None,
        temperature_c_max=max(temperatures, default=None),
        throttle_reasons=reason_names(s.reasons for s in seen if s.reasons is not None),
        pcie_generation=_median(s.pcie_generation for s in seen),
        pcie_width=_median(s.pcie_width for s in seen),
        energy_j_per_call=None if energy_j is None or calls < 1 else energy_j / calls,
        foreign_processes=sorted(foreign),
        missing=missing,
    )


def _median(values: Iterable[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(median(known)) if known else None


def usual_clock(samples: Sequence[Sample]) -> float | None:
    """The median of the clock while the GPU worked and was not capped; None for a few samples."""
    clocks = _clocks(samples)
    return median(clocks) if len(clocks) >= _LEAST_SAMPLES else None


def reason_names(bits: Iterable[int]) -> list[str]:
    """Names of all reasons that were on at least once, without idleness, which slows nothing down.

    Args:
        bits: as NVML gives them, one number for each sample.
    """
    on = 0
    for number in bits:
        on |= number
    return clock_reasons(on & ~_IDLE)


def foreign_pids(pids: Collection[int], own: Collection[int]) -> set[int]:
    """Processes on the GPU that are not ours.

    In a container NVML may count processes as the host does. Then ours is not among them by the
    number that it knows of itself: a single one must be ours, of several one is.
    """
    others = set(pids).difference(own)
    if len(others) == 1 and len(set(pids)) == 1:
        return set()
    return others


def _at_s(sample: Sample) -> float:
    return sample.at_s


def _between(samples: Sequence[Sample], begin: float, end: float) -> Sequence[Sample]:
    first = bisect_left(samples, begin, key=_at_s)
    return samples[first : bisect_right(samples, end, lo=first, key=_at_s)]


def _pids(samples: Sequence[Sample], begin: float, end: float) -> set[int]:
    """Processes seen between two times, and those in the last list before."""
    first = bisect_left(samples, begin, key=_at_s)
    inside = [s.pids for s in _between(samples, begin, end) if s.pids is not None]
    earlier = samples[max(0, first - 2 * _EACH_N_SAMPLES) : first]
    before = [s.pids for s in earlier if s.pids is not None][-1:]
    return {pid for pids in (*before, *inside) for pid in pids}


def _clocks(samples: Iterable[Sample]) -> list[float]:
    """Clocks that nothing normal has lowered: neither idleness nor the power cap."""
    return [
        sample.sm_clock_hz
        for sample in samples
        if sample.sm_clock_hz is not None and not (sample.reasons or 0) & (_IDLE | _POWER_CAP)
    ]


def _shut_down(nvml: Any) -> None:
    try:
        nvml.nvmlShutdown()
    except errors(nvml):
        return
