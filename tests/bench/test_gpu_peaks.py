import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.bench.gpu_peaks import DESIGNS, SHEETS, at_clock, gpu_peaks
from lab.records.bench import GpuFacts, Peak

H100 = "NVIDIA H100 80GB HBM3"


def gpu(name: str, capability: str | None, multiprocessors: int | None = 132,
        max_clock_hz: float | None = 1.98e9) -> GpuFacts:  # fmt: skip
    return GpuFacts(
        name=name, capability=capability, multiprocessors=multiprocessors,
        max_clock_hz=max_clock_hz,
    )  # fmt: skip


def by_dtype(peaks: list[Peak]) -> dict[str | None, Peak]:
    found = {peak.dtype: peak for peak in peaks}
    assert len(found) == len(peaks)
    return found


def tflop(facts: GpuFacts, **memory: Any) -> dict[str | None, float]:
    peaks = gpu_peaks(facts, **memory)
    return {peak.dtype: round(peak.per_s / 1e12, 1) for peak in peaks if peak.kind == "flop"}


def test_product_in_the_table_has_the_figures_of_its_data_sheet() -> None:
    peaks = by_dtype(gpu_peaks(gpu(H100, "9.0"), 2.619e9, 5120))
    assert peaks["bfloat16"].per_s == peaks["float16"].per_s == 989.4e12
    assert (peaks["tf32"].per_s, peaks["float64"].per_s) == (494.7e12, 67e12)
    assert peaks[None].per_s == 3.35e12
    assert {peak.basis for peak in peaks.values()} == {"nominal"}
    assert all("data sheet" in peak.source for peak in peaks.values())


def test_product_that_is_not_in_the_table_has_the_figures_of_its_design() -> None:
    """1070 TFLOP/s: the maximum clock of an H100, where its data sheet counts with 1830 MHz."""
    peaks = by_dtype(gpu_peaks(gpu("NVIDIA GH200 480GB", "9.0")))
    assert peaks["bfloat16"].per_s == pytest.approx(1070.5e12, rel=1e-3)
    for part in ("132 multiprocessors", "4096 FLOP per clock", "1980 MHz", "white paper"):
        assert part in peaks["bfloat16"].source


@pytest.mark.parametrize(
    ("name", "capability", "half"),
    [
        ("NVIDIA RTX A6000", "8.6", 1024),
        ("NVIDIA GeForce RTX 3080", "8.6", 512),
        ("NVIDIA A10G", "8.6", 512),
        ("NVIDIA RTX 6000 Ada Generation", "8.9", 1024),
        ("NVIDIA GeForce RTX 4070", "8.9", 512),
        ("NVIDIA GeForce RTX 5090", "12.0", 512),
        ("Quadro RTX 8000", "7.5", 1024),
        ("NVIDIA GeForce RTX 2080 Ti", "7.5", 512),
        ("NVIDIA GeForce GTX 1650", "7.5", None),
        ("NVIDIA T1000", "7.5", None),
        ("NVIDIA RTX PRO 6000 Blackwell", "12.0", None),
        ("NVIDIA H20", "9.0", None),
        ("NVIDIA B300", "10.3", None),
        ("AMD Instinct MI300X", None, None),
    ],
)
def test_figures_by_design_depend_on_the_product_too(
    name: str, capability: str | None, half: int | None
) -> None:
    peaks = by_dtype(gpu_peaks(gpu(name, capability, 10, 1e9)))
    assert (peaks["float16"].per_s / 1e10 if "float16" in peaks else None) == half


def test_unknown_capability_has_no_peak_but_that_of_its_memory() -> None:
    assert gpu_peaks(gpu("NVIDIA Next", "99.0")) == []
    (peak,) = gpu_peaks(gpu("NVIDIA Next", "99.0"), 1e9, 4096)
    assert (peak.kind, peak.dtype) == ("bytes", None)


@pytest.mark.parametrize(("multiprocessors", "hz"), [(None, 1e9), (10, None)])
def test_design_needs_multiprocessors_and_clock(
    multiprocessors: int | None, hz: float | None
) -> None:
    assert gpu_peaks(gpu("NVIDIA RTX A6000", "8.6", multiprocessors, hz)) == []


def test_bfloat16_is_left_out_where_the_gpu_has_none() -> None:
    assert "bfloat16" not in tflop(gpu("Tesla V100-SXM2-32GB", "7.0", 80))
    assert "bfloat16" not in tflop(gpu("Tesla T4", "7.5", 40))


@pytest.mark.parametrize(
    ("clock_hz", "bits", "gb_per_s"),
    [
        (2.619e9, 5120, 3352),  # H100, HBM3: its data sheet says 3.35 TB/s
        (9.751e9, 384, 936),  # RTX 3090, GDDR6X
        (5.001e9, 256, 320),  # T4, GDDR6
    ],
)
def test_memory_moves_two_bits_a_line_and_clock(
    clock_hz: float, bits: int, gb_per_s: float
) -> None:
    (peak,) = gpu_peaks(gpu("NVIDIA Next", None), clock_hz, bits)
    assert peak.per_s / 1e9 == pytest.approx(gb_per_s, rel=1e-3)


