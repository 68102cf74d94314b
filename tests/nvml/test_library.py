"""The simulated driver, asked by the real nvidia-ml-py: each question in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeDriver
from tests.nvml import scenarios
from tests.nvml.library import Driver, build

pytestmark = pytest.mark.driver

_BEGIN = """
import json, os, threading, time
import pynvml
from pynvml import *

def code(function, *arguments):
    try:
        function(*arguments)
    except NVMLError as error:
        return error.value
    return 0

def scenario(change):
    path = os.environ["NVML_SCENARIO"]
    data = json.load(open(path))
    change(data)
    json.dump(data, open(path + ".new", "w"))
    os.replace(path + ".new", path)
"""
Ask = Callable[[Driver, str], Any]


@pytest.fixture
def ask() -> Ask:
    """Runs Python with the driver in front, and returns what it printed last, as JSON."""

    def run(driver: Driver, code: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-c", _BEGIN + code], capture_output=True, text=True, check=True,
            env={**os.environ, **driver.variables}, timeout=60,
        )  # fmt: skip
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.mark.parametrize("name", [*sorted(scenarios.well()), "sick"])
def test_scenario_can_be_read(ask: Ask, make_driver: MakeDriver, name: str) -> None:
    scenario = scenarios.sick() if name == "sick" else scenarios.well()[name]
    found = ask(make_driver(scenario), """
nvmlInit()
print(json.dumps([nvmlSystemGetDriverVersion(), nvmlDeviceGetCount()]))
""")  # fmt: skip
    assert found == ["580.65.06", len(scenario["gpus"])]


def test_values_arrive_in_nvmls_units(ask: Ask, make_driver: MakeDriver) -> None:
    found = ask(make_driver(scenarios.healthy(1)), """
nvmlInit()
h = nvmlDeviceGetHandleByIndex(0)
rows = nvmlDeviceGetRemappedRows(h)
print(json.dumps([
    nvmlDeviceGetName(h), nvmlDeviceGetPowerUsage(h), nvmlDeviceGetTemperature(h, 0),
    nvmlDeviceGetTemperatureV(h, 0), nvmlDeviceGetClockInfo(h, NVML_CLOCK_MEM),
    nvmlDeviceGetPciInfo(h).busId, nvmlDeviceGetUtilizationRates(h).memory, rows,
    nvmlDeviceGetCudaComputeCapability(h), nvmlDeviceGetTotalEccErrors(h, 0, 1),
    nvmlDeviceGetTotalEnergyConsumption(h), nvmlDeviceGetPowerManagementLimitConstraints(h),
    list(nvmlDeviceGetCpuAffinity(h, 1)), nvmlDeviceGetNvLinkRemotePciInfo(h, 1).busId,
]))
""")  # fmt: skip
    gpu = scenarios.h100(0)
    assert found == [
        gpu["Name"], gpu["PowerUsage"], gpu["Temperature"], gpu["Temperature"], 2619,
        "00000000:1B:00.0", 0, [0, 0, 0, 0], [9, 0], 3, gpu["TotalEnergyConsumption"],
        [200000, 700000], [(1 << 56) - 1], "00000000:A1:00.0",
    ]  # fmt: skip


def test_first_version_of_memory_counts_what_is_reserved_as_used(
    ask: Ask, make_driver: MakeDriver
) -> None:
    first, second, reserved = ask(make_driver(scenarios.healthy(1)), """
nvmlInit()
h = nvmlDeviceGetHandleByIndex(0)
v2 = nvmlDeviceGetMemoryInfo(h, nvmlMemory_v2)
print(json.dumps([nvmlDeviceGetMemoryInfo(h).used, v2.used, v2.reserved]))
""")  # fmt: skip
    assert first == second + reserved
    assert reserved > 0


@pytest.mark.parametrize("code", [1, 3, 4, 8, 9, 10, 11, 14, 15, 16, 17, 18, 999])
@pytest.mark.parametrize("function", ["nvmlInit_v2", "nvmlDeviceGetCount", "nvmlDeviceGetName"])
def test_error_comes_from_the_function_that_it_is_planted_in(
    ask: Ask, make_driver: MakeDriver, function: str, code: int
) -> None:
    found = ask(make_driver(scenarios.refusing(function, code)), """
got = {"nvmlInit_v2": code(nvmlInit)}
if not got["nvmlInit_v2"]:
    got["nvmlDeviceGetCount"] = code(nvmlDeviceGetCount)
    h = nvmlDeviceGetHandleByIndex(0)
    got["nvmlDeviceGetName"] = code(nvmlDeviceGetName, h)
print(json.dumps(got))
""")  # fmt: skip
    assert found[function] == code
    assert all(got in (0, code) for got in found.values())
    assert [name for name, got in found.items() if got] == [function]


def test_fault_may_begin_and_end_with_a_call(ask: Ask, make_driver: MakeDriver) -> None:
    scenario = scenarios.healthy(2)
    scenario["gpus"][1]["calls"] = {
        "nvmlDeviceGetTemperature": {"error": 15, "from_call": 3, "until_call": 4}
    }
    found = ask(make_driver(scenario), """
