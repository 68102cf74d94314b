"""The speed tests themselves: that they run, what they count, and what they cannot do here."""

import gc
import json
import math
import multiprocessing
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from lab.bench.case import LEVELS, Case, Level, NotHere, Workload, discover
from lab.bench.cases.dataloader import dataloader
from lab.bench.cases.matmul import matmul
from lab.bench.cases.memory import last_level_cache_bytes, memory
from lab.bench.cases.seed import fitting_scale, memory_limit_bytes, observed_lines
from lab.bench.cases.training import require_compiler
from lab.bench.dtypes import ITEM_BYTES, in_precision, require_dtype, require_speed, torch_dtype
from lab.bench.machine import usable_processors

ROOT = Path(__file__).resolve().parents[2]
CASES = discover()
MIB = 1 << 20


def _grid(level: Level, device: str) -> list[Any]:
    return [
        pytest.param(case, params, id=f"{case.name}-{'-'.join(map(str, params.values()))}")
        for case in CASES.values()
        for params in case.grid(level, device)
    ]


def _prepare(case: Case, device: str = "cpu", **params: Any) -> Workload:
    return case.prepare(device=device, **params)


def _python(code: str, folder: Path = ROOT) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


# What there is.


def test_discover_finds_the_ten_cases() -> None:
    assert sorted(CASES) == [
        "attention", "conv2d", "creation", "dataloader", "launch", "matmul", "memory", "seed",
        "training", "transfer",
    ]  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_case_says_what_it_is_and_what_it_counts(name: str) -> None:
    text = CASES[name].prepare.__doc__ or ""
    assert CASES[name].summary.endswith(".")
    assert len(CASES[name].summary) < 100
    assert "FLOP" in text or "Bytes" in text


@pytest.mark.parametrize(("level", "least", "most"), [("quick", 14, 18), ("default", 40, 55)])
def test_level_is_neither_bare_nor_long(level: Level, least: int, most: int) -> None:
    assert least <= len(_grid(level, "cpu")) <= most


def test_quick_level_fits_a_small_machine() -> None:
    needs = [
        case.memory_bytes(device="cpu", **params)
        for case in CASES.values()
        if case is not memory  # which goes by the caches of the machine
        for params in case.grid("quick", "cpu")
    ]
    assert sum(needs) < 0.75e9


def test_a_new_case_is_one_file(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "lab", tmp_path / "lab", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "lab/bench/cases/sum.py").write_text(
        "from lab.bench.case import Workload, axis, benchmark\n"
        "@benchmark(memory_bytes=lambda device, size: 4 * size, size=axis(8))\n"
        "def sum(device: str, size: int) -> Workload:\n"
        '    """Add numbers."""\n'
        "    import torch\n"
        "    return Workload(run=torch.ones(size, device=device).sum)\n"
    )
    code = (
        "from lab.bench.case import discover\n"
        "case = discover()['sum']\n"
        "params, = case.grid('quick', 'cpu')\n"
        "print(case.summary, case.prepare(device='cpu', **params).run().item())"
    )
    assert _python(code, tmp_path) == "Add numbers. 8.0\n"


def test_memory_is_told_without_torch() -> None:
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from lab.bench.case import LEVELS, discover\n"
        "print(*(\n"
        "    case.memory_bytes(device=device, **params)\n"
        "    for case in discover().values() for level in LEVELS for device in ('cpu', 'cuda')\n"
        "    for params in case.grid(level, device)\n"
        "))"
    )
    needs = [int(word) for word in _python(code).split()]
    assert len(needs) == sum(
        len(_grid(level, device)) for level in LEVELS for device in ("cpu", "cuda")
    )
    assert min(needs) >= 0


# That they run.


@pytest.mark.parametrize(("case", "params"), _grid("quick", "cpu"))
def test_quick_combination_runs_twice_or_says_why_not(case: Case, params: dict[str, Any]) -> None:
    reason = _run_twice(case, "cpu", params)
    may_be_refused = case.name == "transfer" or params.get("dtype") == "bfloat16"
    assert reason is None or (may_be_refused and _SENTENCE.fullmatch(reason))


_SENTENCE = re.compile(r"[A-Z].*\.")


