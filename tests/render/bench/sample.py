"""Reports of speed tests: as a run would write them, and as nobody would."""

import math
import statistics
from random import Random
from typing import Any, get_args

from hypothesis import strategies as st

from lab.records.bench import (
    BenchReport,
    CaseResult,
    CgroupLimits,
    Comparison,
    CpuFacts,
    Environment,
    GpuFacts,
    Param,
    Peak,
    SelfTest,
    Telemetry,
    Verdict,
)

ROUNDS = 8
CPU_FLOP = Peak(
    kind="flop", dtype="float32", per_s=2 * 64 * 3.41e9, basis="clock_seen",
    source="2 cores x 64 FLOP per cycle (AVX-512, two units) x 3.41 GHz, measured with dependent"
    " multiplications",
)  # fmt: skip
CPU_DOUBLE = Peak(
    kind="flop", dtype="float64", per_s=2 * 32 * 3.41e9, basis="clock_seen",
    source="half of float32's",
)  # fmt: skip
CPU_MEMORY = Peak(
    kind="bytes", per_s=21.3e9, basis="measured",
    source="the best of 24 copies of 512 MiB with 2 threads",
)  # fmt: skip
CPU = Environment(
    host="aula-07", engine="docker", image="pytorch-lab:cpu", image_digest="sha256:" + "9f3c" * 16,
    lock_sha256="1b" * 32, receipt="2c" * 32, platform="Linux-6.1.0-x86_64", python="3.11.7",
    torch="2.13.0+cpu",
    blas="oneDNN 3.9, MKL 2025.2", threads=2, interop_threads=1,
    cpu=CpuFacts(
        model="Intel(R) Xeon(R) Platinum 8581C CPU @ 2.10GHz", vendor="GenuineIntel", family=6,
        model_number=207, isa="avx512", cores=2, logical=2, clock_hz=3.41e9,
        clock_source="dependent multiplications, 4 cycles each", l3_bytes=260 << 20,
    ),
    cgroup=CgroupLimits(cpus=2.0, memory_bytes=8 << 30),
    peaks=[CPU_FLOP, CPU_DOUBLE, CPU_MEMORY], floor_percent=1.8,
)  # fmt: skip


def _gpu_peak(dtype: str, per_cycle: int, clock_hz: float, basis: Any) -> Peak:
    return Peak(
        kind="flop", dtype=dtype, per_s=132 * per_cycle * clock_hz, basis=basis,
        source=f"132 multiprocessors x {per_cycle} FLOP per cycle x {clock_hz / 1e6:.0f} MHz",
    )  # fmt: skip


_PER_CYCLE = {"float64": 256, "float32": 256, "tf32": 2048, "bfloat16": 4096, "float16": 4096}
GPU_PEAKS = {dtype: _gpu_peak(dtype, n, 1.755e9, "clock_seen") for dtype, n in _PER_CYCLE.items()}
GPU_MEMORY = Peak(
    kind="bytes", per_s=4.8e12, basis="nominal", source="2 x 3125 MHz x 6144 bit / 8: data sheet"
)
GPU = Environment(
    host="nodo-gpu-1", engine="host", platform="Linux-6.8.0-x86_64", python="3.12.4",
    torch="2.13.0+cu130", threads=16,
    cpu=CpuFacts(model="AMD EPYC 9654 96-Core Processor", cores=16, logical=32),
    gpu=GpuFacts(
        name="NVIDIA H200", uuid="GPU-4f2b", driver="570.86.15", capability="9.0",
        memory_bytes=139 << 30, multiprocessors=132, max_clock_hz=1.98e9, power_limit_w=700.0,
    ),
    peaks=[
        *(_gpu_peak(dtype, n, 1.98e9, "nominal") for dtype, n in _PER_CYCLE.items()),
        *GPU_PEAKS.values(),
        GPU_MEMORY,
    ],
)  # fmt: skip


