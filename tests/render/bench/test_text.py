import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lab.records.bench import BenchReport, CaseResult, SelfTest
from lab.render.bench.text import bench_text, selftest_text
from lab.render.bench.units import (
    digits_text,
    duration_text,
    memory_text,
    percent_text,
    rate_text,
    span_text,
)
from lab.render.bench.words import MEANINGS, interval_percent, params_text, speed_text
from tests.render.bench.sample import (
    CPU_MEMORY,
    comparisons,
    cpu_report,
    gpu_report,
    matmul,
    measured,
    not_run,
    selftest,
    strange_reports,
    strange_selftests,
)

DURATIONS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
RATES = {"P": 1e15, "T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3, "": 1.0}


def plain(report: BenchReport, width: int = 80) -> str:
    return bench_text(report, io.StringIO(), width=width)


def joined(line: str) -> str:
    return " ".join(line.split())


def one(case: CaseResult) -> BenchReport:
    return cpu_report(cases=[case])


def has_three_digits(digits: str) -> bool:
    mantissa = digits.lstrip("-").partition("e")[0]
    return len(mantissa.replace(".", "").lstrip("0")) == 3 or mantissa.lstrip("0.") == ""


@given(st.floats(1e-9, 9.99e5))
def test_duration_has_three_digits_and_the_value(seconds: float) -> None:
    digits, unit = duration_text(seconds).split(" ")
    assert float(digits) * DURATIONS[unit] == pytest.approx(seconds, rel=0.0051)
    assert "e" not in digits
    assert float(digits) >= 1
    assert unit == "s" or float(digits) < 1000
    assert float(digits) >= 1000 or has_three_digits(digits)


@given(st.floats(1, 9.99e17), st.sampled_from(["FLOP/s", "B/s", "calls/s"]))
def test_rate_has_three_digits_and_the_value(per_s: float, unit: str) -> None:
    text = rate_text(per_s, unit)
    digits, _, rest = text.partition(" ")
    prefix = rest.removesuffix(unit).strip()
    assert text.endswith(unit)
    assert float(digits) * RATES[prefix] == pytest.approx(per_s, rel=0.0051)
    assert 1 <= float(digits) < 1000
    assert has_three_digits(digits)


@given(st.floats())
def test_units_take_any_number(value: float) -> None:
    for text in (
        digits_text(value), duration_text(value), rate_text(value, "B/s"), percent_text(value),
        memory_text(value), span_text(value),
    ):  # fmt: skip
        assert text
        assert "nan" not in text
        assert "inf" not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (duration_text(9.996e-4), "1.00 ms"),
        (duration_text(1.2345e-7), "123 ns"),
        (duration_text(5e-11), "0.0500 ns"),
        (duration_text(0), "0 s"),
        (rate_text(999.6e9, "FLOP/s"), "1.00 TFLOP/s"),
        (rate_text(812.4, "calls/s"), "812 calls/s"),
        (rate_text(1.2e6, "calls/s"), "1.20 M calls/s"),
        (percent_text(0.042), "0.04 %"),
        (percent_text(9.94), "9.9 %"),
        (percent_text(99.96), "100 %"),
        (percent_text(None), "-"),
        (memory_text(139 << 30), "139 GiB"),
        (span_text(59.7), "1 min 00 s"),
        (span_text(7500), "2 h 05 min"),
    ],
)
def test_units_read_as_people_write_them(text: str, expected: str) -> None:
    assert text == expected


def test_table_has_a_line_for_each_case_under_its_name() -> None:
    lines = plain(cpu_report()).splitlines()
    head = lines.index("matmul")
    assert joined(lines[head - 1]) == "case per call ± % speed % peak verdict"
    assert joined(lines[head + 2]) == ("size=1024 float32 5.83 ms 0.33 368 GFLOP/s 84.4 ok")
    assert re.search(r"^overhead +892 ns +0\.44 +1\.12 M calls/s +- +ok$", "\n".join(lines), re.M)


@pytest.mark.parametrize("verdict", list(MEANINGS))
def test_text_shows_and_explains_each_verdict(verdict: str) -> None:
    case = replace(matmul(64, "float32", 1e-5, None), verdict=verdict, reason="of some cause")
    text = plain(one(case))
    row = next(line for line in text.splitlines() if "size=64" in line)
    assert row.endswith(verdict)
    assert ("~10.0 µs" in row) == (verdict in ("contaminated", "not_steady"))
    assert ("of some cause" in text) == (verdict != "ok")
    assert re.search(rf"^{verdict} +{MEANINGS[verdict]}", text, re.MULTILINE)  # type: ignore[index]
    absent = set(MEANINGS) - {verdict}
    assert not any(re.search(rf"^{other} ", text, re.MULTILINE) for other in absent)


