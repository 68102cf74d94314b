"""The lab's image file for Apptainer, made once for all tests that run it."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

_ROOM = 6 << 30


def _in_memory() -> Mapping[str, str]:
    """Where there is memory enough, 50,000 files are unpacked and packed again there."""
    shared = Path("/dev/shm")
    roomy = shared.is_dir() and shutil.disk_usage(shared).free > _ROOM
    return {"APPTAINER_TMPDIR": str(shared)} if roomy else {}


@pytest.fixture(scope="session")
def built(state: Path) -> dict[str, Any]:
    """What `inv build --sif` says of the image file of this checkout."""
    from tests.conftest import CommandLine  # which has this as a fixture

    done = CommandLine(state=state)("build", "--sif", "--json", **_in_memory())
    assert done.code == 0, done.err
    document: dict[str, Any] = json.loads(done.out)
    return document
