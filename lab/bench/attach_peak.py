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
    nominal one goes with it."""
    kind, rate = "flop", case.throughput_flop_per_s
    if rate is None and moves_memory:
        kind, rate = "bytes", case.throughput_bytes_per_s
    peak = _find(environment.peaks, kind, case.dtype)
    if peak is None or rate is None or case.device.startswith("cpu") != (environment.gpu is None):
        return case
    percent = 100 * rate / peak.per_s
    if peak.basis != "nominal":
        return replace(case, peak=peak, percent_of_peak=percent)
    seen = _clock_hz(case)
    if environment.gpu is None or seen is None or kind == "bytes":
        return replace(case, peak=peak, percent_of_peak=percent, percent_of_nominal=percent)
    now = at_clock(peak, environment.gpu, seen)
    return replace(
        case, peak=now, percent_of_peak=100 * rate / now.per_s, percent_of_nominal=percent
    )


def _find(peaks: list[Peak], kind: str, dtype: str | None) -> Peak | None:
    fitting = [p for p in peaks if p.kind == kind and (kind == "bytes" or p.dtype == dtype)]
    return fitting[0] if fitting else None


def _clock_hz(case: CaseResult) -> float | None:
    clocks = [t.sm_clock_hz_median for t in case.telemetry if t.sm_clock_hz_median is not None]
    return median(clocks) if clocks else None