def _run_twice(case: Case, device: str, params: dict[str, Any]) -> str | None:
    """Why it cannot run; None where it did."""
    try:
        workload = _prepare(case, device, **params)
    except NotHere as error:
        return str(error)
    workload.run()
    workload.run()
    if device != "cpu":
        torch.accelerator.synchronize()
    if workload.close:
        workload.close()
    return None


def _peak_bytes(work: Callable[[], object], folder: Path) -> int:
    """The most that torch's own allocator held at once."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    seen.export_chrome_trace(str(folder / "trace.json"))
    trace = json.loads((folder / "trace.json").read_text())["traceEvents"]
    events = sorted((e for e in trace if e["name"] == "[memory]"), key=lambda e: e["ts"])
    held = most = 0
    for event in events:
        held += event["args"]["Bytes"]
        most = max(most, held)
    return most


MEASURED = [
    ("attention", {"length": 512, "direction": "forward_backward", "dtype": "float32"}),
    ("conv2d", {"batch": 8, "channels": 64, "dtype": "float32"}),
    ("creation", {"kind": "randn", "size": 64}),
    ("dataloader", {"workers": 0}),
    ("matmul", {"size": 1024, "dtype": "float64", "cache": "hot"}),
    ("matmul", {"size": 512, "dtype": "float32", "cache": "cold"}),
    ("memory", {"op": "copy", "size": 128}),
    ("memory", {"op": "triad", "size": 128}),
    ("seed", {"part": "creation", "scale": 10}),
    ("seed", {"part": "product", "scale": 20}),
    ("training", {"model": "logistic", "width": 256, "mode": "eager"}),
    ("training", {"model": "transformer", "width": 256, "mode": "eager"}),
]


@pytest.mark.parametrize(("name", "params"), MEASURED)
def test_memory_told_is_the_memory_held(name: str, params: dict[str, Any], tmp_path: Path) -> None:
    case = CASES[name]

    def work() -> None:
        workload = _prepare(case, **params)
        workload.run()
        workload.run()
        if workload.flush:
            workload.flush()
        if workload.observe:
            workload.observe()

    gc.collect()
    told = case.memory_bytes(device="cpu", **params)
    assert 0.8 < told / _peak_bytes(work, tmp_path) < 1.5


@pytest.mark.gpu
@pytest.mark.parametrize(("case", "params"), _grid("quick", "cuda"))
def test_quick_combination_runs_on_a_gpu(case: Case, params: dict[str, Any]) -> None:
    if not torch.cuda.is_available():
        pytest.skip("this torch was built without CUDA")
    reason = _run_twice(case, "cuda", params)
    assert reason is None or _SENTENCE.fullmatch(reason)


# The work that they count.


def _counted_flop(workload: Workload) -> int:
    """Attention step by step: torch has no count for the CPU's kernel that does it by blocks."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        workload.run()
    return int(counter.get_total_flops())


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("matmul", {"size": 96, "dtype": "float32", "cache": "hot"}),
        ("matmul", {"size": 96, "dtype": "float64", "cache": "cold"}),
        ("conv2d", {"batch": 2, "channels": 16, "dtype": "float32"}),
        ("attention", {"length": 128, "direction": "forward", "dtype": "float32"}),
        ("seed", {"part": "product", "scale": 20}),
        ("training", {"model": "logistic", "width": 32, "mode": "eager"}),
        ("training", {"model": "transformer", "width": 64, "mode": "eager"}),
    ],
)
def test_flop_are_those_that_torch_counts(name: str, params: dict[str, Any]) -> None:
    workload = _prepare(CASES[name], **params)
    assert workload.flop_per_call == _counted_flop(workload)


def test_flop_of_the_notebook_are_those_of_its_sizes() -> None:
    """614.4 GFLOP a product, divided by the square of the scale."""
    workload = _prepare(CASES["seed"], part="product", scale=20)
    assert workload.flop_per_call == 2 * 1024 * 10_000 * 30_000 / 20**2


def test_flop_of_attention_count_the_scores_again_in_the_backward_pass() -> None:
    """By blocks they are not kept: five products, where torch does four step by step."""
    workload = _prepare(
        CASES["attention"], length=128, direction="forward_backward", dtype="float32"
    )
    assert workload.flop_per_call == _counted_flop(workload) * 7 / 6


