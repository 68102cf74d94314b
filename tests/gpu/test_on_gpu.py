"""A real GPU, read by `inv gpu` and by nvidia-smi: every value that both give must be the same."""

import os
import subprocess
from pathlib import Path

import pytest

from lab.gpu.fields import FIELDS
from tests.conftest import CommandLine

pytestmark = pytest.mark.gpu

# What changes from one reading to the next on a GPU that does nothing; or is drawn for each reader.
_MOVES = ("power.draw", "temperature.", "utilization.", "clocks.current", "clocks_event", "pcie.")
_WORDS = {True: {"Enabled", "Yes", "Active"}, False: {"Disabled", "No", "None", "Pending: No"}}


def _same(ours: object, theirs: str) -> bool:
    if theirs.startswith("["):  # [N/A], [Not Supported]: a key that this GPU or driver has not
        return ours is None
    if isinstance(ours, bool):
        return theirs in _WORDS[ours]
    if isinstance(ours, int | float):
        return float(theirs) == pytest.approx(ours, abs=1)
    return str(ours).casefold() == theirs.casefold()


def test_every_value_that_stands_still_is_nvidia_smis(state: Path) -> None:
    done = CommandLine(state=state)("gpu", "--json")
    assert done.code in (0, 3), done.err
    gpus = done.json()["gpus"]
    assert isinstance(gpus, list)
    compared = [f for f in FIELDS if f.smi and not f.smi.startswith(_MOVES)]
    assert len(compared) > 20
    for field in compared:
        # One key at a time: a key that this nvidia-smi does not know fails the whole query.
        smi = subprocess.run(
            ["nvidia-smi", f"--query-gpu={field.smi}", "--format=csv,noheader,nounits"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if smi.returncode:
            continue
        for gpu, theirs in zip(gpus, smi.stdout.splitlines(), strict=True):
            ours = gpu[field.name]
            if field.name.endswith("_bytes") and ours is not None:
                ours = round(ours / 2**20)
            assert _same(ours, theirs.strip()), (field.smi, ours, theirs)


def test_a_program_that_holds_memory_is_told(state: Path) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this torch was built without CUDA")
    held = torch.ones(1 << 28, device="cuda")  # 1 GiB
    torch.cuda.synchronize()
    gpus = CommandLine(state=state)("gpu", "--json").json()["gpus"]
    assert isinstance(gpus, list)
    used = {p["pid"]: p["memory_bytes"] for gpu in gpus for p in gpu["processes"]}
    assert os.getpid() in used
    assert used[os.getpid()] is None or used[os.getpid()] >= held.numel() * held.element_size()
