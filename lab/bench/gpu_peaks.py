"""What an NVIDIA GPU can do at best: from its data sheet, or from its design and its clock."""

import re
from dataclasses import dataclass, field

from lab.records.bench import GpuFacts, Peak

# The cases' word for both of torch's 8-bit formats.
_FP8 = "float8"


@dataclass(frozen=True, kw_only=True)
class Design:
    """Floating-point operations of one multiprocessor in one clock, dense, by dtype.

    Args:
        every: what all GPUs of this compute capability do.
        tensor: of the tensor cores, for products that are summed in float32.
        held_back: the same on GeForce cards and a few others, which do less by their maker's will.
        held_back_names: a pattern for their names.
        recalled: which of these figures were written down from memory.
        tensor_names: a GPU that does not match has no tensor cores, or nothing is known of them.
        source: where the rest comes from.
    """

    every: dict[str, int]
    tensor: dict[str, int]
    held_back: dict[str, int] = field(default_factory=dict)
    held_back_names: str = "GeForce"
    recalled: tuple[str, ...] = ()
    tensor_names: str = ""
    source: str


# Made for one market or one purpose, with less than their design: no figures by design.
_CUT_DOWN = re.compile(r"\bH20\b|\bH800\b|\bCMP ")

_GUIDE = "CUDA C++ Programming Guide, throughput of arithmetic instructions"

