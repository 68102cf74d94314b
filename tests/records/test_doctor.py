import msgspec
import pytest

from lab.records.doctor import DoctorReport, Finding, Status, make_report


def finding(status: Status) -> Finding:
    trouble = {} if status == "ok" else {"why": "it matters", "next": "do this"}
    return Finding(name="engine", status=status, seen="something", **trouble)


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        ([], "ok"),
        (["ok", "ok"], "ok"),
        (["ok", "warn"], "warn"),
        (["unknown", "ok"], "warn"),
        (["warn", "fail", "ok"], "fail"),
        (["unknown", "fail"], "fail"),
    ],
)
def test_verdict_is_the_worst_finding(statuses: list[Status], verdict: str) -> None:
    assert make_report([finding(status) for status in statuses]).verdict == verdict


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "warn", "seen": "x"},
        {"status": "fail", "seen": "x", "why": "y"},
        {"status": "unknown", "seen": "x", "next": "y"},
        {"status": "ok", "seen": "x", "why": "y", "next": "z"},
        {"status": "ok", "seen": ""},
    ],
)
def test_finding_refuses_trouble_without_a_remedy(fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="engine"):
        Finding(name="engine", **fields)  # type: ignore[arg-type]


def test_report_survives_its_own_json() -> None:
    report = make_report([finding("ok"), finding("fail")])
    text = msgspec.json.encode(report)
    assert msgspec.json.decode(text, type=DoctorReport) == report
    assert msgspec.json.decode(text) == {
        "schema": "lab/doctor/1",
        "verdict": "fail",
        "findings": [
            {"name": "engine", "status": "ok", "seen": "something", "why": "", "next": ""},
            {
                "name": "engine", "status": "fail", "seen": "something",
                "why": "it matters", "next": "do this",
            },
        ],
    }  # fmt: skip


def test_report_of_another_schema_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="schema"):
        msgspec.json.decode(
            b'{"schema": "lab/doctor/2", "verdict": "ok", "findings": []}', type=DoctorReport
        )
