"""Whether a GPU can be judged, and whether it is at work."""

from lab.records.gpu import Gpu

# From this share of the last sample on a GPU is at work: a display alone stays below.
_BUSY_PERCENT = 20


def is_readable(gpu: Gpu) -> bool:
    """Whether what a GPU says of itself can be judged: not when it is lost or hangs."""
    return gpu.unreadable is None and "lost" not in gpu.missing.values()


def is_busy(gpu: Gpu) -> bool:
    """Whether a GPU is at work, by its utilization; by its clock's reasons where that is not
    told."""
    if gpu.utilization_percent is not None:
        return gpu.utilization_percent >= _BUSY_PERCENT
    return gpu.clock_event_reasons is not None and "gpu_idle" not in gpu.clock_event_reasons
