"""What a slow node's record shows beside the slowness: the likely cause, and what was seen."""

from collections.abc import Callable, Iterator, Sequence
from statistics import median

from lab.cluster.figures import Figure, Figures, Key
from lab.records.bench import Telemetry
from lab.records.cluster import Cause

# A cause explains a slow node when it differs from the others by so much.
_SHARE = 0.2
_LOWER = 0.95
# What is wrong with a GPU (lab/gpu/judge.py gives the names), and what that explains.
_FINDINGS: dict[str, Cause] = {
    "ecc_uncorrected": "ecc", "remapped_rows": "ecc", "retired_pages": "ecc", "sram_errors": "ecc",
    "hw_thermal_slowdown": "temperature", "sw_thermal_slowdown": "temperature",
    "temperature": "temperature", "fan": "temperature", "hw_power_brake_slowdown": "power",
    "insufficient_power": "power", "power_limit": "power", "odd_power_limit_w": "power",
    "pcie_link": "link", "odd_pcie_generation_max": "link", "odd_pcie_width_max": "link",
    "nvlink": "link", "nvlink_errors": "link", "odd_nvlinks": "link",
}  # fmt: skip
_REASONS: dict[str, Cause] = {
    "hw_thermal_slowdown": "temperature", "sw_thermal_slowdown": "temperature",
    "hw_power_brake_slowdown": "power",
}  # fmt: skip

Found = tuple[Cause, str]


def likely_cause(node: Figures, others: Sequence[Figures], slow: Sequence[Key]) -> Found:
    """The cause, and in words what was seen.

    Args:
        node: the slow one.
        others: the nodes that are not.
        slow: its slow cases.
    """
    limit = node.environment.cgroup.cpus if node.environment.cgroup else None
    theirs = [o.environment.cgroup.cpus if o.environment.cgroup else None for o in others]
    if limit is not None and all(other is None or other > limit for other in theirs):
        return "cpu_limit", f"its control group allows {limit:g} processors, the others' more"
    here = [node.cases[key] for key in slow]
    there = [o.cases[key] for o in others for key in slow if key in o.cases]
    for rules in (_of_gpu, _of_cpu):
        if found := next(rules(here, there), None):
            return found
    return "unexplained", "its record shows no lower clock, and nothing else that explains it"


def _of_gpu(here: Sequence[Figure], there: Sequence[Figure]) -> Iterator[Found]:
    """Of the GPU that is slow. A slow copy is the link's first of all, anything else last."""
    link = next(_of_link(here, there), None)
    if link and all(figure.case.name == "transfer" for figure in here):
        yield link
    on = here[0].case.device
    yield from (found for found in _found(here) if found[0] != "link")
    usual = {why for figure in there if figure.seen for why in figure.seen.throttle_reasons}
    for why in sorted({w for f in here if f.seen for w in f.seen.throttle_reasons} - usual):
        if why in _REASONS:
            yield _REASONS[why], f"{on} was held back ({why}){_heat(here, there)}"
    yield from _of_limit(here, there)
    clock, theirs = _seen(here, "sm_clock_hz_median"), _seen(there, "sm_clock_hz_median")
    if clock and theirs and clock < _LOWER * theirs:
        yield "clock", f"{on} ran at {clock / 1e6:.0f} MHz, the others' at {theirs / 1e6:.0f} MHz"
    if link:
        yield link


def _of_limit(here: Sequence[Figure], there: Sequence[Figure]) -> Iterator[Found]:
    own = here[0].facts.power_limit_w if here[0].facts else None
    limits = [f.facts.power_limit_w for f in there if f.facts and f.facts.power_limit_w]
    if own and limits and own < _LOWER * median(limits):
        yield "power", f"its power limit is {own:.0f} W, the others' {median(limits):.0f} W"


def _of_link(here: Sequence[Figure], there: Sequence[Figure]) -> Iterator[Found]:
    on = here[0].case.device
    for field, words in (("pcie_width", "lanes"), ("pcie_generation", "as its generation")):
        own, theirs = _seen(here, field), _seen(there, field)
        if own and theirs and own < theirs:
            yield "link", f"{on}: PCIe with {own:.0f} {words}, the others' {theirs:.0f}"
    yield from (found for found in _found(here) if found[0] == "link")


def _found(here: Sequence[Figure]) -> Iterator[Found]:
    """What `inv gpu` says of the GPUs that are slow."""
    for figure in here:
        for name, seen in figure.findings.items():
            if name in _FINDINGS:
                yield _FINDINGS[name], f"{figure.case.device}: {seen}"


def _heat(here: Sequence[Figure], there: Sequence[Figure]) -> str:
    own, theirs = _seen(here, "temperature_c_max"), _seen(there, "temperature_c_max")
    return f" at {own:.0f} °C, the others at {theirs:.0f} °C" if own and theirs else ""


def _seen(figures: Sequence[Figure], field: str) -> float | None:
    """What NVML said of a field while the cases ran, in the middle."""
    values = [getattr(f.seen, field) for f in figures if isinstance(f.seen, Telemetry)]
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _of_cpu(here: Sequence[Figure], there: Sequence[Figure]) -> Iterator[Found]:
    if (gap := _gap(here, there, lambda f: f.throttled_share)) > _SHARE:
        yield "cpu_limit", f"a limit held it back in {100 * gap:.0f} % more of its samples"
    if (gap := _gap(here, there, lambda f: f.preempted_share)) > _SHARE:
        yield (
            "cpu_contention",
            f"others had its processors in {100 * gap:.0f} % more of its samples",
        )
    clock, usual = _clock(here), _clock(there)
    if clock is not None and usual is not None and clock < _LOWER * usual:
        yield "clock", f"its clock was {clock / 1e9:.2f} GHz, the others' {usual / 1e9:.2f} GHz"


def _gap(
    here: Sequence[Figure], there: Sequence[Figure], share: Callable[[Figure], float]
) -> float:
    """How much larger a share is here, in the middle."""
    if not here or not there:
        return 0.0
    return median(map(share, here)) - median(map(share, there))


def _clock(figures: Sequence[Figure]) -> float | None:
    clocks = [f.case.clock_hz for f in figures if f.case.clock_hz is not None]
    return median(clocks) if clocks else None