def test_bytes_of_memory_are_streams_two_and_three_arrays() -> None:
    copy, triad = (_prepare(memory, op=op, size=64) for op in ("copy", "triad"))
    assert copy.bytes_per_call is not None
    assert triad.bytes_per_call == 1.5 * copy.bytes_per_call


def test_creation_tells_allocation_apart_from_filling() -> None:
    """Only what writes has bytes; in place no memory is asked for."""
    kinds = {kind: _prepare(CASES["creation"], kind=kind, size=1) for kind in ("empty", "zero_")}
    assert kinds["empty"].bytes_per_call is None
    assert kinds["zero_"].bytes_per_call == MIB
    filled: list[Any] = [kinds["zero_"].run() for _ in range(2)]
    assert filled[0].data_ptr() == filled[1].data_ptr()


def test_training_step_changes_no_loss_that_one_could_see() -> None:
    """Thousands of steps do the same work, and all of them on finite numbers."""
    for model in ("logistic", "transformer"):
        workload = _prepare(CASES["training"], model=model, width=32, mode="eager")
        losses: list[Any] = [workload.run() for _ in range(10)]
        first, *_, last = (loss.item() for loss in losses)
        assert math.isfinite(last)
        assert last == pytest.approx(first, rel=1e-3)


# Number formats.


@pytest.mark.parametrize("name", ITEM_BYTES)
def test_item_bytes_are_those_of_the_tensor(name: str) -> None:
    assert torch_dtype(name).itemsize == ITEM_BYTES[name]


@pytest.mark.parametrize(("name", "capability"), [("tf32", "8.0"), ("float8", "8.9")])
def test_format_of_gpus_is_refused_on_a_cpu(name: str, capability: str) -> None:
    with pytest.raises(NotHere, match=rf"capability {capability} on; this is a CPU\.$"):
        _prepare(matmul, size=64, dtype=name, cache="hot")


def test_format_of_gpus_is_refused_on_apples() -> None:
    for name in ("tf32", "float8", "float64"):
        with pytest.raises(NotHere, match="Apple"):
            require_dtype("mps", name)
    require_dtype("mps", "float32")


def _trial(alone_s: float, together_s: float) -> Callable[[str, bool], float]:
    """A CPU with two threads, on which float32 takes 0.4 ms on one of them."""

    def seconds(name: str, alone: bool) -> float:
        if name == "float32":
            return 4e-4 if alone else 2e-4
        return alone_s if alone else together_s

    return seconds


def test_slow_format_is_refused_with_both_figures() -> None:
    with pytest.raises(NotHere, match=r"60 times slower .* \(12\.0 ms against 0\.20 ms"):
        require_speed("cpu", "float16", 1.0, _trial(12e-3, 12e-3))


def test_slow_format_is_refused_where_a_call_would_take_seconds() -> None:
    trial = _trial(8e-3, 4e-3)
    with pytest.raises(NotHere, match="about 16 s on this CPU, which is 20 times slower"):
        require_speed("cpu", "bfloat16", 2.0 * 4096**3, trial)
    require_speed("cpu", "bfloat16", 2.0 * 1024**3, trial)
    require_speed("cuda", "bfloat16", 2.0 * 4096**3, trial)


def test_format_of_the_cpu_is_not_refused_while_others_use_the_processors() -> None:
    """The wall's 8 ms are another program's turn; the thread's own time tells."""
    require_speed("cpu", "bfloat16", 2.0 * 2048**3, _trial(1e-4, 8e-3))


def test_trial_of_formats_leaves_the_threads_as_they_were() -> None:
    before = torch.get_num_threads()
    require_speed("cpu", "bfloat16", 1.0)
    assert torch.get_num_threads() == before


def _settings() -> tuple[object, ...]:
    return (
        torch.get_float32_matmul_precision(),
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
    )


def test_precision_holds_in_the_call_and_nowhere_else() -> None:
    """Float32 and tf32 take turns in one process, and the settings are the process's."""
    before = _settings()
    run = {name: in_precision(_settings, "cuda", name) for name in ("float32", "tf32")}
    for _ in range(2):
        assert run["tf32"]() == ("high", True, True)
        assert _settings() == before
        assert run["float32"]() == ("highest", False, False)
        assert _settings() == before


