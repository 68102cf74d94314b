"""Which processor this is, and how many floating-point operations its cores can do in a second."""

import platform
import re
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path

from lab.process import run
from lab.records.bench import CpuFacts, Peak

# The vector instructions with the widest multiply-adds come first; a flag as in /proc/cpuinfo, and
# how many bits of vectors a core can multiply and add in one clock.
_AVX2 = {"fma": 512}
_HALF_AVX2 = {"fma": 256}
_AVX512 = {"avx512f": 1024, "fma": 512}
_AVX512_AS_AVX2 = {"avx512f": 512, "fma": 512}
_TWO_NEON = {"asimd": 256}
_FOUR_NEON = {"asimd": 512}

_INTEL = "GenuineIntel"
_AMD = "AuthenticAMD"
_ARM = "ARM"

_INTEL_GUIDE = "Intel 64 and IA-32 Architectures Optimization Reference Manual"
_AMD_ZEN4 = "AMD Software Optimization Guide for the Zen 4 Microarchitecture"
_AMD_ZEN5 = "AMD Software Optimization Guide for the Zen 5 Microarchitecture"
_UOPS = "uops.info, IMUL (R64, R64)"


@dataclass(frozen=True, kw_only=True)
class Core:
    """A kind of core, as far as peaks and clock need it.

    Args:
        name: the design's.
        vendor: as the processor spells it; `ARM` for those by that company.
        family: None for Arm, whose part numbers need none.
        models: model numbers; part numbers for Arm.
        fma_bits: for each flag of vector instructions, the bits that are multiplied and added in a
            clock; the first that is there counts. Empty where it is not known.
        source: of these bits.
        bfloat16: how many times float32's rate, with the flag `bf16`; Arm only.
        amx_float16: its tiles also multiply float16; Linux hid the flag for long.
        multiply_cycles: latency of a 64-bit integer multiplication; None where it is not known.
        multiply_source: of that latency, or why there is none.
    """

    name: str
    vendor: str
    models: Container[int]
    family: int | None = None
    fma_bits: dict[str, int] = field(default_factory=dict)
    source: str = ""
    bfloat16: int = 1
    amx_float16: bool = False
    multiply_cycles: int | None = 3
    multiply_source: str = _UOPS


def _intel(name: str, *models: int, bits: dict[str, int], source: str = _INTEL_GUIDE) -> Core:
    return Core(
        name=name, vendor=_INTEL, family=6, models=models, fma_bits=bits, source=source,
    )  # fmt: skip