# Double precision of 8.0 and 9.0 is that of the tensor cores, which products use.
DESIGNS: dict[str, Design] = {
    "7.0": Design(
        every={"float64": 64, "float32": 128}, tensor={"float16": 1024},
        recalled=("float64", "float32"), source="NVIDIA Tesla V100 GPU Architecture, white paper",
    ),
    "7.5": Design(
        every={"float64": 4, "float32": 128}, tensor={"float16": 1024}, held_back={"float16": 512},
        recalled=("float64", "float32", "float16"),
        tensor_names=r"T4\b|Quadro RTX|TITAN RTX|GeForce RTX",
        source="NVIDIA Turing GPU Architecture, white paper",
    ),
    "8.0": Design(
        every={"float64": 128, "float32": 128},
        tensor={"tf32": 1024, "float16": 2048, "bfloat16": 2048},
        source="NVIDIA A100 Tensor Core GPU Architecture, white paper",
    ),
    "8.6": Design(
        every={"float64": 4, "float32": 256},
        tensor={"tf32": 512, "float16": 1024, "bfloat16": 1024},
        held_back={"tf32": 256, "float16": 512, "bfloat16": 512},
        held_back_names=r"GeForce|\bA10G\b",
        recalled=("float64", "float32", "tf32", "float16", "bfloat16"),
        source="NVIDIA Ampere GA102 GPU Architecture, white paper",
    ),
    "8.9": Design(
        every={"float64": 4, "float32": 256},
        tensor={"tf32": 512, "float16": 1024, "bfloat16": 1024, _FP8: 2048},
        held_back={"tf32": 256, "float16": 512, "bfloat16": 512, _FP8: 1024},
        held_back_names=r"GeForce|\bL40$|\bL20\b",
        source="NVIDIA Ada GPU Architecture, white paper",
    ),
    "9.0": Design(
        every={"float64": 256, "float32": 256},
        tensor={"tf32": 2048, "float16": 4096, "bfloat16": 4096, _FP8: 8192},
        source="NVIDIA H100 Tensor Core GPU Architecture, white paper",
    ),
    "10.0": Design(
        every={"float64": 128, "float32": 256},
        tensor={"tf32": 4096, "float16": 8192, "bfloat16": 8192, _FP8: 16384},
        source=_GUIDE,
    ),
    "12.0": Design(
        every={"float64": 4, "float32": 256}, tensor={},
        held_back={"tf32": 256, "float16": 512, "bfloat16": 512, _FP8: 1024},
        recalled=("float64", "tf32", _FP8),
        source="NVIDIA RTX Blackwell GPU Architecture, white paper",
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Figures of one product, dense; memory is None where data sheets disagree.

    Args:
        names: a pattern for the whole name, without `NVIDIA` or `Tesla` before it.
        tflop: trillions of operations a second, by dtype; `half` is both float16 and bfloat16.
        bytes_per_s: of its memory.
        title: the document.
    """

    names: str
    tflop: dict[str, float] = field(default_factory=dict)
    bytes_per_s: float | None = None
    title: str


_HALVED = "tensor figures halved, as it gives them for sparse matrices"
_H100 = f"NVIDIA H100 Tensor Core GPU data sheet, {_HALVED}"
_H200 = f"NVIDIA H200 Tensor Core GPU data sheet, {_HALVED}"
_A100 = "NVIDIA A100 Tensor Core GPU data sheet"
_V100 = "NVIDIA V100 Tensor Core GPU data sheet"
_GEFORCE = "sums in float32"

_HOPPER_SXM = {"float64": 67, "float32": 67, "tf32": 494.7, "half": 989.4, _FP8: 1978.9}
_HOPPER_NVL = {"float64": 60, "float32": 60, "tf32": 417.5, "half": 835.5, _FP8: 1670.5}
_AMPERE = {"float64": 19.5, "float32": 19.5, "tf32": 156, "half": 312}
_VOLTA_SXM = {"float64": 7.8, "float32": 15.7, "float16": 125}
_VOLTA_PCIE = {"float64": 7.0, "float32": 14.0, "float16": 112}

# Figures are exact where the sheet rounds to a digit (989.4 for 989): those of the white paper.
SHEETS: tuple[Sheet, ...] = (
    Sheet(names="H100 80GB HBM3", tflop=_HOPPER_SXM, bytes_per_s=3.35e12, title=_H100),
    Sheet(
        names="H100 PCIe", bytes_per_s=2.0e12, title=_H100,
        tflop={"float64": 51, "float32": 51, "tf32": 378, "half": 756, _FP8: 1513},
    ),
    Sheet(names="H100 NVL", tflop=_HOPPER_NVL, bytes_per_s=3.9e12, title=_H100),
    Sheet(names="H200", tflop=_HOPPER_SXM, bytes_per_s=4.8e12, title=_H200),
    Sheet(names="H200 NVL", tflop=_HOPPER_NVL, bytes_per_s=4.8e12, title=_H200),
    Sheet(names="A100-(SXM4|PCIE)-40GB", tflop=_AMPERE, bytes_per_s=1.555e12, title=_A100),
    Sheet(names="A100-SXM4-80GB", tflop=_AMPERE, bytes_per_s=2.039e12, title=_A100),
    Sheet(names="A100 80GB PCIe", tflop=_AMPERE, bytes_per_s=1.935e12, title=_A100),
    Sheet(names="V100-SXM2-(16|32)GB", tflop=_VOLTA_SXM, bytes_per_s=900e9, title=_V100),
    Sheet(names="V100-PCIE-(16|32)GB", tflop=_VOLTA_PCIE, bytes_per_s=900e9, title=_V100),
    Sheet(names="T4", tflop={"float32": 8.1, "float16": 65}, title="NVIDIA T4 data sheet"),
    Sheet(
        names="L4", bytes_per_s=300e9, title=f"NVIDIA L4 data sheet, {_HALVED}",
        tflop={"float32": 30.3, "tf32": 60, "half": 121, _FP8: 242.5},
    ),
    Sheet(
        names="L40S", bytes_per_s=864e9, title="NVIDIA L40S data sheet",
        tflop={"float32": 91.6, "tf32": 183, "half": 362.05, _FP8: 733},
    ),
    Sheet(
        names="L40", bytes_per_s=864e9, title="NVIDIA L40 data sheet",
        tflop={"float32": 90.5, "tf32": 90.5, "half": 181.05, _FP8: 362},
    ),
    Sheet(
        names="A10", bytes_per_s=600e9, title="NVIDIA A10 data sheet",
        tflop={"float32": 31.2, "tf32": 62.5, "half": 125},
    ),
    Sheet(
        names="A40", bytes_per_s=696e9, title="NVIDIA A40 data sheet",
        tflop={"float32": 37.4, "tf32": 74.8, "half": 149.7},
    ),
    Sheet(
        names="A30", bytes_per_s=933e9, title="NVIDIA A30 data sheet",
        tflop={"float64": 10.3, "float32": 10.3, "tf32": 82, "half": 165},
    ),
    Sheet(
        names="GeForce RTX 3090", bytes_per_s=936e9,
        title=f"NVIDIA Ampere GA102 GPU Architecture, white paper, appendix A, {_GEFORCE}",
        tflop={"float32": 35.6, "tf32": 35.6, "half": 71},
    ),
    Sheet(
        names="GeForce RTX 4090", bytes_per_s=1008e9,
        title=f"NVIDIA Ada GPU Architecture, white paper, appendix A, {_GEFORCE}",
        tflop={"float32": 82.6, "tf32": 82.6, "half": 165.2, _FP8: 330.3},
    ),
)  # fmt: skip


def gpu_peaks(
    gpu: GpuFacts, memory_clock_hz: float | None = None, bus_width_bits: int | None = None
) -> list[Peak]:
    """What a GPU can do at best, for each dtype and for its memory; nothing that is not known.

    A product in the table has the figures of its data sheet; any other GPU those of its compute
    capability at its maximum clock. A part of a GPU (MIG) has no data sheet, and its share of the
    memory's bandwidth is not told.

    Args:
        gpu: its capability counts as CUDA's; without one there are no figures by design.
        memory_clock_hz: the maximum, as NVML and CUDA tell it: two bits cross a line in one clock.
        bus_width_bits: lines of the memory.
    """
    part = "MIG" in gpu.name
    sheet = None if part else _sheet(gpu.name)
    peaks = _by_sheet(sheet) if sheet else []
    known = {peak.dtype for peak in peaks}
    peaks += [peak for peak in _by_design(gpu) if peak.dtype not in known]
    if not part and None not in known and memory_clock_hz and bus_width_bits:
        peaks.append(_memory(memory_clock_hz, bus_width_bits))
    return peaks


def at_clock(peak: Peak, gpu: GpuFacts, clock_hz: float) -> Peak:
    """The same peak at the clock that was seen while the GPU worked.

    Args:
        peak: from gpu_peaks. One of the memory, or of a design that is not in the table, comes back
            as it is: the multiprocessors' clock says nothing about it.
        gpu: that it is a peak of.
        clock_hz: of the multiprocessors.
    """
    seen = None if peak.dtype is None else _one_by_design(gpu, peak.dtype, clock_hz, seen=True)
    return seen or peak


def _sheet(name: str) -> Sheet | None:
    short = re.sub(r"^(NVIDIA |Tesla )+", "", name)
    return next((sheet for sheet in SHEETS if re.fullmatch(sheet.names, short)), None)


def _by_sheet(sheet: Sheet) -> list[Peak]:
    rates = dict(sheet.tflop)
    half = rates.pop("half", None)
    if half is not None:
        rates |= {"float16": half, "bfloat16": half}
    peaks = [
        Peak(
            kind="flop", dtype=dtype, per_s=rate * 1e12, basis="nominal",
            source=f"{rate:g} TFLOP/s, dense ({sheet.title})",
        )
        for dtype, rate in rates.items()
    ]  # fmt: skip
    if sheet.bytes_per_s is not None:
        source = f"{sheet.bytes_per_s / 1e9:g} GB/s ({sheet.title.partition(',')[0]})"
        peaks.append(
            Peak(kind="bytes", per_s=sheet.bytes_per_s, basis="nominal", source=source)
        )  # fmt: skip
    return peaks


def _by_design(gpu: GpuFacts) -> list[Peak]:
    clock = gpu.max_clock_hz
    if clock is None:
        return []
    peaks = (_one_by_design(gpu, dtype, clock, seen=False) for dtype in _rates(gpu))
    return [peak for peak in peaks if peak is not None]


def _one_by_design(gpu: GpuFacts, dtype: str, clock_hz: float, *, seen: bool) -> Peak | None:
    rate = _rates(gpu).get(dtype)
    if rate is None or gpu.multiprocessors is None or gpu.capability is None:
        return None
    design = DESIGNS[gpu.capability]
    origin = "from memory" if dtype in design.recalled else design.source
    words = "seen while it worked" if seen else "its maximum"
    return Peak(
        kind="flop",
        dtype=dtype,
        per_s=gpu.multiprocessors * rate * clock_hz,
        basis="clock_seen" if seen else "nominal",
        source=(
            f"{gpu.multiprocessors} multiprocessors x {rate} FLOP per clock, dense ({origin})"
            f" x {clock_hz / 1e6:.0f} MHz, {words}"
        ),
    )


def _rates(gpu: GpuFacts) -> dict[str, int]:
    """FLOP per clock and multiprocessor, by dtype; empty where the design is not in the table."""
    design = DESIGNS.get(gpu.capability or "")
    if design is None or _CUT_DOWN.search(gpu.name):
        return {}
    tensor = design.tensor
    if design.held_back and re.search(design.held_back_names, gpu.name):
        tensor = design.held_back
    if not re.search(design.tensor_names, gpu.name):
        tensor = {}
    return {**design.every, **tensor}


def _memory(clock_hz: float, bits: int) -> Peak:
    return Peak(
        kind="bytes",
        per_s=2 * clock_hz * bits / 8,
        basis="nominal",
        source=(
            f"2 x {clock_hz / 1e6:.0f} MHz x {bits} bits / 8:"
            " the memory's maximum clock and its width, from the driver"
        ),
    )
