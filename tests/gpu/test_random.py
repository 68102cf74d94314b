"""A thousand machines that nobody has seen: no traceback, no hang, and a verdict for each GPU."""

import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from lab.gpu.cause import find_cause
from lab.gpu.fields import FIELDS
from lab.gpu.host import GpuHost
from lab.gpu.read import Reading
from lab.gpu.remember import Memory
from lab.gpu.report import make_report
from lab.records.gpu import GpuReport
from lab.render.gpu.prometheus import prometheus_text
from lab.render.gpu.table import gpu_text
from tests.nvml import scenarios
from tests.nvml.library import Driver

pytestmark = pytest.mark.driver

_DEADLINE_S = 0.15
_CODES = st.sampled_from([*range(1, 31), 999])
_FUNCTIONS = sorted({call[0] for field in FIELDS for call in field.calls})
_FAULTS = st.fixed_dictionaries(
    {"error": _CODES},
    optional={"from_call": st.integers(1, 5), "until_call": st.integers(1, 9),
              "latency_ms": st.integers(0, 1)},
)  # fmt: skip
_NUMBERS = st.one_of(
    st.integers(0, 200), st.integers(-5, (1 << 32) + 5), st.floats(0, 1e15), st.booleans(),
)  # fmt: skip
_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(_NUMBERS, _TEXTS, st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(
            ["total", "used", "gpu", "current", "pending", "volatile", "pid", "state", "0"]
        ), inner, max_size=4)
    ), max_leaves=6,
)  # fmt: skip
# Every value of every GPU as text takes longer than all else that is done with a machine.
_ONE_IN_TEN = st.integers(0, 9).map(lambda number: number == 7)


@st.composite
def _gpus(draw: st.DrawFn) -> dict[str, Any]:
    others = (scenarios.consumer(), scenarios.mig(), scenarios.healthy(1))
    known = [*scenarios.sick()["gpus"], *(other["gpus"][0] for other in others)]
    gpu = draw(st.sampled_from(known))
    gpu = {key: value for key, value in gpu.items() if key != "calls"}
    for key in draw(st.lists(st.sampled_from(sorted(gpu)), max_size=6)):
        gpu[key] = draw(_VALUES)
    calls = draw(st.dictionaries(st.sampled_from([*_FUNCTIONS, "*"]), _FAULTS, max_size=4))
    return gpu | {"calls": calls}


@st.composite
def _machines(draw: st.DrawFn) -> scenarios.Scenario:
    machine = scenarios.machine(*draw(st.lists(_gpus(), max_size=4)))
    machine["driver_version"] = draw(st.sampled_from(["580.65.06", "470.1", "abc", "", None, 5]))
    machine["cuda_version"] = draw(st.sampled_from([13000, 11040, 0, None]))
    machine["functions_missing"] = draw(st.lists(st.sampled_from(_FUNCTIONS), max_size=5))
    names = ["nvmlInit", "nvmlDeviceGetCount", "nvmlSystemGetDriverVersion",
             "nvmlDeviceGetHandleByIndex"]  # fmt: skip
    machine["calls"] = draw(st.dictionaries(st.sampled_from(names), _FAULTS, max_size=1))
    # One in forty: 0 would be one in three, as the ends of a range are drawn far more often.
    if machine["gpus"] and draw(st.integers(0, 39)) == 23:
        machine["gpus"][-1]["calls"] = {draw(st.sampled_from(_FUNCTIONS)): {"hang": True}}
    return machine


class _Machine:
    """One driver, whose scenario changes under a reader that goes on."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.memory = Memory()
        self.reading: Reading | None = None

    def ready(self, scenario: scenarios.Scenario) -> None:
        """Start a reader where none goes on, and where the driver's start is what is at fault."""
        if "nvmlInit" in scenario["calls"]:
            self.end()
        elif self.reading is None:
            self.read(scenarios.healthy(1))

    def read(self, scenario: scenarios.Scenario) -> Any:
        self.driver.put(scenario)
        if self.reading is None:
            self.reading = Reading(deadline_s=_DEADLINE_S)
        else:
            self.reading.again()
        return self.reading.snapshot()

    def end(self) -> None:
        if self.reading is not None:
            self.reading.__exit__(None, None, None)
            self.reading = None


@pytest.fixture(scope="module")
def machine(nvml_library: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Machine]:
    driver = Driver(nvml_library, scenarios.healthy(1), tmp_path_factory.mktemp("random"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in driver.variables.items():
            patch.setenv(name, value)
        made = _Machine(driver)
        yield made
        made.end()


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(scenario=_machines(), in_detail=_ONE_IN_TEN)
def test_any_machine_gives_a_report_or_a_cause(
    machine: _Machine, scenario: scenarios.Scenario, in_detail: bool
) -> None:
    machine.ready(scenario)
    begun = time.monotonic()
    snapshot = machine.read(scenario)
    hung = not snapshot.answers or any(g.unreadable == "no_answer" for g in snapshot.gpus)
    if hung or time.monotonic() - begun > _DEADLINE_S:
        machine.end()  # a thread of this reader may hang for good
    assert time.monotonic() - begun < 30
    if not snapshot.answers or not snapshot.gpus:
        cause = find_cause(snapshot, GpuHost(), {})
        assert cause.what
        assert cause.next
        return
    report = machine.memory.complete(make_report(snapshot))
    if len(report.gpus) > 16:  # of lost ones, which all later reports would show again
        machine.memory = Memory()
    document = msgspec.json.encode(report)
    assert msgspec.json.decode(document, type=GpuReport) == report
    assert len(report.gpus) >= len(scenario["gpus"])
    for gpu in report.gpus:
        assert (gpu.verdict == "ok") == (not gpu.reasons)
        assert all(reason.next and "{" not in reason.next for reason in gpu.reasons)
    text = gpu_text(report, width=80, details={} if in_detail else None)
    assert all(f"{gpu.index}  {gpu.verdict}" in text for gpu in report.gpus)
    assert text.isprintable() or not [c for c in text if not c.isprintable() and c != "\n"]
    assert list(text_string_to_metric_families(prometheus_text(report) + "\n"))