# Numbers of Intel's models: Linux, arch/x86/include/asm/intel-family.h. Those of AMD: Linux,
# arch/x86/kernel/cpu/amd.c. Not here, on purpose: Atom and hybrid processors (Alder Lake and
# later), whose cores differ in latency and width and where nobody says which one ran; Apple's,
# whose matrix unit is not documented and does more than its vectors; Xeon D, which has one or two
# wide units by its number.
CORES: tuple[Core, ...] = (
    _intel("Nehalem to Ivy Bridge", 0x1A, 0x1E, 0x1F, 0x2E, 0x25, 0x2C, 0x2F, 0x2A, 0x2D, 0x3A,
           0x3E, bits={}),
    _intel("Haswell or Broadwell", 0x3C, 0x3F, 0x45, 0x46, 0x3D, 0x47, 0x4F, 0x56, bits=_AVX2),
    _intel("Skylake or its followers", 0x4E, 0x5E, 0x8E, 0x9E, 0xA5, 0xA6, bits=_AVX2),
    _intel("Skylake-SP, Cascade Lake or Cooper Lake", 0x55, bits=_AVX512),
    _intel("Cannon, Ice, Tiger or Rocket Lake", 0x66, 0x7D, 0x7E, 0x8C, 0x8D, 0xA7,
           bits=_AVX512_AS_AVX2),
    _intel("Ice Lake-SP", 0x6A, bits=_AVX512),
    _intel("Ice Lake-D", 0x6C, bits={}),
    _intel("Sapphire or Emerald Rapids", 0x8F, 0xCF, bits=_AVX512),
    Core(name="Granite Rapids", vendor=_INTEL, family=6, models=(0xAD, 0xAE), fma_bits=_AVX512,
         source=_INTEL_GUIDE, amx_float16=True, multiply_source="as Sapphire Rapids, from memory"),
    Core(name="Zen", vendor=_AMD, family=0x17, models=range(0x30), fma_bits=_HALF_AVX2,
         source="AMD Software Optimization Guide for Family 17h, two 128-bit pipes",
         multiply_cycles=None,
         multiply_source="tables disagree on its multiplication: 3 cycles (Agner Fog) or 4 (LLVM)"),
    Core(name="Zen 2", vendor=_AMD, family=0x17, models=range(0x30, 0x100), fma_bits=_AVX2,
         source="AMD Software Optimization Guide for Family 17h Models 30h and Greater"),
    Core(name="Zen 3", vendor=_AMD, family=0x19,
         models=frozenset(range(0x10)) | frozenset(range(0x20, 0x60)), fma_bits=_AVX2,
         source="AMD Software Optimization Guide for Family 19h"),
    Core(name="Zen 4", vendor=_AMD, family=0x19,
         models=frozenset(range(0x10, 0x20)) | frozenset(range(0x60, 0xB0)),
         fma_bits=_AVX512_AS_AVX2, source=f"{_AMD_ZEN4}: 512 bits go in two halves"),
    Core(name="Zen 5", vendor=_AMD, family=0x1A,
         models=frozenset(range(0x20)) | frozenset(range(0x40, 0x50)), fma_bits=_AVX512,
         source=f"{_AMD_ZEN5}; measured on an EPYC of it: 2.00 in a clock",
         multiply_source="as Zen 4; agrees with 2.00 multiply-adds in a clock, measured"),
    Core(name="Zen 5, Strix Halo", vendor=_AMD, family=0x1A, models=range(0x70, 0x80),
         fma_bits=_AVX512, source="reviews of it, from memory", multiply_source="as Zen 5"),
    Core(name="Zen 5 for notebooks", vendor=_AMD, family=0x1A,
         models=frozenset(range(0x20, 0x30)) | frozenset(range(0x60, 0x70)),
         fma_bits=_AVX512_AS_AVX2, source=f"{_AMD_ZEN5}, from memory: 256-bit data paths",
         multiply_source="as Zen 5"),
    Core(name="Neoverse N1", vendor=_ARM, models=(0xD0C,), fma_bits=_TWO_NEON,
         source="Arm Neoverse N1 Software Optimization Guide, from LLVM's model of it",
         multiply_cycles=4,
         multiply_source="Arm's guide, from LLVM's AArch64SchedNeoverseN1.td; not tried on one"),
    Core(name="Neoverse V1", vendor=_ARM, models=(0xD40,), fma_bits=_FOUR_NEON, bfloat16=4,
         source="Arm Neoverse V1 Software Optimization Guide, from LLVM's model of it",
         multiply_cycles=2,
         multiply_source="Arm's guide, from LLVM's AArch64SchedNeoverseV1.td; not tried on one"),
    Core(name="Neoverse N2", vendor=_ARM, models=(0xD49,), fma_bits=_TWO_NEON, bfloat16=4,
         source="Arm Neoverse N2 Software Optimization Guide, from memory", multiply_cycles=2,
         multiply_source="Arm's guide, from memory; not tried on one"),
    Core(name="Neoverse V2", vendor=_ARM, models=(0xD4F,), fma_bits=_FOUR_NEON, bfloat16=4,
         source="Arm Neoverse V2 Software Optimization Guide, from memory", multiply_cycles=2,
         multiply_source="Arm's guide, from memory; not tried on one"),
)  # fmt: skip

# These have one wide unit of the two (Intel's product pages, "# of AVX-512 FMA Units").
_ONE_WIDE_UNIT = re.compile(r"Bronze 3[12]\d\d|Silver 4[12]\d\d|Gold 5[12](?!22)\d\d")

# A tile multiplication does 16 x 16 x 32 multiply-adds in 16 clocks (the manual's chapter on AMX).
_AMX_FLOP = 1024


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a processor says of itself.

    Args:
        model: its name, for people.
        vendor: None where it does not say.
        family: on Arm the version of the architecture.
        model_number: on Arm the part number; None where its cores differ.
        flags: its instruction sets, as Linux spells them.
    """

    model: str
    vendor: str | None = None
    family: int | None = None
    model_number: int | None = None
    flags: frozenset[str] = frozenset()


def identify(root: Path = Path("/")) -> Identity:
    """Read which processor this is, from /proc/cpuinfo or from macOS.

    Args:
        root: where /proc is.
    """
    try:
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Identity(model=_name_by_macos() or platform.processor() or platform.machine())
    return parse_cpuinfo(text)


def _name_by_macos() -> str:
    if platform.system() != "Darwin":
        return ""
    return run(["sysctl", "-n", "machdep.cpu.brand_string"], timeout_s=5).stdout.strip()


def parse_cpuinfo(text: str) -> Identity:
    """Read what /proc/cpuinfo says: of x86 the first processor's block, of Arm all parts."""
    entries: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        entries.setdefault(key.strip(), []).append(value.strip())
    first = {key: values[0] for key, values in entries.items()}
    if "CPU implementer" in first:
        return _arm(first, set(entries.get("CPU part", [])))
    return Identity(
        model=first.get("model name") or platform.machine(),
        vendor=first.get("vendor_id"),
        family=_number(first.get("cpu family")),
        model_number=_number(first.get("model")),
        flags=frozenset(first.get("flags", "").split()),
    )