def measured(
    name: str,
    params: dict[str, Param],
    seconds: float,
    *,
    seed: int = 0,
    spread: float = 0.006,
    drift: float = 0.0,
    dirty: float = 0.03,
    per_round: int = 5,
    processes: int = 3,
    verdict: Verdict = "ok",
    peak: Peak | None = None,
    flop: float | None = None,
    moved: float | None = None,
    **fields: Any,
) -> CaseResult:
    """A case whose samples lie around a duration, with a heavy tail where they were disturbed.

    Args:
        seconds: for one call.
        spread: of the samples' logarithms.
        drift: by how much the logarithm grows from the first sample to the last.
        dirty: the share of samples that something disturbed.
        flop, moved: per call; bytes moved.
    """
    random = Random(f"{name}{params}{seed}")
    calls = max(1, math.ceil(0.005 / seconds))
    fields = {
        "device": "cpu", "dtype": params.get("dtype"), "calls_per_sample": calls,
        "samples_s": [], "clean": [], "process": [], "round": [], "at_s": [], **fields,
    }  # fmt: skip
    total = processes * ROUNDS * per_round
    by_round: dict[tuple[int, int], list[float]] = {}
    for number in range(total):
        process, rest = divmod(number, ROUNDS * per_round)
        at = (process, rest // per_round)
        jitter = random.gauss(0, spread) + (process - 1) * spread / 3 + drift * number / total
        disturbed = random.random() < dirty
        per_call = seconds * math.exp(jitter) * (1 + disturbed * random.expovariate(3))
        fields["samples_s"].append(per_call * calls)
        fields["clean"].append(not disturbed)
        fields["process"].append(process)
        fields["round"].append(at[1])
        begun = process * 40 + at[1] * 4.5 + (rest % per_round) * 0.05
        fields["at_s"].append(begun + 0.4 * random.random())
        if not disturbed:
            by_round.setdefault(at, []).append(per_call)
    return _summarised(name, params, verdict, peak, flop, moved, by_round, fields)


def _summarised(
    name: str,
    params: dict[str, Param],
    verdict: Verdict,
    peak: Peak | None,
    flop: float | None,
    moved: float | None,
    by_round: dict[tuple[int, int], list[float]],
    fields: dict[str, Any],
) -> CaseResult:
    clean = sorted(value for values in by_round.values() for value in values)
    if not clean:
        return CaseResult(name=name, params=params, verdict=verdict, **fields)
    median = statistics.median(clean)
    medians = [
        statistics.median(
            [v for (p, _), values in by_round.items() if p == process for v in values]
        )
        for process in sorted({process for process, _ in by_round})
    ]
    many = len(medians) > 1
    apart = medians if many else [statistics.median(values) for values in by_round.values()]
    half = 2.2 * statistics.stdev(apart) / math.sqrt(len(apart)) if len(apart) > 1 else 0.0
    work = flop if peak is None or peak.kind == "flop" else moved
    disturbed = fields["clean"].count(False)
    made: dict[str, Any] = {
        "flop_per_call": flop, "bytes_per_call": moved, "median_s": median,
        "p10_s": clean[len(clean) // 10], "p90_s": clean[len(clean) * 9 // 10],
        "ci95_s": (median - half, median + half),
        "interval_over": "processes" if many else "rounds", "process_medians_s": medians,
        "throughput_flop_per_s": flop and flop / median,
        "throughput_bytes_per_s": moved and moved / median,
        "percent_of_peak": 100 * work / median / peak.per_s if peak and work else None,
        "peak": peak, "disturbances": {"preempted": disturbed} if disturbed else {},
    }  # fmt: skip
    return CaseResult(name=name, params=params, verdict=verdict, **{**made, **fields})


def matmul(size: int, dtype: str, seconds: float, peak: Peak | None, **fields: Any) -> CaseResult:
    """A product of square matrices."""
    width = {"float64": 8, "float32": 4}.get(dtype, 2)
    return measured(
        "matmul", {"size": size, "dtype": dtype}, seconds, peak=peak, flop=2.0 * size**3,
        moved=3.0 * size**2 * width, **fields,
    )  # fmt: skip


def not_run(name: str, params: dict[str, Param], reason: str, **fields: Any) -> CaseResult:
    """A case without a figure."""
    fields = {"device": "cpu", **fields}
    return CaseResult(name=name, params=params, verdict="not_run", reason=reason, **fields)


def cpu_cases() -> list[CaseResult]:
    """All verdicts, on a CPU."""
    busy = "58 % of the samples lost the processor to another program"
    return [
        matmul(256, "float32", 1.31e-4, CPU_FLOP),
        matmul(1024, "float32", 5.83e-3, CPU_FLOP),
        matmul(4096, "float32", 0.354, CPU_FLOP, per_round=2),
        matmul(1024, "float64", 1.19e-2, CPU_DOUBLE),
        matmul(4096, "float64", 0.741, CPU_DOUBLE, per_round=2, drift=0.12, verdict="not_steady",
               reason="the last rounds took 9.8 % longer than the first ones"),
        not_run("matmul", {"size": 4096, "dtype": "float16"},
                "this processor has no fast float16, and one call would take over 60 s"),
        measured("memory", {"call": "copy", "cache": "cold"}, 5.2e-2, moved=1.07e9,
                 peak=CPU_MEMORY, dtype="float32"),
        measured("memory", {"call": "add", "cache": "cold"}, 8.1e-2, moved=1.61e9,
                 peak=CPU_MEMORY, dtype="float32", spread=0.03, verdict="not_converged",
                 reason="the interval is 2.4 % wide after 60 s, and 1 % was asked"),
        measured("memory", {"call": "copy", "cache": "hot"}, 2.1e-5, moved=1.05e6,
                 peak=CPU_MEMORY, dtype="float32"),
        measured("memory", {"call": "add", "cache": "hot"}, 2.9e-5, moved=1.57e6, peak=CPU_MEMORY,
                 dtype="float32", dirty=0.58, verdict="contaminated", reason=busy),
        measured("softmax", {"rows": 4096, "columns": 1024}, 3.3e-3, flop=5.0 * 4096 * 1024,
                 moved=2.0 * 4 * 4096 * 1024, peak=CPU_FLOP, dtype="float32", dirty=0.61,
                 verdict="contaminated", reason=busy),
        measured("overhead", {}, 8.9e-7, spread=0.012),
        measured("seed", {"repetitions": 1}, 2.41, flop=6.144e11, moved=1.36e9, peak=CPU_FLOP,
                 per_round=1, dtype="float32", notes=[
            "the notebook would have printed: 2.97 s for 1 product, from one cold call",
            "the notebook would have printed: 0.81 ms for 100 products on a GPU, which is the time"
            " to ask for them, not to do them",
        ]),
    ]  # fmt: skip


def cpu_report(**fields: Any) -> BenchReport:
    """A whole run on two shared cores."""
    made: dict[str, Any] = {
        "argv": ["inv", "bench"], "started_utc": "2026-11-23T18:32:05Z", "duration_s": 132.4,
        "seed": 20261123, "level": "default", "ended": "done", "processes": 3, "environment": CPU,
        "cases": cpu_cases(),
    }  # fmt: skip
    return BenchReport(**{**made, **fields})


def _telemetry(temperature: float, **fields: Any) -> Telemetry:
    made: dict[str, Any] = {
        "samples": 41, "sm_clock_hz_median": 1.755e9, "sm_clock_hz_min": 1.71e9,
        "power_w_median": 640.0, "temperature_c_max": temperature, "energy_j_per_call": 1.31,
    }  # fmt: skip
    return Telemetry(**{**made, **fields})


def gpu_report(**fields: Any) -> BenchReport:
    """A run on an H200, compared with an earlier one."""
    on: dict[str, Any] = {"device": "cuda:0", "telemetry": [_telemetry(61), _telemetry(63)]}
    hot: dict[str, Any] = {**on, "telemetry": [
        _telemetry(84, sm_clock_hz_median=1.41e9, sm_clock_hz_min=1.2e9,
                   throttle_reasons=["sw_thermal_slowdown"], foreign_processes=[4711]),
    ]}  # fmt: skip
    cases = [
        *(matmul(size, dtype, seconds, GPU_PEAKS[dtype], percent_of_nominal=nominal, **on)
          for size, dtype, seconds, nominal in [
            (8192, "float32", 2.31e-2, 71.2), (8192, "bfloat16", 1.53e-3, 67.2),
            (8192, "float16", 1.55e-3, 66.4), (16384, "bfloat16", 1.17e-2, 70.2),
            (8192, "float64", 1.92e-2, 85.6)]),
        matmul(8192, "tf32", 3.4e-3, GPU_PEAKS["tf32"], verdict="contaminated",
               percent_of_nominal=60.4,
               reason="process 4711 worked on the same GPU", **{**hot, "dirty": 0.7}),
        measured("memory", {"call": "copy"}, 5.1e-4, moved=2.15e9, peak=GPU_MEMORY,
                 dtype="float32", **on),
        measured("attention", {"sequence": 4096, "heads": 32}, 8.7e-4, flop=5.5e11, moved=1.3e8,
                 peak=GPU_PEAKS["bfloat16"], dtype="bfloat16", **on),
        measured("overhead", {"kernels": 100}, 3.2e-4, dirty=0.2, **on),
    ]  # fmt: skip
    made: dict[str, Any] = {
        "argv": ["inv", "bench", "--device", "cuda"], "started_utc": "2026-11-23T19:01:00Z",
        "duration_s": 95.0, "seed": 7, "level": "default", "ended": "done", "processes": 3,
        "environment": GPU, "cases": cases, "compared_with": "2026-11-20T18:02:11Z",
        "comparisons": comparisons(),
    }  # fmt: skip
    return BenchReport(**{**made, **fields})


def comparison(
    size: int, verdict: Any, ratio: float | None, half: float = 0.0, **fields: Any
) -> Comparison:
    """One product beside an earlier one."""
    made: dict[str, Any] = {"threshold_percent": 2.0, **fields}
    return Comparison(
        name="matmul", params={"size": size, "dtype": "float32"}, verdict=verdict, ratio=ratio,
        ci95=(ratio - half, ratio + half) if ratio is not None else None, **made,
    )  # fmt: skip


def comparisons() -> list[Comparison]:
    """One of each verdict."""
    return [
        comparison(256, "FASTER", 0.912, 0.011),
        comparison(1024, "SAME", 1.004, 0.008),
        comparison(4096, "SLOWER", 1.127, 0.021),
        comparison(8192, "INCONCLUSIVE", 1.031, 0.052,
                   reason="the interval is wider than the threshold on both sides"),
        comparison(16384, "INCONCLUSIVE", None, reason="the earlier run has no figure"),
    ]  # fmt: skip


def selftest(*, green: bool = True) -> SelfTest:
    """A self-test; one that is not green saw the 5 % drown."""
    slower = comparison(512, "SLOWER", 1.049, 0.006)
    if not green:
        slower = comparison(512, "INCONCLUSIVE", 1.04, 0.09, reason="the rounds differ by 9 %")
    return SelfTest(
        started_utc="2026-11-23T18:00:00Z", duration_s=41.0, green=green, processes=3,
        same=comparison(512, "SAME", 1.002, 0.009), slower=slower, floor_percent=1.8,
        environment=CPU, cases=[matmul(512, "float32", 8e-4, CPU_FLOP)],
    )  # fmt: skip


# What JSON can hold, and now and then what it cannot.
_numbers = st.one_of(
    st.floats(1e-9, 1e15), st.floats(), st.sampled_from([0.0, -1.0, 1e-320, 1e300, 100.0])
)
_texts = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["matmul", "</script>", "]]>", "$x_1^", "\x1b[31m\x00", "a" * 200, "日本", "&amp;"]
    ),
)
_counts = st.integers(-1, 10**6)
_maybe = st.none() | _numbers
# Plausible often enough that there is something to draw.
_works = st.one_of(st.floats(1e3, 1e12), st.floats(1e3, 1e12), _maybe)
_seconds = st.one_of(st.floats(1e-6, 10), st.floats(1e-6, 10), _maybe)
_peaks = st.builds(
    Peak, kind=st.sampled_from(["flop", "bytes"]), dtype=st.none() | _texts, per_s=_numbers,
    basis=st.sampled_from(["nominal", "clock_seen", "measured"]), source=_texts,
)  # fmt: skip
_params = st.dictionaries(
    _texts, st.one_of(_texts, st.integers(), _numbers, st.booleans()), max_size=3
)
_strange_telemetry = st.builds(
    Telemetry, samples=_counts, sm_clock_hz_median=_maybe, sm_clock_hz_min=_maybe,
    power_w_median=_maybe, temperature_c_max=_maybe, energy_j_per_call=_maybe,
    throttle_reasons=st.lists(_texts, max_size=2),
    missing=st.dictionaries(_texts, _texts, max_size=2),
    foreign_processes=st.lists(_counts, max_size=2),
)  # fmt: skip
_small = st.integers(0, 6)
strange_cases = st.builds(
    CaseResult, name=_texts, params=_params, device=_texts, dtype=st.none() | _texts,
    flop_per_call=_works, bytes_per_call=_works, calls_per_sample=_counts,
    samples_s=st.lists(_numbers, max_size=8), clean=st.lists(st.booleans(), max_size=8),
    process=st.lists(_small, max_size=8), round=st.lists(_small, max_size=8),
    at_s=st.lists(_numbers, max_size=8), wall_s=st.lists(_numbers, max_size=8),
    launched_s=st.lists(_numbers, max_size=8), launch_bound=st.booleans(),
    disturbances=st.dictionaries(_texts, _counts, max_size=2), median_s=_seconds, p10_s=_maybe,
    p90_s=_maybe, ci95_s=st.none() | st.tuples(_numbers, _numbers),
    interval_over=st.sampled_from([None, "processes", "rounds"]),
    process_medians_s=st.lists(_numbers, max_size=3), throughput_flop_per_s=_maybe,
    throughput_bytes_per_s=_maybe, percent_of_peak=_maybe, peak=st.none() | _peaks,
    percent_of_nominal=_maybe, telemetry=st.lists(_strange_telemetry, max_size=2),
    notes=st.lists(_texts, max_size=2), verdict=st.sampled_from(get_args(Verdict)),
    reason=st.none() | _texts,
)  # fmt: skip
_strange_comparisons = st.builds(
    Comparison, name=_texts, params=_params, ratio=_maybe, threshold_percent=_numbers,
    verdict=st.sampled_from(["FASTER", "SLOWER", "SAME", "INCONCLUSIVE"]),
    ci95=st.none() | st.tuples(_numbers, _numbers), reason=st.none() | _texts,
)  # fmt: skip
_strange_environments = st.builds(
    Environment, peaks=st.lists(_peaks, max_size=4), floor_percent=_maybe,
    image=st.none() | _texts, image_digest=st.none() | _texts, torch=st.none() | _texts,
    cpu=st.none() | st.builds(CpuFacts, model=_texts, cores=_counts, logical=_counts,
                              clock_hz=_maybe, clock_source=st.none() | _texts),
    gpu=st.none() | st.builds(GpuFacts, name=_texts, max_clock_hz=_maybe, power_limit_w=_maybe),
    cgroup=st.none() | st.builds(CgroupLimits, cpus=_maybe),
)  # fmt: skip
strange_reports = st.builds(
    BenchReport, argv=st.lists(_texts, max_size=3), started_utc=_texts, duration_s=_numbers,
    seed=_counts, level=_texts, ended=st.sampled_from(["done", "budget", "interrupted", "running"]),
    processes=_counts, environment=_strange_environments, problems=st.lists(_texts, max_size=2),
    cases=st.lists(strange_cases, max_size=4), compared_with=st.none() | _texts,
    comparisons=st.lists(_strange_comparisons, max_size=3),
)  # fmt: skip
"""Gaps, nonsense and hostile names wherever the record allows them."""
strange_selftests = st.builds(
    SelfTest, started_utc=_texts, duration_s=_numbers, green=st.booleans(),
    same=_strange_comparisons, slower=_strange_comparisons, floor_percent=_numbers,
    processes=_counts, environment=_strange_environments, cases=st.lists(strange_cases, max_size=2),
)  # fmt: skip