def test_precision_is_put_back_after_an_error() -> None:
    def fail() -> None:
        raise RuntimeError("out of memory")

    before = _settings()
    with pytest.raises(RuntimeError):
        in_precision(fail, "cuda:0", "tf32")()
    assert _settings() == before


def test_precision_costs_nothing_where_there_is_none() -> None:
    for device, name in (("cpu", "float32"), ("cuda", "bfloat16"), ("mps", "float32")):
        assert in_precision(_settings, device, name) is _settings


@pytest.mark.gpu
def test_precision_is_seen_in_the_rounding() -> None:
    """Tf32 keeps 10 bits of a factor where float32 keeps 23."""
    if not torch.cuda.is_available():
        pytest.skip("this torch was built without CUDA")
    try:
        require_dtype("cuda", "tf32")
    except NotHere as reason:
        pytest.skip(str(reason))
    a, b = (torch.randn(512, 512, device="cuda") for _ in range(2))
    exact = a.double() @ b.double()
    run = {name: in_precision(lambda: a @ b, "cuda", name) for name in ("float32", "tf32")}
    for _ in range(2):
        products: dict[str, Any] = {name: call() for name, call in run.items()}
        error = {name: float((c.double() - exact).abs().max()) for name, c in products.items()}
        assert error["float32"] < 1e-3 < error["tf32"]


# Caches.


def test_last_level_cache_is_taken_for_large_where_nothing_tells(tmp_path: Path) -> None:
    assert last_level_cache_bytes("cpu", root=tmp_path) == 64 * MIB


def test_memory_goes_beyond_all_caches() -> None:
    workload = _prepare(memory, op="copy", size=1)
    assert workload.bytes_per_call is not None
    array_bytes = workload.bytes_per_call / 2
    assert array_bytes >= max(64 * MIB, 4 * last_level_cache_bytes("cpu"))
    assert workload.observe is not None
    assert f"have {array_bytes / MIB:.0f} MiB each instead of 1:" in " ".join(workload.observe())