def test_memory_that_the_data_sheet_leaves_open_is_that_of_the_driver() -> None:
    peaks = by_dtype(gpu_peaks(gpu("Tesla T4", "7.5", 40), 5.001e9, 256))
    assert peaks[None].per_s == pytest.approx(320e9, rel=1e-3)


def test_part_of_a_gpu_has_its_own_multiprocessors_and_no_data_sheet() -> None:
    part = gpu("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "9.0", 16)
    peaks = by_dtype(gpu_peaks(part, 2.619e9, 5120))
    assert peaks["bfloat16"].per_s == pytest.approx(16 * 4096 * 1.98e9)
    assert None not in peaks


@pytest.mark.parametrize(
    "name", ["NVIDIA A100-SXM4-80GB", "A100-SXM4-80GB", "NVIDIA A100-SXM-80GB-custom"]
)
def test_name_counts_as_a_whole_with_or_without_its_maker(name: str) -> None:
    known = {peak.dtype: peak for peak in gpu_peaks(gpu(name, "8.0", 108, 1.41e9))}
    assert ("data sheet" in known["float16"].source) == ("custom" not in name)


def test_figure_from_memory_says_so() -> None:
    peaks = by_dtype(gpu_peaks(gpu("NVIDIA RTX A6000", "8.6", 84, 1.8e9)))
    assert "from memory" in peaks["float64"].source
    hopper = by_dtype(gpu_peaks(gpu("NVIDIA GH200 480GB", "9.0")))
    assert all("from memory" not in peak.source for peak in hopper.values())


# Multiprocessors and boost clock in MHz of the products, to hold the sheets against the designs.
PRODUCTS = {
    "H100 80GB HBM3": ("9.0", 132, 1980),
    "H100 PCIe": ("9.0", 114, 1755),
    "H100 NVL": ("9.0", 132, 1785),
    "H200": ("9.0", 132, 1980),
    "H200 NVL": ("9.0", 132, 1785),
    "A100-SXM4-40GB": ("8.0", 108, 1410),
    "A100-SXM4-80GB": ("8.0", 108, 1410),
    "A100 80GB PCIe": ("8.0", 108, 1410),
    "V100-SXM2-32GB": ("7.0", 80, 1530),
    "V100-PCIE-16GB": ("7.0", 80, 1380),
    "T4": ("7.5", 40, 1590),
    "L4": ("8.9", 58, 2040),
    "L40S": ("8.9", 142, 2520),
    "L40": ("8.9", 142, 2490),
    "A10": ("8.6", 72, 1695),
    "A40": ("8.6", 84, 1740),
    "A30": ("8.0", 56, 1440),
    "GeForce RTX 3090": ("8.6", 82, 1695),
    "GeForce RTX 4090": ("8.9", 128, 2520),
}


def test_each_sheet_is_held_against_a_product() -> None:
    for sheet in SHEETS:
        assert any(re.fullmatch(sheet.names, name) for name in PRODUCTS), sheet.names


@pytest.mark.parametrize("name", PRODUCTS)
def test_data_sheet_agrees_with_the_design(name: str) -> None:
    """Two sources that were written down apart; tensor cores may be counted at a lower clock."""
    capability, multiprocessors, mhz = PRODUCTS[name]
    facts = gpu(f"NVIDIA {name}", capability, multiprocessors, mhz * 1e6)
    by_sheet = [p for p in gpu_peaks(facts) if p.dtype and "multiprocessors" not in p.source]
    assert by_sheet
    for peak in by_sheet:
        assert 0.85 < peak.per_s / at_clock(peak, facts, mhz * 1e6).per_s < 1.03, peak


@given(
    st.sampled_from(sorted(DESIGNS)), st.integers(1, 200), st.floats(1e8, 3e9), st.floats(1e8, 3e9)
)
def test_peak_follows_the_clock_that_was_seen(
    capability: str, multiprocessors: int, hz: float, seen: float
) -> None:
    facts = gpu("NVIDIA Some", capability, multiprocessors, hz)
    for peak in gpu_peaks(facts):
        now = at_clock(peak, facts, seen)
        assert (now.basis, now.dtype) == ("clock_seen", peak.dtype)
        assert now.per_s / peak.per_s == pytest.approx(seen / hz)
        assert "seen while it worked" in now.source


def test_memorys_peak_does_not_follow_the_multiprocessors_clock() -> None:
    facts = gpu(H100, "9.0")
    memory = by_dtype(gpu_peaks(facts))[None]
    assert at_clock(memory, facts, 1e9) == memory


def test_peak_of_an_unknown_design_stays_as_it_is() -> None:
    peak = Peak(kind="flop", dtype="float32", per_s=1e12, basis="nominal", source="a data sheet")
    assert at_clock(peak, gpu("NVIDIA Next", "99.0"), 1e9) == peak