def test_text_shows_a_dash_for_what_was_not_run() -> None:
    text = plain(one(not_run("attention", {"heads": 8}, "too little memory")))
    row = next(line for line in text.splitlines() if "heads=8" in line)
    assert row.split() == ["heads=8", "-", "-", "-", "-", "not_run"]
    assert "not_run: too little memory\n    attention heads=8" in text


def test_text_gives_equal_reasons_once() -> None:
    text = plain(cpu_report(), 100)
    assert text.count("lost the processor") == 1
    assert "memory add hot float32; softmax rows=4096 columns=1024 float32" in text


def test_text_merges_reasons_that_differ_in_numbers_alone() -> None:
    cases = [
        not_run("matmul", {"size": size}, f"in bfloat16 {share}% of {size} took {seconds} s")
        for size, share, seconds in ((1, 33, 0.5), (2, 47, 0.5), (10, 9, 0.5))
    ]
    other = not_run("matmul", {"size": 3}, "in float32 33% of 1 took 0.5 s")
    text = plain(cpu_report(cases=[*cases, other]))
    assert (
        "not_run: in bfloat16 9 to 47% of 1 to 10 took 0.5 s\n"
        "    matmul size=1; matmul size=2; matmul size=10\n"
        "not_run: in float32 33% of 1 took 0.5 s\n" in text
    )


def test_text_names_the_cases_in_which_the_device_waited() -> None:
    report = cpu_report()
    cases = [replace(case, launch_bound=case.name == "softmax") for case in report.cases]
    text = plain(cpu_report(cases=cases), 120)
    assert (
        "launch-bound: the device waits for its host: the figure is how fast the call is launched\n"
        "    softmax rows=4096 columns=1024 float32\n" in text
    )


def test_text_puts_notes_beside_the_honest_figure() -> None:
    text = plain(cpu_report(), 120)
    assert "seed repetitions=1 float32 (measured here: 2.41 s ± 0.49 %, 255 GFLOP/s)\n" in text
    assert (
        "\n    the notebook would have printed: 2.97 s for 1 product, from one cold call\n" in text
    )


@pytest.mark.parametrize(
    ("processes", "said"),
    [(3, "between processes that each measured"), (1, "one process cannot show how processes")],
)
def test_text_says_what_the_interval_is_between(processes: int, said: str) -> None:
    case = measured("matmul", {}, 1e-3, processes=processes)
    assert said in " ".join(plain(one(case)).split())


def test_text_says_what_is_above_the_peak() -> None:
    assert "over 100 %" in plain(cpu_report())
    assert "over 100 %" not in plain(one(matmul(64, "float32", 1e-5, None)))


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        ("budget", "The time allowed was used up after 2 min 12 s"),
        ("interrupted", "This run was interrupted after 2 min 12 s"),
        ("running", "This run was killed before its end"),
    ],
)
def test_text_says_plainly_how_a_run_ended(ended: str, said: str) -> None:
    assert said in plain(cpu_report(ended=ended))
    assert said not in plain(cpu_report())


def test_text_says_what_went_wrong() -> None:
    text = plain(cpu_report(problems=["process 2 was killed"]))
    assert "problem: process 2 was killed" in text


def test_text_names_the_device_where_there_are_several() -> None:
    cases = [replace(matmul(64, "float32", 1e-5, None), device=name) for name in ("cpu", "cuda:0")]
    assert "size=64 float32 cuda:0" in plain(cpu_report(cases=cases))
    assert "cpu " not in plain(cpu_report(cases=cases[:1])).splitlines()[4]


def test_text_without_a_case_says_so() -> None:
    assert "No case was measured." in plain(cpu_report(cases=[]))


