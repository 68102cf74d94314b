"""Builds the simulated driver, and puts a scenario in front of a program.

A scenario is one JSON object:

    driver_version, nvml_version   texts
    cuda_version                   as 13000 for 13.0
    calls                          faults of all GPUs and of the library's own functions
    functions_missing              names of functions that answer "function not found"
    process_names                  {"4711": "python"}
    topology, p2p                  a row for each GPU: NVML's numbers for each pair
    gpus                           a list; each GPU is an object, see below

A GPU's keys are the names of NVML's functions without `nvmlDeviceGet`, with NVML's own units:
"PowerUsage": 312000 is in milliwatts. A key that is not there is "not supported". Where a function
gives several values the key holds an object or a list: scenarios.py has one of each. "MigDevices"
is a list of objects with the same keys (null: a slot without an instance), "NvLinks" one of {state,
version, remote_type, remote, errors}. "calls" in a GPU plants faults in that GPU alone.

A fault: {"nvmlDeviceGetTemperature": {"error": 15, "from_call": 3, "until_call": 9, "latency_ms":
50, "hang": true, "crash": true}}, each part optional; "*" stands for every function. A name without
a version stands for all of them; nvmlInit for nvmlInitWithFlags too. Calls are counted for each
function and GPU.

The file is read again whenever it changes, so a test changes things while a program runs.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parent
_NAME = "libnvidia-ml.so.1"


def build(folder: Path, omit: Sequence[str] = ()) -> Path:
    """Compile the library; returns its file.

    Args:
        folder: where to put it.
        omit: functions that it is not to have, as an old driver lacks them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "symbols.map"
    hidden = "".join(f"{name};" for name in omit)
    script.write_text("{ global: nvml*; local: " + (hidden or "") + " *; };")
    library = folder / _NAME
    subprocess.run(
        ["gcc", "-O1", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
         f"-Wl,-soname,{_NAME}", f"-Wl,--version-script={script}", "-o", str(library),
         str(SOURCES / "driver.c"), str(SOURCES / "scenario.c"), "-lcjson", "-ldl", "-lpthread"],
        check=True,
    )  # fmt: skip
    return library


def cjson() -> Path:
    """The library that reads JSON, which a container needs beside the driver."""
    listed = subprocess.run(
        ["gcc", "-print-file-name=libcjson.so.1"], capture_output=True, text=True, check=True
    ).stdout.strip()
    return Path(listed).resolve()


class Driver:
    """A simulated driver with its scenario, for programs that are started with `variables`."""

    def __init__(self, library: Path, scenario: dict[str, Any], folder: Path) -> None:
        self.library = library
        self.file = folder / "scenario.json"
        folder.mkdir(parents=True, exist_ok=True)
        self.put(scenario)

    def put(self, scenario: dict[str, Any]) -> None:
        """Change the scenario, also under a program that runs: at once and whole."""
        beside = self.file.with_suffix(".new")
        beside.write_text(json.dumps(scenario))
        beside.replace(self.file)

    @property
    def variables(self) -> dict[str, str]:
        before = os.environ.get("LD_LIBRARY_PATH")
        path = f"{self.library.parent}:{before}" if before else str(self.library.parent)
        return {"LD_LIBRARY_PATH": path, "NVML_SCENARIO": str(self.file)}


def has_compiler() -> bool:
    return shutil.which("gcc") is not None and Path("/usr/include/cjson/cJSON.h").exists()
