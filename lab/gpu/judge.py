"""A verdict for each GPU, with reason and remedy. Nothing is read here.

What a GPU does while it idles is no fault: a slow link, a low clock. What it does under load
counts.
"""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from lab.gpu.compatibility import architecture_for
from lab.gpu.load import is_busy, is_readable
from lab.gpu.odd_one_out import find_odd
from lab.gpu.reasons import CONDITIONS, REMEDIES
from lab.records.doctor import Finding, Status, Verdict
from lab.records.gpu import Gpu, Wheel

# NVIDIA, "Dynamic Page Retirement": with 60 pages retired a GPU is to be replaced.
_MOST_RETIRED_PAGES = 60
# A link that carries less than this share of what it could is a fault, not a nuisance.
_LEAST_LINK = 0.5
_DEGRADED_LIMIT = 0.98
_HOT_WITHOUT_FAN_C = 80
# Each generation of PCIe carries twice as much as the one before (PCI-SIG).
_PCIE_FACTOR = 2.0
_MOST_GENERATION = 32  # more is what a broken driver says

_WORST: tuple[Verdict, ...] = ("fail", "warn", "ok")


def judge(gpus: Sequence[Gpu], wheel: Wheel, driver_version: str | None) -> list[Gpu]:
    """Give each GPU its verdict.

    Args:
        gpus: as read; each without a verdict.
        wheel: the torch that is to run on them.
        driver_version: as NVML gives it.
    """
    odd = find_odd([gpu for gpu in gpus if is_readable(gpu)])
    judged = []
    for gpu in gpus:
        reasons = _without_repetition(
            *_condition(gpu),
            *(
                (*_heat(gpu), *_power(gpu), *_link(gpu), *_memory(gpu), *_nvlinks(gpu))
                if is_readable(gpu)
                else ()
            ),
            *odd.get(gpu.index, []),
            *_software(gpu, wheel, driver_version),
        )
        judged.append(replace(gpu, verdict=worst(reasons), reasons=reasons))
    return judged


def worst(findings: Sequence[Finding]) -> Verdict:
    """The worst status of some findings; ok where there are none."""
    statuses = {finding.status for finding in findings}
    return next((verdict for verdict in _WORST if verdict in statuses), "ok")


# What says the same of a GPU as another finding does, and less.
_SAID_BY = {
    "power_limit": {"odd_power_limit_w"},
    "odd_nvlinks": {"nvlink"},
    "odd_clock": {"hw_thermal_slowdown", "hw_power_brake_slowdown", "hw_slowdown",
                  "sw_thermal_slowdown", "temperature", "odd_power_limit_w"},
    "odd_temperature": {"hw_thermal_slowdown", "sw_thermal_slowdown", "temperature"},
}  # fmt: skip


def _without_repetition(*findings: Finding) -> list[Finding]:
    """The findings without those that another one says better."""
    names = {finding.name for finding in findings}
    return [finding for finding in findings if not _SAID_BY.get(finding.name, set()) & names]


def _found(name: str, status: Status, seen: str, why: str, remedy: str) -> Finding:
    return Finding(name=name, status=status, seen=seen, why=why, next=remedy)


def _condition(gpu: Gpu) -> Iterator[Finding]:
    """Errors that speak of the whole GPU."""
    if gpu.unreadable == "no_permission":
        yield _found(
            "no_permission", "warn", "this user may not read it", "its device is another user's or"
            " job's, or /dev/nvidia* is closed to this user",
            "ls -l /dev/nvidia*; under Slurm ask for it: --gpus",
        )  # fmt: skip
        return
    said = {*gpu.missing.values(), gpu.unreadable}
    names = [name for name in (*CONDITIONS, "no_answer") if name in said]
    unknown = sum(reason == "unknown" for reason in gpu.missing.values())
    if (gpu.unreadable and not names) or (
        not names and unknown > len(gpu.missing) / 2 and unknown > 10
    ):
        names = ["unknown"]
    for name in names[:1] if "lost" in names else names:
        why, remedy = REMEDIES[name]
        yield _found(
            name, "fail", _CONDITION_WORDS[name] + (f" ({gpu.detail})" if gpu.detail else ""), why,
            remedy.format(index=gpu.index),
        )  # fmt: skip


