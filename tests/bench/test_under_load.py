"""With every core busy no figure is called `ok`, whatever it is."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lab.bench.messages import CaseRequest
from lab.bench.run import Plan, Run
from lab.process import Conversation
from tests.bench.test_run import Silent

pytestmark = pytest.mark.alone

# Ends by itself, and with the tests.
BURN = """
import os, time
end = time.monotonic() + 120
while os.getppid() == {parent} and time.monotonic() < end:
    for _ in range(10**6):
        pass
"""


@pytest.fixture
def every_core_busy() -> Iterator[None]:
    code = BURN.format(parent=os.getpid())
    burners = [subprocess.Popen([sys.executable, "-c", code]) for _ in os.sched_getaffinity(0)]
    yield
    ended = [burner.poll() for burner in burners]
    for burner in burners:
        burner.kill()
        burner.wait()
    assert ended == [None] * len(burners)  # else the test has shown nothing


@pytest.mark.usefixtures("every_core_busy")
def test_no_figure_is_ok_while_every_core_is_busy() -> None:
    cases = [
        CaseRequest(name="matmul", params={"size": size, "dtype": "float32", "cache": "hot"})
        for size in (64, 512)
    ]
    cases.append(CaseRequest(name="launch", params={"mode": "back_to_back"}))
    plan = Plan(
        cases=cases, device="cpu", level="quick", processes=1, budget_s=15, precision=0.05, seed=1
    )
    run = Run(
        plan=plan, show=Silent(), complete=lambda environment: environment,
        start=lambda: Conversation([sys.executable, "-m", "lab.bench.worker"]),
    )  # fmt: skip
    run.everything(lambda report: None)
    for case, tally in zip(run.report("done").cases, run.tallies, strict=True):
        seen = f"{case.name}: {case.clean.count(True)} of {len(case.clean)}, {tally.foreign_shares}"
        assert case.verdict in ("contaminated", "not_converged"), seen
        assert case.reason
