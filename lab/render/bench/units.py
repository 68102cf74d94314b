"""Durations and rates as people read them: three significant digits and an SI prefix."""

import math

NONE = "-"
"""What stands where there is no figure."""

_BELOW_ONE = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_ABOVE_ONE = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


def digits_text(value: float) -> str:
    """A number with three significant digits, without an exponent where it can be read without."""
    if not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    # The exponent after rounding: 9.996 has three digits as 10.0.
    exponent = int(f"{value:.2e}".partition("e")[2])
    if not -4 <= exponent < 6:
        return f"{value:.2e}"
    return f"{round(value, 2 - exponent):.{max(2 - exponent, 0)}f}"


def _scaled(value: float, scales: tuple[tuple[float, str], ...]) -> tuple[str, str]:
    """The digits, and the name of the largest scale that leaves at least 1 of it."""
    rounded = abs(float(f"{value:.2e}"))
    # A hair of tolerance: 1e-3 / 1e-3 may be a little less than 1.
    fits = (scale for scale in scales if rounded >= scale[0] * (1 - 1e-9))
    factor, name = next(fits, scales[-1])
    return digits_text(value / factor), name


def duration_text(seconds: float) -> str:
    """A duration such as `1.23 ms`; from ns to s."""
    if not math.isfinite(seconds):
        return NONE
    if seconds == 0:
        return "0 s"
    return " ".join(_scaled(seconds, _BELOW_ONE))


def rate_text(per_s: float, unit: str) -> str:
    """A rate such as `1.23 TFLOP/s`, `45.6 GB/s` or `7.89 k calls/s`.

    Args:
        per_s: the rate, in units without a prefix.
        unit: `FLOP/s`, `B/s`, or a word such as `calls/s`, which keeps apart from the prefix.
    """
    if not math.isfinite(per_s):
        return NONE
    if per_s == 0:
        return f"0 {unit}"
    digits, prefix = _scaled(per_s, _ABOVE_ONE)
    apart = " " if prefix and unit[:1].islower() else ""
    return f"{digits} {prefix}{apart}{unit}"


def percent_text(percent: float | None) -> str:
    """A percentage such as `0.42 %`, `84.1 %` or `103 %`."""
    if percent is None or not math.isfinite(percent):
        return NONE
    size = abs(percent)
    decimals = 2 if size < 0.995 else 1 if size < 99.95 else 0
    return f"{percent:.{decimals}f} %"


def memory_text(count: float) -> str:
    """An amount of memory such as `139 GiB`, in powers of 1024."""
    if not math.isfinite(count):
        return NONE
    size, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(size) < 999.5 or unit == "TiB":
            break
        size /= 1024
    return f"{digits_text(size)} {unit}"


def span_text(seconds: float) -> str:
    """How long a run took: `48 s`, `3 min 12 s`, `1 h 05 min`."""
    if not math.isfinite(seconds):
        return NONE
    whole = round(abs(seconds))
    if whole < 60:
        return f"{abs(seconds):.1f} s" if abs(seconds) < 9.95 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
