import time
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lab.bench.clock import measure_clock
from lab.bench.cpu_peaks import (
    CORES,
    Core,
    Identity,
    cpu_peaks,
    flop_per_clock,
    identify,
    multiply_cycles,
    parse_cpuinfo,
)
from lab.records.bench import CpuFacts

TURIN = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 26
model\t\t: 2
model name\t: AMD EPYC
cpu MHz\t\t: 2596.120
flags\t\t: fpu sse2 fma avx2 hypervisor avx512f avx512_bf16

processor\t: 1
vendor_id\t: AuthenticAMD
cpu family\t: 26
model\t\t: 2
model name\t: AMD EPYC
flags\t\t: fpu sse2 fma avx2 hypervisor avx512f avx512_bf16
"""

AVX2 = frozenset({"avx2", "fma"})
AVX512 = AVX2 | {"avx512f"}


def arm(*parts: str, implementer: str = "0x41") -> str:
    return "\n".join(
        f"processor\t: {number}\nFeatures\t: fp asimd asimdhp bf16\n"
        f"CPU implementer\t: {implementer}\nCPU architecture: 8\nCPU part\t: {part}\n"
        for number, part in enumerate(parts)
    )


def facts(
    vendor: str,
    family: int,
    number: int,
    *,
    model: str = "",
    cores: int = 1,
    hz: float | None = 1e9,
) -> CpuFacts:
    return CpuFacts(
        model=model, vendor=vendor, family=family, model_number=number, cores=cores,
        logical=cores, clock_hz=hz,
    )  # fmt: skip


def rates(cpu: CpuFacts, flags: frozenset[str]) -> dict[str, int]:
    return {dtype: flop for dtype, (flop, _) in flop_per_clock(cpu, flags).items()}


def every(f64: int, f32: int, bf16: int, f16: int) -> dict[str, int]:
    return {"float64": f64, "float32": f32, "bfloat16": bf16, "float16": f16}


def test_x86_is_read_from_its_first_block() -> None:
    found = parse_cpuinfo(TURIN)
    assert (found.model, found.vendor) == ("AMD EPYC", "AuthenticAMD")
    assert (found.family, found.model_number) == (26, 2)
    assert {"avx512f", "hypervisor"} <= found.flags


def test_arm_is_named_by_its_part() -> None:
    found = parse_cpuinfo(arm("0xd40", "0xd40"))
    assert (found.model, found.vendor, found.model_number) == ("Neoverse V1", "ARM", 0xD40)
    assert "asimdhp" in found.flags


def test_arm_with_two_kinds_of_cores_has_no_part() -> None:
    found = parse_cpuinfo(arm("0xd0c", "0xd40"))
    assert (found.model, found.model_number) == ("ARM 2 kinds of cores", None)
    assert multiply_cycles(found)[0] is None


def test_another_makers_arm_is_not_taken_for_one_by_arm() -> None:
    found = parse_cpuinfo(arm("0xd40", implementer="0x61"))
    assert found.vendor == "implementer 0x61"
    assert multiply_cycles(found)[0] is None


def test_processor_is_identified_below_another_root(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(TURIN)
    assert identify(tmp_path) == parse_cpuinfo(TURIN)


@given(st.text())
def test_any_text_is_some_processor(text: str) -> None:
    assert isinstance(parse_cpuinfo(text), Identity)


@pytest.mark.parametrize(
    ("cpu", "flags", "expected"),
    [
        # Zen 5: servers and desktops, then notebooks
        (facts("AuthenticAMD", 26, 2), AVX512 | {"avx512_bf16"}, every(32, 64, 128, 64)),
        (facts("AuthenticAMD", 26, 0x44), AVX512 | {"avx512_bf16"}, every(32, 64, 128, 64)),
        (facts("AuthenticAMD", 26, 0x24), AVX512 | {"avx512_bf16"}, every(16, 32, 64, 32)),
        # Zen 4, Zen 3, Zen 2, Zen
        (facts("AuthenticAMD", 25, 0x11), AVX512 | {"avx512_bf16"}, every(16, 32, 64, 32)),
        (facts("AuthenticAMD", 25, 0x01), AVX2, every(16, 32, 32, 32)),
        (facts("AuthenticAMD", 23, 0x31), AVX2, every(16, 32, 32, 32)),
        (facts("AuthenticAMD", 23, 0x01), AVX2, every(8, 16, 16, 16)),
        # Haswell, Skylake-SP, Ice Lake of notebooks, Ice Lake-SP
        (facts("GenuineIntel", 6, 0x3C), AVX2, every(16, 32, 32, 32)),
        (facts("GenuineIntel", 6, 0x55), AVX512, every(32, 64, 64, 64)),
        (facts("GenuineIntel", 6, 0x7E), AVX512, every(16, 32, 32, 32)),
        (facts("GenuineIntel", 6, 0x6A), AVX512, every(32, 64, 64, 64)),
        # Sapphire Rapids with and without its tiles, Granite Rapids
        (
            facts("GenuineIntel", 6, 0x8F),
            AVX512 | {"avx512_bf16", "avx512_fp16", "amx_bf16", "amx_tile"},
            every(32, 64, 1024, 128),
        ),
        (facts("GenuineIntel", 6, 0x8F), AVX512 | {"avx512_bf16"}, every(32, 64, 128, 64)),
        (
            facts("GenuineIntel", 6, 0xAD),
            AVX512 | {"avx512_fp16", "amx_bf16", "amx_tile"},
            every(32, 64, 1024, 1024),
        ),
        # Neoverse N1, V1
        (facts("ARM", 8, 0xD0C), frozenset({"asimd", "asimdhp"}), every(8, 16, 16, 32)),
        (facts("ARM", 8, 0xD40), frozenset({"asimd", "asimdhp", "bf16"}), every(16, 32, 128, 64)),
    ],
)
def test_flop_per_clock_is_that_of_the_core_and_its_instructions(
    cpu: CpuFacts, flags: frozenset[str], expected: dict[str, int]
) -> None:
    assert rates(cpu, flags) == expected


@pytest.mark.parametrize(
    ("model", "float32"),
    [
        ("Intel(R) Xeon(R) Platinum 8280 CPU @ 2.70GHz", 64),
        ("Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz", 64),
        ("Intel(R) Xeon(R) Gold 5122 CPU @ 3.60GHz", 64),
        ("Intel(R) Xeon(R) Gold 5118 CPU @ 2.30GHz", 32),
        ("Intel(R) Xeon(R) Silver 4210 CPU @ 2.20GHz", 32),
        ("Intel(R) Xeon(R) Bronze 3104 CPU @ 1.70GHz", 32),
        ("Intel(R) Xeon(R) D-2146NT CPU @ 2.30GHz", None),
    ],
)
def test_lesser_xeons_of_the_first_years_have_one_wide_unit(
    model: str, float32: int | None
) -> None:
    assert rates(facts("GenuineIntel", 6, 0x55, model=model), AVX512).get("float32") == float32


def test_machine_that_hides_the_wide_instructions_has_the_narrow_rate() -> None:
    assert rates(facts("GenuineIntel", 6, 0x55), AVX2)["float32"] == 32


@pytest.mark.parametrize(
    "cpu",
    [
        facts("GenuineIntel", 6, 0x97, model="12th Gen Intel(R) Core(TM) i7-12700"),
        facts("GenuineIntel", 6, 0xAF, model="Sierra Forest"),
        facts("HygonGenuine", 24, 1),
        facts("AuthenticAMD", 26, 0x50),
        facts("implementer 0x61", 8, 0),
        CpuFacts(model="Apple M1", cores=8, logical=8, clock_hz=3.2e9),
    ],
)
def test_processor_that_is_not_in_the_table_has_no_peak(cpu: CpuFacts) -> None:
    assert cpu_peaks(cpu, AVX512) == []


def test_processor_without_vectors_that_the_table_knows_has_no_peak() -> None:
    assert cpu_peaks(facts("GenuineIntel", 6, 0x55), frozenset({"sse2"})) == []


def test_peak_needs_a_measured_clock() -> None:
    assert cpu_peaks(facts("AuthenticAMD", 26, 2, hz=None), AVX512) == []


@pytest.mark.parametrize(
    ("cpu", "flags", "tflop"),
    [
        # TOP500, Frontera: Rpeak of a socket, a Xeon Platinum 8280 at 2.7 GHz
        (facts("GenuineIntel", 6, 0x55, cores=28, hz=2.7e9), AVX512, 2.4192),
        # TOP500, Hawk: an EPYC 7742 at 2.25 GHz
        (facts("AuthenticAMD", 23, 0x31, cores=64, hz=2.25e9), AVX2, 2.304),
    ],
)
def test_double_precision_peak_is_what_top500_counts(
    cpu: CpuFacts, flags: frozenset[str], tflop: float
) -> None:
    peak = next(peak for peak in cpu_peaks(cpu, flags) if peak.dtype == "float64")
    assert peak.per_s == pytest.approx(tflop * 1e12)


def test_peak_says_every_number_that_went_in() -> None:
    cpu = facts("AuthenticAMD", 26, 2, cores=2, hz=3.9e9)
    peaks = {peak.dtype: peak for peak in cpu_peaks(cpu, AVX512 | {"avx512_bf16", "hypervisor"})}
    words = peaks["float32"].source
    assert peaks["float32"].basis == "measured"
    for part in ("2 cores", "hypervisor", "64 FLOP per clock", "table", "3.90 GHz", "one core"):
        assert part in words
    assert "twice that by avx512_bf16" in peaks["bfloat16"].source
    assert "converted to float32" in peaks["float16"].source


@given(st.sampled_from(CORES), st.integers(1, 256), st.floats(0.4e9, 7e9))
def test_peaks_grow_with_cores_and_clock_and_halve_for_double_precision(
    row: Core, cores: int, hz: float
) -> None:
    number = next(number for number in range(0x1000) if number in row.models)
    cpu = facts(row.vendor, row.family or 8, number, cores=cores, hz=hz)
    peaks = {peak.dtype: peak.per_s for peak in cpu_peaks(cpu, AVX512 | {"asimd"})}
    if not row.fma_bits:
        assert peaks == {}
        return
    assert peaks["float64"] * 2 == pytest.approx(peaks["float32"])
    assert peaks["float32"] % (cores * hz) == pytest.approx(0, abs=1)
    assert peaks["bfloat16"] >= peaks["float32"] <= peaks["float16"]


def test_each_processor_is_in_one_row_alone() -> None:
    keys = [
        (core.vendor, core.family, number)
        for core in CORES
        for number in range(0x1000)
        if number in core.models
    ]
    assert len(keys) == len(set(keys))


def test_product_on_this_machine_is_below_its_peak() -> None:
    """A peak that is passed is none. A machine that is not in the table has nothing to show."""
    identity, threads = identify(), torch.get_num_threads()
    cpu = CpuFacts(
        model=identity.model, vendor=identity.vendor, family=identity.family,
        model_number=identity.model_number, cores=threads, logical=threads,
        clock_hz=measure_clock(identity)[0],
    )  # fmt: skip
    peaks = {peak.dtype: peak.per_s for peak in cpu_peaks(cpu, identity.flags)}
    a, best = torch.randn(512, 512), float("inf")
    for _ in range(20):
        begin = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - begin)
    assert 2 * 512**3 / best < 1.15 * peaks.get("float32", float("inf"))
