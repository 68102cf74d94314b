"""CDI specifications for the tests: how a real engine hands a stand-in GPU to a real container."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.nvml.library import Driver, cjson

SPEC = Path("/etc/cdi/pytorch-lab-test.json")
_LIBRARIES = "/usr/lib/x86_64-linux-gnu"
_SCENARIO = "/run/nvml"  # where the library looks


def skip_beside_others() -> None:
    """A machine with specifications of its own has a GPU of its own: leave it alone."""
    if list(Path("/etc/cdi").glob("*")) or list(Path("/var/run/cdi").glob("*")):
        pytest.skip("this machine has CDI specifications of its own")


@contextmanager
def specification(edits: dict[str, Any]) -> Iterator[Path]:
    """One that gives these edits to a container under the name nvidia.com/gpu=all."""
    skip_beside_others()
    SPEC.parent.mkdir(parents=True, exist_ok=True)
    device = {"name": "all", "containerEdits": edits}
    SPEC.write_text(
        json.dumps({"cdiVersion": "0.6.0", "kind": "nvidia.com/gpu", "devices": [device]})
    )
    try:
        yield SPEC
    finally:
        SPEC.unlink(missing_ok=True)


def edits_of(driver: Driver) -> dict[str, Any]:
    """What brings the simulated driver, with the scenario that a test may change, into a
    container."""

    def mount(source: Path, target: str) -> dict[str, Any]:
        return {"hostPath": str(source), "containerPath": target, "options": ["ro", "bind"]}

    driver.file.parent.chmod(0o755)
    return {
        "mounts": [
            mount(driver.library, f"{_LIBRARIES}/libnvidia-ml.so.1"),
            mount(cjson(), f"{_LIBRARIES}/libcjson.so.1"),
            mount(driver.file.parent, _SCENARIO),
        ],
    }