_CONDITION_WORDS = {
    "lost": "the GPU is lost",
    "reset_required": "the GPU must be reset",
    "insufficient_power": "the GPU has insufficient power",
    "irq_issue": "the GPU has trouble with its interrupts",
    "operating_system": "the operating system blocks the GPU",
    "corrupted_inforom": "the GPU's inforom is corrupted",
    "no_answer": "the GPU did not answer in time",
    "unknown": "the GPU answers with an unknown error",
}


def _heat(gpu: Gpu) -> Iterator[Finding]:
    reasons = gpu.clock_event_reasons or []
    at = f" at {gpu.temperature_c} °C" if gpu.temperature_c is not None else ""
    cooling = "see fans, dust, airflow and the room's temperature"
    limit = gpu.temperature_slowdown_c
    over = gpu.temperature_c is not None and limit is not None and 0 < limit <= gpu.temperature_c
    if "hw_thermal_slowdown" in reasons:
        yield _found(
            "hw_thermal_slowdown", "fail", f"the hardware halves its clock{at}",
            "it is too hot; every figure measured now is too low", cooling,
        )  # fmt: skip
    elif over:
        yield _found(
            "temperature", "fail", f"{gpu.temperature_c} °C, and it slows down from {limit} °C on",
            "it is too hot", cooling,
        )  # fmt: skip
    elif "sw_thermal_slowdown" in reasons:
        yield _found(
            "sw_thermal_slowdown", "warn", f"the driver lowers its clock{at}",
            "it, or its memory, is nearly too hot; figures measured now are too low", cooling,
        )  # fmt: skip
    still = gpu.fan_percent and not any(gpu.fan_percent)
    if still and gpu.temperature_c is not None and gpu.temperature_c >= _HOT_WITHOUT_FAN_C:
        yield _found(
            "fan", "warn", f"no fan turns{at}", "a fan that is broken or blocked, or set to 0 %",
            "look whether it turns; nvidia-settings may hold it at 0 %",
        )  # fmt: skip


def _power(gpu: Gpu) -> Iterator[Finding]:
    """The power cap is not here: a GPU at full load normally runs into it."""
    reasons = gpu.clock_event_reasons or []
    if "hw_power_brake_slowdown" in reasons:
        yield _found(
            "hw_power_brake_slowdown", "fail", "the power brake holds its clock down",
            "the machine's power supply asserts it: overload, a failed supply, or a loose cable",
            "see the power supplies in the BMC's log (ipmitool sel list); lower the power limits",
        )  # fmt: skip
    elif "hw_slowdown" in reasons and "hw_thermal_slowdown" not in reasons:
        yield _found(
            "hw_slowdown", "fail" if is_busy(gpu) else "warn", "the hardware holds its clock down",
            "it is too hot, or draws power faster than the supply delivers it",
            "see temperature, fans and the auxiliary power plugs",
        )  # fmt: skip
    limit, default = gpu.power_limit_w, gpu.power_limit_default_w
    if limit is not None and default and limit < _DEGRADED_LIMIT * default:
        yield _found(
            "power_limit", "warn", f"limited to {limit:.0f} W, by default {default:.0f} W",
            "somebody lowered the limit, or the hardware did; it computes more slowly",
            f"if that is not meant: sudo nvidia-smi -i {gpu.index} -pl {default:.0f}",
        )  # fmt: skip


def _link(gpu: Gpu) -> Iterator[Finding]:
    """PCIe: at rest it may be slow and narrow, which saves power."""
    now, most = (
        (gpu.pcie_generation, gpu.pcie_width),
        (gpu.pcie_generation_max, gpu.pcie_width_max),
    )
    if not is_busy(gpu) or None in now or None in most:
        return
    share = _lanes(*now) / _lanes(*most) if all(most) else 1
    if share >= 1:
        return
    yield _found(
        "pcie_link", "fail" if share < _LEAST_LINK else "warn",
        f"PCIe generation {now[0]} x{now[1]} under load, of generation {most[0]} x{most[1]}",
        f"copies to and from the GPU take {1 / max(share, 1e-6):.0f} times as long"
        if share < _LEAST_LINK
        else f"copies to and from the GPU run at {100 * share:.0f} % of what they could",
        "reseat the card and its riser, clean the contacts, see the slot's settings in the BIOS",
    )  # fmt: skip


def _lanes(generation: int | None, width: int | None) -> float:
    """What a link carries, in lanes of the first generation."""
    return float(width or 0) * _PCIE_FACTOR ** (min(generation or 1, _MOST_GENERATION) - 1)


