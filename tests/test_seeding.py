"""`lab.seed`: the same figures in every run, each run in a fresh process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import lab
from lab.errors import LabError
from lab.paths import ROOT
from lab.seeding import ACROSS_PROCESSORS, deterministic_variables

FIGURES = """
import lab
lab.seed({seed}, deterministic={deterministic})
import random, numpy, torch
print(random.random(), numpy.random.rand(), torch.randn(3).tolist(), torch.get_num_threads())
model = torch.nn.Sequential(torch.nn.Linear(20, 50), torch.nn.Dropout(), torch.nn.Linear(50, 1))
data = torch.utils.data.TensorDataset(torch.randn(64, 20), torch.randn(64, 1))
for x, y in torch.utils.data.DataLoader(data, batch_size=16, shuffle=True):
    loss = (model(x) - y).square().mean()
    loss.backward()
print(loss.item(), model[0].weight.grad.sum().item())
lab.seed({seed}, deterministic={deterministic})
print(random.random(), torch.are_deterministic_algorithms_enabled())
lab.seed({seed} + 1)
print(random.random(), numpy.random.rand(), torch.rand(1).item())
"""


def run(
    code: str, seed: int = 0, deterministic: bool = True, **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code.format(seed=seed, deterministic=deterministic)],
        capture_output=True, text=True, check=False, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
    )  # fmt: skip


def figures(**words: object) -> str:
    done = run(FIGURES, **words)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_runs_give_the_same_figures_and_another_seed_others() -> None:
    first = figures(deterministic=False)
    assert figures(deterministic=False) == first
    before, again, other = (first.splitlines()[number].split() for number in (0, 2, 3))
    assert before[0] == again[0]
    assert {before[0], before[1]}.isdisjoint(other)
    assert again[1] == "False"


def test_deterministic_mode_gives_them_whatever_the_settings() -> None:
    first = figures()
    contrary = {"OMP_NUM_THREADS": "5", "ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "AVX2"}
    assert figures(**contrary) == first
    lines = first.splitlines()
    assert lines[0].endswith(" 1")  # thread
    assert lines[2].endswith(" True")


def test_deterministic_mode_that_comes_too_late_says_so() -> None:
    done = run("import torch, lab; lab.seed(0); lab.seed(0, deterministic=True)")
    assert "comes too late" in done.stderr
    assert "restart the kernel" in done.stderr


@pytest.mark.parametrize("value", [-1, 1 << 32, 1.5, "1", None, True])
def test_seed_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(LabError, match="There is no seed"):
        lab.seed(value)  # type: ignore[arg-type]


def test_seed_may_be_a_whole_number_of_numpy() -> None:
    code = "import lab, numpy as np; lab.seed({}); import torch; print(float(torch.rand(1)))"
    assert run(code.format("np.int64(2)")).stdout == run(code.format("2")).stdout != ""


def test_kernels_are_chosen_where_the_processor_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch takes kernels for AVX2 without looking whether there is one."""
    (tmp_path / "proc").mkdir()
    cpuinfo = tmp_path / "proc" / "cpuinfo"
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert "ATEN_CPU_CAPABILITY" not in deterministic_variables(tmp_path)
    cpuinfo.write_text("flags : sse2 avx\n")
    assert "ATEN_CPU_CAPABILITY" not in deterministic_variables(tmp_path)
    cpuinfo.write_text("flags : sse2 avx avx2 fma\n")
    assert deterministic_variables(tmp_path).items() >= ACROSS_PROCESSORS.items()
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert deterministic_variables(tmp_path).keys() == {"CUBLAS_WORKSPACE_CONFIG"}
