"""The lab's own gradient checks on a real GPU."""

import json
from pathlib import Path

import pytest

from tests.conftest import CommandLine

pytestmark = pytest.mark.gpu


def test_all_own_checks_pass_on_both_devices(state: Path) -> None:
    done = CommandLine(state=state)("autograd", "--device", "cuda", "--engine", "host", "--json")
    assert done.code == 0, done.err
    results = json.loads(done.out)["results"]
    checks = {
        device: {(r["name"], r["mode"]) for r in results if r["device"].startswith(device)}
        for device in ("cpu", "cuda")
    }
    assert checks["cpu"] == checks["cuda"]
    assert all(result["report"]["ok"] for result in results)


def test_a_wrong_gradient_on_the_gpu_is_found(state: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "import torch\n"
        "class Twice(torch.autograd.Function):\n"
        "    @staticmethod\n"
        "    def forward(ctx, x):\n"
        "        ctx.save_for_backward(x)\n"
        "        return (x ** 2).sum()\n"
        "    @staticmethod\n"
        "    def backward(ctx, grad):\n"
        "        (x,) = ctx.saved_tensors\n"
        "        return -2 * grad * x\n",
        encoding="utf-8",
    )
    done = CommandLine(state=state)(
        "autograd", "--target", f"{wrong}:Twice", "--shapes", "2000", "--device", "cuda",
        "--engine", "host", "--json",
    )  # fmt: skip
    assert done.code == 3, done.err
    (result,) = json.loads(done.out)["results"]
    assert result["device"].startswith("cuda")
    assert [finding["cause"] for finding in result["report"]["findings"]] == ["wrong_sign"]
