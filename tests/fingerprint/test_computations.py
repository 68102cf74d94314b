"""What the fingerprint claims, held against torch's settings, each in a fresh process."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from lab.fingerprint.computations import COMPUTATIONS
from lab.paths import ROOT
from lab.receipt.bits import compare_fingerprints
from lab.receipt.identity import COMMITTED, read_receipt
from lab.records.receipt import Fingerprint
from lab.seeding import ACROSS_PROCESSORS, deterministic_variables

WORDS = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
CAPABILITIES = ["default", *(n for n, flag in (("avx2", "avx2"), ("avx512", "avx512bw"))
                             if flag in WORDS)]  # fmt: skip
THREADS = (1, 2, 5)
# One process for each set of kernels; it computes with each number of threads.
MANY = """
import sys, json, msgspec, torch
from lab.fingerprint.worker import compute
found = []
for threads in map(int, sys.argv[1:]):
    torch.set_num_threads(threads)
    found.append(msgspec.to_builtins(compute("cpu", "ordinary")))
print(json.dumps(found))
"""
WITH_KERNELS = [
    {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41"},
    *({"ATEN_CPU_CAPABILITY": name} for name in CAPABILITIES[1:]),
]
CONTRARY = [
    {},
    {
        "ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "AVX2", "ONEDNN_MAX_CPU_ISA": "SSE41",
        "OMP_NUM_THREADS": "5",
    },
]  # fmt: skip


def process(environ: Mapping[str, str], *argv: str) -> str:
    return subprocess.run(
        [sys.executable, *argv], capture_output=True, text=True, check=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
    ).stdout  # fmt: skip


def ordinary(environ: Mapping[str, str]) -> list[Fingerprint]:
    found = json.loads(process(environ, "-c", MANY, *map(str, THREADS)))
    return [msgspec.convert(one, type=Fingerprint) for one in found]


def deterministic(environ: Mapping[str, str]) -> Fingerprint:
    words = ("-m", "lab.fingerprint.worker", "cpu", "deterministic")
    return msgspec.json.decode(process(environ, *words), type=Fingerprint)


@pytest.fixture(scope="module")
def everywhere() -> list[Fingerprint]:
    """With every set of kernels that this processor has, and 1, 2 and 5 threads."""
    with ThreadPoolExecutor(2) as two:
        return [f for found in two.map(ordinary, WITH_KERNELS) for f in found]


def hashes(fingerprint: Fingerprint, *, bound: bool) -> dict[str, str]:
    return {r.name: r.sha256 for r in fingerprint.results if r.bound or not bound}


def test_settings_are_those_that_were_asked_for(everywhere: list[Fingerprint]) -> None:
    assert {f.threads for f in everywhere} == set(THREADS)
    assert {f.capability for f in everywhere} >= set(CAPABILITIES)


def test_bound_results_are_identical_over_threads_and_kernels(
    everywhere: list[Fingerprint],
) -> None:
    first, *others = (hashes(f, bound=True) for f in everywhere)
    assert len(first) == sum(c.tolerance is None for c in COMPUTATIONS) >= 5
    for other in others:
        assert other == first


def test_bound_results_are_those_of_the_receipt(everywhere: list[Fingerprint]) -> None:
    """Made on another machine, perhaps: also there the arithmetic left no choice."""
    committed = read_receipt(ROOT / COMMITTED).fingerprints[0]
    assert hashes(everywhere[0], bound=True) == hashes(committed, bound=True)


def test_others_are_within_their_distance(everywhere: list[Fingerprint]) -> None:
    wanted = read_receipt(ROOT / COMMITTED).fingerprints
    for seen in everywhere:
        for found in compare_fingerprints(wanted, [seen]):
            assert found.status == "same", f"{seen.capability}, {seen.threads}: {found}"


@pytest.mark.skipif(len(CAPABILITIES) < 2, reason="this processor has one set of kernels")
def test_results_that_are_not_bound_do_differ(everywhere: list[Fingerprint]) -> None:
    """What the tests above could otherwise not see."""
    assert len({json.dumps(hashes(f, bound=False)) for f in everywhere}) > 1


@pytest.mark.skipif(
    "ATEN_CPU_CAPABILITY" not in deterministic_variables(), reason="no x86-64 with AVX2"
)
def test_deterministic_mode_is_identical_whatever_the_settings_were() -> None:
    with ThreadPoolExecutor(2) as two:
        first, other = two.map(deterministic, CONTRARY)
    assert (first.mode, first.threads, first.capability) == ("deterministic", 1, "avx2")
    assert other.results == first.results
    assert set(ACROSS_PROCESSORS) < set(deterministic_variables())


@pytest.mark.gpu
def test_gpu_gives_the_bound_results_too() -> None:
    found = msgspec.json.decode(
        process({}, "-m", "lab.fingerprint.worker", "cuda"), type=Fingerprint
    )
    wanted = read_receipt(ROOT / COMMITTED).fingerprints
    for finding in compare_fingerprints(wanted, [found]):
        assert finding.status == "same", finding
    assert found.device == "cuda"


def test_names_are_told_once_and_each_says_what_it_is() -> None:
    names = [item.name for item in COMPUTATIONS]
    assert len(set(names)) == len(names)
    for item in COMPUTATIONS:
        assert (item.run.__doc__ or "").strip(), item.name