def test_comparison_has_ratio_interval_threshold_and_verdict() -> None:
    text = plain(gpu_report())
    assert "Compared with the run of 2026-11-20 18:02 UTC" in text
    rows = [joined(line) for line in text.splitlines() if "2.0 %" in line]
    assert rows == [
        "matmul size=256 float32 0.912 0.901 to 0.923 2.0 % FASTER",
        "matmul size=1024 float32 1.004 0.996 to 1.012 2.0 % SAME",
        "matmul size=4096 float32 1.127 1.106 to 1.148 2.0 % SLOWER",
        "matmul size=8192 float32 1.031 0.979 to 1.083 2.0 % INCONCLUSIVE",
        "matmul size=16384 float32 - - 2.0 % INCONCLUSIVE",
    ]
    assert "the earlier run has no figure" in text
    for verdict in ("FASTER", "SLOWER", "SAME", "INCONCLUSIVE"):
        assert f"\n{verdict:<15}" in text


@pytest.mark.parametrize("report", [cpu_report(), gpu_report(ended="budget", problems=["x " * 90])])
@pytest.mark.parametrize("width", [80, 100, 200])
def test_text_fits_the_width(report: BenchReport, width: int) -> None:
    lines = plain(report, width).splitlines()
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("width", [20, 50, 80, 200])
def test_text_cuts_no_number_at_any_width(width: int) -> None:
    words = plain(gpu_report(), width).split()
    for figure in ("23.1", "719", "TFLOP/s", "3.12", "96.6", "INCONCLUSIVE", "1.106", "size=16384"):
        assert figure in words


def test_text_keeps_to_ascii_where_the_stream_has_no_more() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    text = bench_text(cpu_report(comparisons=comparisons()), stream, width=80)
    assert text.isascii()
    assert "131 us" in text
    assert "+-" in text
    assert "?" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_text_has_colours_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = bench_text(cpu_report(), Terminal(), width=80)
    assert "\x1b[32mok\x1b[0m" in coloured
    assert "\x1b[1;31mcontaminated" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain(cpu_report())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[32m" not in bench_text(cpu_report(), Terminal(), width=80)


def test_text_lets_no_name_steer_the_terminal() -> None:
    case = measured("\x1b[31mred\n:x:", {"[bold]": "\x07\ttab"}, 1e-3, notes=["\x1b]0;title\x07"])
    text = plain(one(case))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "?[31mred :x:" in text
    assert "? tab" in text


@given(strange_reports, st.integers(40, 160), st.sampled_from(["utf-8", "ascii", "latin-1"]))
def test_text_bears_with_any_record(report: BenchReport, width: int, encoding: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    text = bench_text(report, stream, width=width)
    text.encode(encoding)
    assert text.startswith("Speed test of")
    assert all(c.isprintable() or c == "\n" for c in text)


@pytest.mark.parametrize(
    ("green", "said"),
    [
        (True, "This machine can tell a difference in speed from none."),
        (False, "This machine cannot now tell a difference in speed from none."),
    ],
)
def test_selftest_says_whether_the_machine_can_tell(green: bool, said: str) -> None:
    text = selftest_text(selftest(green=green), io.StringIO(), width=100)
    assert text.startswith(said)
    assert "SAME, as it must be (ratio 1.002, 95 % interval 0.993 to 1.011)" in text
    assert ("SLOWER, as it must be" in text) == green
    assert ("INCONCLUSIVE, but it must be SLOWER" in text) != green
    assert ("run the self-test again" in text) != green
    assert "1.8 %: two runs that differ by less" in text


@given(strange_selftests)
def test_selftest_bears_with_any_record(result: SelfTest) -> None:
    assert selftest_text(result, io.StringIO(), width=80).startswith("This machine can")


def test_params_are_short() -> None:
    params = {"size": 1024, "dtype": "float32", "eps": 1e-6, "transposed": True, "cache": "cold"}
    assert params_text(params, "float32") == "size=1024 float32 eps=1e-06 transposed=true cold"
    assert params_text({"n": 3}, "bfloat16", "cuda:0") == "n=3 bfloat16 cuda:0"


def test_interval_is_that_of_the_farther_end() -> None:
    case = replace(matmul(64, "float32", 1e-5, None), median_s=2.0, ci95_s=(1.9, 2.04))
    assert interval_percent(case) == pytest.approx(5.0)


def test_speed_is_in_what_sets_the_pace() -> None:
    triad = measured("memory", {}, 0.1, flop=2e9, moved=12e9)
    assert speed_text(triad).endswith("GB/s")
    assert speed_text(replace(triad, throughput_flop_per_s=4e11)).endswith("GFLOP/s")
    assert speed_text(replace(triad, throughput_flop_per_s=4e11, peak=CPU_MEMORY)).endswith("GB/s")
    assert speed_text(measured("launch", {}, 0.001)).endswith("calls/s")
