"""A run over several processes, with processes that follow a script, and with real ones."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from lab.bench.case import discover
from lab.bench.messages import CaseRequest, MeasureRequest, NotRun, Ready, Sampled, Step, Warmed
from lab.bench.run import Plan, Run
from lab.errors import LabError
from lab.process import Conversation
from lab.records.bench import BenchReport, Environment

MATMUL = CaseRequest(name="matmul", params={"size": 64, "dtype": "float32", "cache": "hot"})

# Says what it is given as arguments, after it has written its request to the first of them.
ACTOR = """
import sys
open(sys.argv[1], "a").write(sys.stdin.readline())
for line in sys.argv[3:]:
    print(line, flush=True)
sys.stderr.write("last words\\n")
sys.exit(int(sys.argv[2]))
"""


class Silent:
    """Progress that nobody watches."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step(
        self, done: int, total: int, text: str, cases: dict[str, tuple[int, int]] | None = None
    ) -> None:
        assert all(found <= wanted for found, wanted in (cases or {}).values())
        assert 0 <= done <= total

    def message(self, text: str) -> None:
        self.lines.append(text)


def plan(*cases: CaseRequest, processes: int = 2, budget_s: float = 60, **more: object) -> Plan:
    return Plan(
        cases=cases, device="cpu", level="quick", processes=processes, budget_s=budget_s,
        precision=0.05, seed=1, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def actor(heard: Path, *messages: msgspec.Struct, code: int = 0) -> Callable[[], Conversation]:
    lines = [msgspec.json.encode(message).decode() for message in messages]
    return lambda: Conversation([sys.executable, "-c", ACTOR, str(heard), str(code), *lines])


def run_with(start: Callable[[], Conversation], made: Plan, keep: Callable = lambda r: None) -> Run:
    run = Run(plan=made, start=start, show=Silent(), complete=lambda environment: environment)
    run.everything(keep)
    return run


def requests(heard: Path) -> list[MeasureRequest]:
    return [
        msgspec.json.decode(line, type=MeasureRequest) for line in heard.read_text().splitlines()
    ]


READY = Ready(environment=Environment(torch="2.13.0"))
WARMED = Warmed(index=0, calls=7, steady=True, flop_per_call=100.0)


def sampled(number: int) -> Sampled:
    return Sampled(
        index=0, round=number, samples_s=[0.007] * 5, at_s=[0.1] * 5, disturbances=[None] * 5
    )


def test_later_processes_take_as_many_calls_as_the_first_found(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    rounds = [sampled(number) for number in range(8)]
    run = run_with(actor(heard, READY, WARMED, *rounds), plan(MATMUL, processes=3))
    assert [request.cases[0].calls for request in requests(heard)] == [0, 7, 7]
    assert [request.process for request in requests(heard)] == [0, 1, 2]
    report = run.report("done")
    assert report.processes == 3
    assert report.environment.torch == "2.13.0"
    (case,) = report.cases
    assert len(case.samples_s) == 3 * 8 * 5
    assert case.median_s == pytest.approx(0.001)
    assert case.throughput_flop_per_s == pytest.approx(1e5)
    assert case.verdict == "ok"


def test_time_is_shared_among_the_processes(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    run_with(actor(heard, READY), plan(MATMUL, processes=3, budget_s=90))
    budgets = [request.budget_s for request in requests(heard)]
    # Each process has an equal part of what is left: these end at once, and leave theirs to the
    # next.
    assert budgets == pytest.approx([30, 45, 90], rel=0.1)


def test_what_there_is_is_kept_after_each_process(tmp_path: Path) -> None:
    kept: list[BenchReport] = []
    run_with(actor(tmp_path / "heard", READY, WARMED, sampled(0)), plan(MATMUL), kept.append)
    assert [report.ended for report in kept] == ["running", "running"]
    assert [len(report.cases[0].samples_s) for report in kept] == [5, 10]


def test_process_that_is_killed_costs_its_own_samples_alone(tmp_path: Path) -> None:
    run = run_with(
        actor(tmp_path / "heard", READY, WARMED, sampled(0), code=137), plan(MATMUL, processes=2)
    )
    report = run.report("done")
    assert len(report.cases[0].samples_s) == 10
    assert len(report.problems) == 2
    assert "it was killed" in report.problems[0]


def test_half_a_line_costs_nothing_but_itself(tmp_path: Path) -> None:
    lines = [msgspec.json.encode(m).decode() for m in (READY, WARMED, sampled(0), sampled(1))]
    lines[2] = lines[2][:40]
    heard = str(tmp_path / "heard")
    run = run_with(
        lambda: Conversation([sys.executable, "-c", ACTOR, heard, "137", *lines]),
        plan(MATMUL, processes=1),
    )
    assert len(run.report("done").cases[0].samples_s) == 5


def test_case_that_a_later_process_could_not_run_keeps_its_samples(tmp_path: Path) -> None:
    short = NotRun(index=0, reason="not enough memory", too_large=True)
    start = actor(tmp_path / "heard", READY, WARMED, sampled(0), short)
    run = run_with(start, plan(MATMUL, processes=1, sizes_chosen=True))
    (case,) = run.report("done").cases
    assert case.samples_s
    assert case.median_s is not None


def test_nothing_measured_is_an_error_with_the_last_words(tmp_path: Path) -> None:
    with pytest.raises(LabError) as refused:
        run_with(actor(tmp_path / "heard", code=1), plan(MATMUL))
    assert "last words" in refused.value.why


def test_size_that_was_asked_for_and_does_not_fit_is_an_error(tmp_path: Path) -> None:
    large = NotRun(index=0, reason="it needs 9 TB of memory", too_large=True)
    start = actor(tmp_path / "heard", READY, large)
    with pytest.raises(LabError) as refused:
        run_with(start, plan(MATMUL, sizes_chosen=True))
    assert "size 64" in refused.value.what
    assert refused.value.why == "it needs 9 TB of memory"
    report = run_with(start, plan(MATMUL)).report("done")
    assert (report.cases[0].verdict, report.cases[0].reason) == ("not_run", large.reason)


def test_steps_beyond_the_time_are_shown_as_the_end(tmp_path: Path) -> None:
    late = Step(text="preparing", done=1e6, total=60.0)
    run_with(actor(tmp_path / "heard", READY, late), plan(MATMUL))


def worker() -> Conversation:
    return Conversation([sys.executable, "-m", "lab.bench.worker"])


def test_real_process_measures_and_what_it_says_is_whole() -> None:
    run = run_with(
        worker, plan(MATMUL, usual("memory"), usual("transfer"), processes=1, budget_s=12)
    )
    report = run.report("done")
    product, copy, transfer = report.cases
    assert transfer.verdict == "not_run"
    assert transfer.reason
    for case in (product, copy):
        assert case.verdict != "not_run", case.reason
        count = len(case.samples_s)
        assert count > 0
        for each in (case.clean, case.process, case.round, case.at_s):
            assert len(each) == count
        assert min(case.samples_s) > 0
        assert case.calls_per_sample >= 1
    assert product.flop_per_call == 2 * 64**3
    environment = report.environment
    assert environment.torch
    assert environment.cpu is not None
    assert environment.threads
    document = json.loads(msgspec.json.encode(report))
    assert document["schema"] == "lab/bench/1"
    assert msgspec.convert(document, BenchReport) == report


def test_process_ends_when_its_input_does() -> None:
    conversation = worker()
    conversation.tell(
        msgspec.json.encode(
            MeasureRequest(
                cases=[MATMUL], device="cpu", seed=1, process=0, budget_s=600, precision=0.0
            )
        ).decode()
    )  # fmt: skip
    assert "ready" in next(conversation.lines())
    ended = conversation.end(patience_s=20)
    assert ended.code == 1


def test_case_that_fails_costs_the_others_nothing() -> None:
    wrong = CaseRequest(name="matmul", params={"size": 64, "dtype": "no-such", "cache": "hot"})
    report = run_with(worker, plan(wrong, MATMUL, processes=1, budget_s=8)).report("done")
    assert report.cases[0].verdict == "not_run"
    assert report.cases[0].reason is not None
    assert "it failed" in report.cases[0].reason
    assert report.cases[1].samples_s


def usual(name: str) -> CaseRequest:
    """The first combination of a case that `--quick` runs."""
    return CaseRequest(name=name, params=next(iter(discover()[name].grid("quick", "cpu"))))
