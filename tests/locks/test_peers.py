"""nvitop and gpustat, made from their lock: what `inv gpu` is held beside."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import MakeDriver
from tests.nvml import scenarios

pytestmark = [pytest.mark.host, pytest.mark.driver]


def run(program: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *words], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "COLUMNS": "100", **variables},
    )  # fmt: skip


def test_peers_read_the_simulated_driver(peers: Path, make_driver: MakeDriver) -> None:
    driver = make_driver(scenarios.healthy(8))
    done = run(peers / "gpustat", "--json", **driver.variables)
    gpus = json.loads(done.stdout)["gpus"]
    assert [gpu["utilization.gpu"] for gpu in gpus] == [98] * 4 + [0] * 4
    done = run(peers / "nvitop", "-1", **driver.variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("H100 80GB HBM3") == 8


def test_peers_say_that_a_driver_is_missing(peers: Path, tmp_path: Path) -> None:
    """They start without one: what they say is of the driver, not of a package."""
    (tmp_path / "libnvidia-ml.so.1").write_text("no library")
    for words in (("gpustat", "--json"), ("nvitop", "-1")):
        done = run(peers / words[0], *words[1:], LD_LIBRARY_PATH=str(tmp_path))
        assert done.returncode == 1
        assert "NVML" in done.stderr or "NVIDIA" in done.stderr
