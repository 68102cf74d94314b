"""What is made of the checks of gradients on many nodes."""

from pathlib import Path

import pytest

from lab.cluster.look import Jobs
from lab.cluster.merge import merge
from lab.records.autograd import AutogradReport, CaseResult, CheckReport, Finding
from lab.render.cluster import cluster_text
from tests.cluster.samples import Run

FOUR = ("n1", "n2", "n3", "n4")


def check(name: str = "softmax", *, wrong: bool = False) -> CaseResult:
    finding = Finding(cause="wrong_factor", input=0, message="input 0: it is twice as large")
    kink = Finding(cause="kink", input=0, message="a kink", harmless=True)
    return CaseResult(
        name=name, mode="first", device="cpu",
        report=CheckReport(
            ok=not wrong, findings=(kink, finding) if wrong else (kink,), evaluations=9,
            duration_s=0.1, seed=0,
        ),
    )  # fmt: skip


def checked(*results: CaseResult) -> AutogradReport:
    return AutogradReport(
        ok=all(result.report.ok for result in results), torch_version="2.13.0", seed=0,
        results=list(results), duration_s=1.0,
    )  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run", *FOUR, kind="autograd")


def test_node_whose_arithmetic_is_wrong_is_named_with_the_check(run: Run) -> None:
    for node in FOUR[:3]:
        run.done(node, checked(check(), check("norm")))
    run.done("n4", checked(check(), check("norm", wrong=True)))
    report = merge(run.folder, Jobs())
    assert [node.verdict for node in report.nodes] == ["ok", "ok", "ok", "wrong"]
    bad = report.nodes[3]
    assert (bad.state, bad.checks) == ("ok", 2)
    assert [(f.name, f.causes, f.elsewhere) for f in bad.findings] == [
        ("norm", ["wrong_factor"], 0)
    ]
    assert bad.reasons == [
        "norm, first, cpu: input 0: it is twice as large (on no other node)"
    ]  # fmt: skip
    text = cluster_text(report, width=100)
    assert "4 of 4 nodes ok; wrong: n4" in text


def test_check_that_fails_everywhere_says_so(run: Run) -> None:
    for node in FOUR:
        run.done(node, checked(check(wrong=True)))
    for node in merge(run.folder, Jobs()).nodes:
        assert node.verdict == "wrong"
        assert node.findings[0].elsewhere == 3
        assert node.reasons[0].endswith("(on 3 of the 3 others too)")
