"""Sets a figure beside what its device can do at best."""

from statistics import median

from msgspec.structs import replace

from lab.bench.gpu_peaks import at_clock
from lab.records.bench import CaseResult, Environment, Peak


def with_peak(
    case: CaseResult, environment: Environment, *, moves_memory: bool = True
) -> CaseResult:
    """The result with its percentage of the physical peak, where one is known.

    Arithmetic is set beside the peak of its dtype; a case that only moves data beside the memory's.
    On a GPU the peak is that of the clock seen while the case ran, and the percentage of the
    nominal one goes with it; a CPU's clock is read between the blocks.
    """
    kind, rate = "flop", case.throughput_flop_per_s
    if rate is None and moves_memory:
        kind, rate = "bytes", case.throughput_bytes_per_s
    peak = _find(environment.peaks, kind, case.dtype)
    if peak is None or rate is None or case.device.startswith("cpu") != (environment.gpu is None):
        return case
    now = _at_clock_seen(peak, case, environment)
    nominal = 100 * rate / peak.per_s if peak.basis == "nominal" else None
    return replace(
        case, peak=now, percent_of_peak=100 * rate / now.per_s, percent_of_nominal=nominal
    )


def _at_clock_seen(peak: Peak, case: CaseResult, environment: Environment) -> Peak:
    """The peak at the clock that was seen while the case ran; memory has a clock of its own."""
    if peak.kind == "bytes":
        return peak
    if environment.gpu is not None:
        seen = _clock_hz(case)
        return peak if seen is None else at_clock(peak, environment.gpu, seen)
    peak = _of_threads(peak, environment)
    before = environment.cpu.clock_hz if environment.cpu else None
    if case.clock_hz is None or not before:
        return peak
    clock = f"{case.clock_hz / 1e9:.3g} GHz, the median seen while the case ran"
    return replace(
        peak, per_s=peak.per_s * case.clock_hz / before, basis="clock_seen",
        source=f"{peak.source}; at {clock}",
    )  # fmt: skip


def _of_threads(peak: Peak, environment: Environment) -> Peak:
    """What so many threads can do at best, where they are fewer than the cores."""
    cores = environment.cpu.cores if environment.cpu else 1
    threads = environment.threads or cores
    if threads >= cores:
        return peak
    share = threads / cores
    source = f"{peak.source}; of {threads} of the {cores} cores, as many as there are threads"
    return replace(peak, per_s=peak.per_s * share, source=source)


def _find(peaks: list[Peak], kind: str, dtype: str | None) -> Peak | None:
    fitting = [p for p in peaks if p.kind == kind and (kind == "bytes" or p.dtype == dtype)]
    return fitting[0] if fitting else None


def _clock_hz(case: CaseResult) -> float | None:
    clocks = [t.sm_clock_hz_median for t in case.telemetry if t.sm_clock_hz_median is not None]
    return median(clocks) if clocks else None