def _arm(first: dict[str, str], parts: set[str]) -> Identity:
    implementer = first["CPU implementer"]
    vendor = _ARM if implementer == "0x41" else f"implementer {implementer}"
    part = _number(min(parts)) if len(parts) == 1 else None
    core = _core(vendor, None, part)
    named = f"part {min(parts)}" if len(parts) == 1 else f"{len(parts)} kinds of cores"
    return Identity(
        model=first.get("model name") or (core.name if core else f"{vendor} {named}"),
        vendor=vendor,
        family=_number(first.get("CPU architecture")),
        model_number=part,
        flags=frozenset(first.get("Features", "").split()),
    )


def _number(text: str | None) -> int | None:
    try:
        return None if text is None else int(text, 0)
    except ValueError:
        return None


def _core(vendor: str | None, family: int | None, model_number: int | None) -> Core | None:
    """The row of the table for a processor."""
    for core in CORES:
        if core.vendor != vendor or core.family not in (None, family):
            continue
        if model_number is not None and model_number in core.models:
            return core
    return None


def multiply_cycles(identity: Identity) -> tuple[int | None, str]:
    """Latency of a 64-bit integer multiplication in cycles and its source, or None and why not."""
    core = _core(identity.vendor, identity.family, identity.model_number)
    if core is None:
        return None, f"how long {identity.model} takes to multiply is not in the table"
    return core.multiply_cycles, f"{core.name}: {core.multiply_source}"


def flop_per_clock(cpu: CpuFacts, flags: frozenset[str]) -> dict[str, tuple[int, str]]:
    """Floating-point operations that one core can do in a clock, by dtype, and why so.

    A multiply-add counts as two. Separate adders, as Zen has them, are not counted: no matrix
    product can use them. A dtype without instructions of its own is converted, and has float32's.

    Args:
        cpu: says which row of the table counts.
        flags: as Linux spells them.

    Returns:
        Nothing where the processor is not in the table.
    """
    core = _core(cpu.vendor, cpu.family, cpu.model_number)
    width = _width(core, cpu.model, flags) if core else None
    if core is None or width is None:
        return {}
    flag, bits = width
    single, why = bits // 16, f"{core.name}, {bits} bits of {flag}, by {core.source}"
    return {
        "float64": (single // 2, why),
        "float32": (single, why),
        "bfloat16": _bfloat16(core, flags, single, why),
        "float16": _float16(core, flags, single, why),
    }


def _width(core: Core, model: str, flags: frozenset[str]) -> tuple[str, int] | None:
    if "Xeon(R) D" in model:
        return None
    for flag, bits in core.fma_bits.items():
        if flag in flags:
            narrow = flag == "avx512f" and _ONE_WIDE_UNIT.search(model)
            return flag, 512 if narrow else bits
    return None


def _bfloat16(core: Core, flags: frozenset[str], single: int, why: str) -> tuple[int, str]:
    if "amx_bf16" in flags:
        return _AMX_FLOP, f"{core.name}, AMX tiles, by {_INTEL_GUIDE}"
    if "avx512_bf16" in flags:
        return 2 * single, f"{why}; twice that by avx512_bf16"
    if "bf16" in flags and core.bfloat16 > 1:
        return core.bfloat16 * single, f"{why}; {core.bfloat16} times that by BFMMLA"
    return single, f"{why}; no instructions for bfloat16: converted to float32"


def _float16(core: Core, flags: frozenset[str], single: int, why: str) -> tuple[int, str]:
    if core.amx_float16 and "amx_tile" in flags:
        return _AMX_FLOP, f"{core.name}, AMX tiles, by {_INTEL_GUIDE}"
    for flag in ("avx512_fp16", "asimdhp"):
        if flag in flags:
            return 2 * single, f"{why}; twice that by {flag}"
    return single, f"{why}; no instructions for float16: converted to float32"


def cpu_peaks(cpu: CpuFacts, flags: frozenset[str]) -> list[Peak]:
    """What the cores together can do, for each dtype: cores x FLOP per clock x measured clock.

    Args:
        cpu: its clock must have been measured, or there is no peak.
        flags: the instruction sets, as Linux spells them.
    """
    if cpu.clock_hz is None:
        return []
    return [
        Peak(
            kind="flop",
            dtype=dtype,
            per_s=cpu.cores * flop * cpu.clock_hz,
            basis="measured",
            source=_sentence(cpu, flop, why, "hypervisor" in flags),
        )
        for dtype, (flop, why) in flop_per_clock(cpu, flags).items()
    ]


def _sentence(cpu: CpuFacts, flop: int, why: str, virtual: bool) -> str:
    assert cpu.clock_hz is not None
    cores = "core" if cpu.cores == 1 else "cores"
    # A hypervisor may hand out hyperthreads as cores, and nobody inside can tell.
    guest = " as the hypervisor counts them" if virtual else ""
    return (
        f"{cpu.cores} {cores}{guest} x {flop} FLOP per clock, from a table ({why})"
        f" x {cpu.clock_hz / 1e9:.2f} GHz, measured on one core alone: all cores busy may be slower"
    )