def test_memory_says_nothing_where_it_took_what_was_asked_for() -> None:
    size = max(64, 4 * last_level_cache_bytes("cpu") // MIB)
    workload = _prepare(memory, op="copy", size=size)
    assert workload.observe is not None
    assert workload.observe() == []


def test_cold_product_flushes_and_hot_does_not() -> None:
    assert _prepare(matmul, size=64, dtype="float32", cache="hot").flush is None
    flush = _prepare(matmul, size=64, dtype="float32", cache="cold").flush
    assert flush is not None
    written: Any = flush()
    assert written.nbytes >= 2 * last_level_cache_bytes("cpu")


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_cold_is_for_small_products_alone(device: str) -> None:
    params = list(matmul.grid("full", device))
    assert {p["size"] for p in params if p["cache"] == "cold"} <= {256, 512, 1024}
    assert any(p["cache"] == "cold" for p in params)


# The notebook's own test.

PRINTED = re.compile(
    r"Dispositivo: (\w+)\. Cantidad de repeticiones: (1|100)\. Duración:"
    r" (\d+\.\d\d)ms \+ (\d+\.\d\d)ms = (\d+\.\d\d)ms"
)


def test_seed_observes_what_the_notebook_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its two lines, each with what that is for one product, and that the sizes are not its own."""
    # A busy machine would make fewer than a hundred.
    monkeypatch.setattr("lab.bench.cases.seed._MOST_S", 6000)
    observe = _prepare(CASES["seed"], part="product", scale=20).observe
    assert observe is not None
    sizes, first, first_each, hundred, hundred_each, why = observe()
    assert "x (1024, 500), w (500, 1500), 1.5 GFLOP a product" in sizes
    for line, each, repetitions in ((first, first_each, 1), (hundred, hundred_each, 100)):
        seen = PRINTED.fullmatch(line)
        assert seen is not None
        assert seen[1] == "cpu"
        assert int(seen[2]) == repetitions
        assert float(seen[3]) + float(seen[4]) == pytest.approx(float(seen[5]), abs=0.02)
        assert float(each.split()[2]) == pytest.approx(float(seen[4]) / repetitions, rel=0.02)
    assert "also pays for" in why


def test_seed_shows_on_an_accelerator_what_the_clock_missed() -> None:
    """The notebook's two lines, then the same with a wait: before the loops, and twice in each."""
    waits: list[float] = []
    lines = observed_lines("meta", 1, 1, wait=lambda: waits.append(time.monotonic()))
    printed = [match[2] for line in lines if (match := PRINTED.fullmatch(line))]
    assert printed == ["1", "100", "1", "100"]
    assert len(waits) == 1 + 2 * 2
    assert "how fast products are launched, not how fast they are done" in " ".join(lines)
    assert "divided by" not in lines[0]  # at scale 1 the sizes are the notebook's


def test_seed_observes_its_product_alone() -> None:
    assert _prepare(CASES["seed"], part="creation", scale=20).observe is None


@pytest.mark.parametrize(
    ("asked", "memory_gib", "taken"),
    [(1, 16, 1), (1, 4, 2), (1, 1, 4), (4, 16, 4), (4, 0.25, 10), (3, 64, 3), (1, 0.001, 1)],
)
def test_seed_takes_the_smallest_scale_that_fits(asked: int, memory_gib: float, taken: int) -> None:
    """The last is too large whatever the scale, and remains what was asked for."""
    assert fitting_scale("cpu", asked, int(memory_gib * 2**30)) == taken


def test_seed_keeps_its_scale_on_an_accelerator() -> None:
    assert fitting_scale("cuda", 1, 2**30) == 1


def test_seed_says_that_it_took_another_scale_than_asked() -> None:
    lines = observed_lines("meta", 4, 20, wait=lambda: None)
    assert lines[1] == "Divided by 4, as asked, they would take more than half of the memory here."


def test_memory_limit_is_that_of_the_control_group(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/lab\n")
    (tmp_path / "sys/fs/cgroup/lab").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/lab/memory.max").write_text("123456789\n")
    assert memory_limit_bytes(tmp_path) == 123456789


def test_memory_limit_is_the_machines_where_no_group_sets_one(tmp_path: Path) -> None:
    assert memory_limit_bytes(tmp_path) == psutil.virtual_memory().total


# What needs something that may not be here.


def test_transfer_needs_a_device() -> None:
    with pytest.raises(NotHere, match="needs one: this is a CPU"):
        _prepare(CASES["transfer"], direction="to_host", memory="pageable", size=1)


def test_round_trip_needs_a_device() -> None:
    with pytest.raises(NotHere, match="done when its call returns"):
        _prepare(CASES["launch"], mode="round_trip")


def test_compilation_needs_a_compiler() -> None:
    with pytest.raises(NotHere, match=r"none of g\+\+, c\+\+, clang\+\+ here; .* CXX can name"):
        require_compiler("cpu", which=lambda _: None, environ={})
    require_compiler("cpu", which=lambda _: None, environ={"CXX": "/opt/g++"})
    require_compiler("cpu", which=lambda name: "/usr/bin/g++" if name == "g++" else None)


def test_dataloader_goes_on_beyond_its_images() -> None:
    """Four batches are all images once; the fifth is the first again."""
    workload = _prepare(dataloader, workers=0)
    batches: list[Any] = [workload.run() for _ in range(9)]
    assert batches[0].shape == (16, 3, 96, 96)
    assert batches[0].nbytes == workload.bytes_per_call
    assert torch.equal(batches[1], batches[5])
    assert not workload.self_preempting


@pytest.mark.skipif(
    len(usable_processors()) < 2, reason="needs two processors, which the case asks for too"
)
def test_dataloader_ends_its_workers() -> None:
    workload = _prepare(dataloader, workers=2)
    assert workload.self_preempting
    for _ in range(6):
        batch: Any = workload.run()
    assert batch.shape == (16, 3, 96, 96)
    workers = multiprocessing.active_children()
    assert len(workers) == 2
    assert workload.close is not None
    workload.close()
    assert multiprocessing.active_children() == []
    assert not any(psutil.pid_exists(pid) for pid in (worker.pid for worker in workers) if pid)