def _memory(gpu: Gpu) -> Iterator[Finding]:
    reset = f"end its programs, then sudo nvidia-smi --gpu-reset -i {gpu.index}; or reboot"
    replace_it = "have the GPU replaced; until then keep away from it (CUDA_VISIBLE_DEVICES)"
    pages = sum(filter(None, (gpu.retired_pages_single_bit, gpu.retired_pages_double_bit)))
    if gpu.remapped_rows_failed:
        yield _found(
            "remapped_rows", "fail", "a defective row of its memory could not be replaced",
            "its spare rows are used up: results may be wrong", replace_it,
        )  # fmt: skip
    if gpu.sram_threshold_exceeded:
        yield _found(
            "sram_errors", "fail", "errors of its on-chip memory passed NVIDIA's bound",
            "it will go on failing", replace_it,
        )  # fmt: skip
    if gpu.ecc_uncorrected_volatile:
        yield _found(
            "ecc_uncorrected", "fail",
            f"{gpu.ecc_uncorrected_volatile} uncorrected ECC errors since the driver was loaded",
            "data in its memory was lost; programs that used it were ended, or wrong",
            f"{reset}; if they come again, have the GPU replaced",
        )  # fmt: skip
    if pages >= _MOST_RETIRED_PAGES:
        yield _found(
            "retired_pages", "fail", f"{pages} pages of its memory are retired",
            f"from {_MOST_RETIRED_PAGES} on NVIDIA replaces a GPU", replace_it,
        )  # fmt: skip
    for name, pending, what in (
        ("remapped_rows_pending", gpu.remapped_rows_pending, "a row of its memory"),
        ("retired_pages_pending", gpu.retired_pages_pending, "a page of its memory"),
    ):
        if pending:
            yield _found(
                name, "warn", f"{what} is defective, and still in use",
                "it is replaced only when the GPU is reset", reset,
            )  # fmt: skip


def _nvlinks(gpu: Gpu) -> Iterator[Finding]:
    links = gpu.nvlinks or []
    down = [link.link for link in links if not link.active]
    if down and len(down) < len(links):  # all of them down: no bridge is built in
        names = ", ".join(map(str, down))
        yield _found(
            "nvlink", "fail" if _by_switch(gpu) else "warn",
            f"NVLink {names} of {len(links)} {'are' if len(down) > 1 else 'is'} down",
            "GPUs exchange data more slowly, or not at all by NVLink",
            "nvidia-smi nvlink -s; systemctl status nvidia-fabricmanager; then reboot, and reseat"
            " the bridge or board",
        )  # fmt: skip
    worn = [
        link.link
        for link in links
        if (link.recovery_errors or 0) > 0 or (link.replay_errors or 0) > 0
    ]
    if worn:
        yield _found(
            "nvlink_errors", "warn", f"NVLink {', '.join(map(str, worn))} repeated transfers",
            "a link with errors is slow, and may go down",
            "nvidia-smi nvlink -e; if the counts grow, reseat the bridge or board",
        )  # fmt: skip


def _by_switch(gpu: Gpu) -> bool:
    """Behind a switch all links belong up; a bridge between two cards may leave some unused."""
    return any(link.remote == "switch" for link in gpu.nvlinks or [])


def _software(gpu: Gpu, wheel: Wheel, driver_version: str | None) -> Iterator[Finding]:
    """Whether the lab's torch runs on it."""
    if wheel.outcome == "too_old":
        yield _found(
            "driver", "fail",
            f"driver {driver_version} is too old: torch's CUDA {wheel.cuda_version} needs"
            f" {wheel.least_driver}",
            "torch finds no GPU, or the container does not start",
            f"update the driver to {wheel.least_driver} or newer; until then"
            " ./inv lab --device cpu",
        )  # fmt: skip
    capability = capability_of(gpu)
    if capability and architecture_for(capability, tuple(wheel.architectures)) is None:
        yield _found(
            "architecture", "fail",
            f"torch's wheel has no code for compute capability {gpu.compute_capability}",
            'torch answers "no kernel image is available"; the wheel has '
            + ", ".join(wheel.architectures),
            "take another GPU, or ./inv lab --device cpu; this one needs another build of torch",
        )  # fmt: skip


def capability_of(gpu: Gpu) -> tuple[int, int] | None:
    """CUDA's compute capability as numbers."""
    major, _, minor = (gpu.compute_capability or "").partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else None
