import io

import pytest
from msgspec.structs import replace

from lab.gpu.report import make_report
from lab.records.gpu import Gpu, GpuProcess
from lab.render.gpu.table import gpu_text
from tests.gpu.sample import BUSY, IDLE, several, snapshot


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_text_fits_the_width_and_has_each_gpu_with_its_verdict(width: int) -> None:
    process = GpuProcess(pid=4711, kind="compute", user="ana", command="python " * 60)
    gpus = several(4, replace(BUSY, processes=[process]), remapped_rows_failed=True)
    lines = gpu_text(make_report(snapshot(*gpus)), width=width).splitlines()
    assert all(len(line) <= width for line in lines)
    shown = [line.split()[:2] for line in lines[3:7]] if width >= 80 else None
    assert shown in (None, [["0", "ok"], ["1", "ok"], ["2", "ok"], ["3", "fail"]])
    assert any("4711" in line for line in lines)


def test_narrow_text_leaves_out_what_matters_less() -> None:
    report = make_report(snapshot(BUSY))
    assert "5 x16" in gpu_text(report, width=120)
    assert "5 x16" not in gpu_text(report, width=80)
    assert "1755 MHz" not in gpu_text(report, width=65)
    assert "H100" in gpu_text(report, width=65)
    assert "H100" not in gpu_text(report, width=40)
    assert "61 °C" in gpu_text(report, width=40)


def test_values_that_are_missing_are_a_dash() -> None:
    text = gpu_text(make_report(snapshot(Gpu(index=0, name="X"))), width=100)
    assert text.splitlines()[3].split() == ["0", "ok", "X", *["-"] * 6]


def test_names_cannot_steer_the_terminal() -> None:
    evil = GpuProcess(pid=1, kind="compute", command="\x1b[2J\nrm", user="\x07me")
    gpu = replace(IDLE, name="\x1b]0;title\x07", processes=[evil])
    text = gpu_text(make_report(snapshot(gpu)), width=100, details={})
    assert "\x1b" not in text
    assert "\x07" not in text


def test_text_for_a_stream_without_utf_8_can_be_written() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    stream.write(gpu_text(make_report(snapshot(BUSY)), stream))


def test_details_have_every_value_with_its_reason() -> None:
    gpu = replace(BUSY, energy_j=None, missing={"energy_j": "not_supported"})
    text = gpu_text(make_report(snapshot(gpu)), width=100, details={})
    for name in set(Gpu.__struct_fields__) - {
        "verdict", "reasons", "processes", "missing", "unreadable", "detail",
    }:  # fmt: skip
        assert f"  {name} " in text, name
    assert "- (not_supported)" in text


def test_processors_are_shown_as_ranges() -> None:
    gpu = replace(BUSY, cpu_affinity=[*range(56), 60, *range(112, 168)])
    assert "0-55, 60, 112-167" in gpu_text(make_report(snapshot(gpu)), width=100, details={})
