"""Whether this machine can tell a difference from none: a kernel beside itself, and beside 5 %
more work."""

import math

from lab.bench.compare import LEAST_THRESHOLD, compare_paired
from lab.bench.messages import CaseRequest
from lab.bench.selftest_case import PRODUCTS, selftest
from lab.bench.statistics import CONFIDENCE, robust_deviation, t_quantile
from lab.errors import LabError
from lab.records.bench import BenchReport, CaseResult, SelfTest

SECONDS = 40.0


def selftest_cases() -> list[CaseRequest]:
    """The three kernels, to be measured side by side."""
    return [CaseRequest(name=selftest.name, params={"variant": variant}) for variant in PRODUCTS]


def judge_selftest(report: BenchReport) -> SelfTest:
    """Compare the three with each other, round by round, and tell the floor of this machine.

    Raises:
        LabError: too little of it was undisturbed to say anything.
    """
    once, again, more = report.cases
    if len(once.process_medians_s) < 2:
        raise LabError(
            "The self-test could not measure enough.",
            why=once.reason or "fewer than two processes have an undisturbed sample",
            next_step=(
                "let the machine come to rest (see `top`), then run it again; or give it a longer"
                " --budget"
            ),
        )
    same = compare_paired(again, once, LEAST_THRESHOLD)
    slower = compare_paired(more, once, LEAST_THRESHOLD)
    return SelfTest(
        started_utc=report.started_utc, duration_s=report.duration_s,
        green=same.verdict == "SAME" and slower.verdict == "SLOWER",
        same=same, slower=slower, floor_percent=floor_percent([once, again]),
        processes=report.processes, environment=report.environment, cases=report.cases,
    )  # fmt: skip


def floor_percent(cases: list[CaseResult]) -> float:
    """How far two runs of the same thing may lie apart by chance, in percent, at 95 %.

    Two runs of P processes each differ with a standard error of s * sqrt(2 / P), s being the spread
    between processes. A robust one: where one process met something rare, the comparison's own
    interval shows it, and it is no floor for all others.

    Args:
        cases: the same kernel, measured several times in at least two processes.
    """
    widest = 0.0
    for case in cases:
        logs = [math.log(value) for value in case.process_medians_s]
        quantile = t_quantile((1 + CONFIDENCE) / 2, len(logs) - 1)
        widest = max(widest, quantile * robust_deviation(logs) * math.sqrt(2 / len(logs)))
    return 100 * math.expm1(widest)