nvmlInit()
a, b = nvmlDeviceGetHandleByIndex(0), nvmlDeviceGetHandleByIndex(1)
print(json.dumps([[code(nvmlDeviceGetTemperature, h, 0) for _ in range(5)] for h in (a, b)]))
""")  # fmt: skip
    assert found == [[0] * 5, [0, 0, 15, 15, 0]]


def test_hang_and_delay_of_one_gpu_hold_up_no_other(ask: Ask, make_driver: MakeDriver) -> None:
    scenario = scenarios.healthy(3)
    scenario["gpus"][0]["calls"] = {"nvmlDeviceGetName": {"hang": True}}
    scenario["gpus"][1]["calls"] = {"nvmlDeviceGetName": {"latency_ms": 300}}
    found = ask(make_driver(scenario), """
nvmlInit()
handles = [nvmlDeviceGetHandleByIndex(i) for i in range(3)]
ended = {}
def name(i):
    nvmlDeviceGetName(handles[i])
    ended[i] = time.monotonic() - begun
begun = time.monotonic()
threads = [threading.Thread(target=name, args=(i,), daemon=True) for i in range(3)]
for thread in threads: thread.start()
threads[1].join()
print(json.dumps([sorted(ended), ended[1] > 0.29, ended[2] < ended[1]]), flush=True)
os._exit(0)
""")  # fmt: skip
    assert found == [[1, 2], True, True]


def test_scenario_may_change_under_a_program(ask: Ask, make_driver: MakeDriver) -> None:
    found = ask(make_driver(scenarios.healthy(2)), """
nvmlInit()
h = nvmlDeviceGetHandleByIndex(1)
before = nvmlDeviceGetTemperature(h, 0)
scenario(lambda data: data["gpus"][1].update(Temperature=77))
after = nvmlDeviceGetTemperature(h, 0)
scenario(lambda data: data["gpus"].pop())
print(json.dumps([before, after, nvmlDeviceGetCount(), code(nvmlDeviceGetTemperature, h, 0)]))
""")  # fmt: skip
    assert found == [32, 77, 1, 15]


def test_library_can_lack_functions_as_an_old_driver_does(
    ask: Ask, make_driver: MakeDriver, tmp_path: Path
) -> None:
    library = build(tmp_path / "old", scenarios.OLD_DRIVER_OMITS)
    symbols = subprocess.run(
        ["nm", "-D", "--defined-only", str(library)], capture_output=True, text=True, check=True
    ).stdout
    assert "nvmlDeviceGetMemoryInfo\n" in symbols
    assert not [name for name in scenarios.OLD_DRIVER_OMITS if f" {name}\n" in symbols]
    found = ask(make_driver(scenarios.old_driver(), library), """
nvmlInit()
h = nvmlDeviceGetHandleByIndex(0)
print(json.dumps([code(nvmlDeviceGetMemoryInfo, h, nvmlMemory_v2), code(nvmlDeviceGetMemoryInfo, h),
                  code(nvmlDeviceGetCurrentClocksEventReasons, h),
                  code(nvmlDeviceGetCurrentClocksThrottleReasons, h)]))
""")  # fmt: skip
    assert found == [13, 0, 13, 0]


def test_functions_may_be_missing_by_the_scenario(ask: Ask, make_driver: MakeDriver) -> None:
    scenario = scenarios.healthy(1) | {"functions_missing": ["nvmlDeviceGetNumFans"]}
    found = ask(make_driver(scenario), """
nvmlInit()
print(json.dumps(code(nvmlDeviceGetNumFans, nvmlDeviceGetHandleByIndex(0))))
""")  # fmt: skip
    assert found == 13


def test_instances_have_handles_of_their_own(ask: Ask, make_driver: MakeDriver) -> None:
    found = ask(make_driver(scenarios.mig()), """
nvmlInit()
h = nvmlDeviceGetHandleByIndex(0)
mig = nvmlDeviceGetMigDeviceHandleByIndex(h, 2)
print(json.dumps([
    code(nvmlDeviceGetMigDeviceHandleByIndex, h, 1), nvmlDeviceGetGpuInstanceId(mig),
    nvmlDeviceGetMemoryInfo(mig).total, nvmlDeviceIsMigDeviceHandle(mig).value,
    nvmlDeviceGetIndex(nvmlDeviceGetDeviceHandleFromMigDeviceHandle(mig)),
    code(nvmlDeviceGetUtilizationRates, h),
]))
""")  # fmt: skip
    assert found == [6, 9, 10 << 30, 1, 0, 3]


def test_broken_scenario_is_an_unknown_error(ask: Ask, make_driver: MakeDriver) -> None:
    driver = make_driver(scenarios.healthy(1))
    driver.file.write_text("{")
    assert ask(driver, "print(code(nvmlInit))") == 999
    driver.file.unlink()
    assert ask(driver, "print(code(nvmlInit))") == 999


def test_library_finds_the_scenario_beside_it(nvml_library: Path, tmp_path: Path) -> None:
    library = tmp_path / nvml_library.name
    library.write_bytes(nvml_library.read_bytes())
    driver = Driver(library, scenarios.healthy(3), tmp_path)
    variables = driver.variables
    del variables["NVML_SCENARIO"]
    done = subprocess.run(
        [sys.executable, "-c", "from pynvml import *; nvmlInit(); print(nvmlDeviceGetCount())"],
        capture_output=True, text=True, check=True, env={**os.environ, **variables},
    )  # fmt: skip
    assert done.stdout.strip() == "3"
