import threading

import pytest

from lab.doctor.deadline import Check, Found, run_checks, start
from lab.records.doctor import Finding


def ok(name: str) -> Finding:
    return Finding(name=name, status="ok", seen="fine")


def crash() -> Found:
    raise KeyError("missing key")


def test_run_checks_keeps_their_order() -> None:
    later = threading.Event()

    def first() -> Found:
        assert later.wait(10)  # ends after the second has run: they run side by side
        return ok("first")

    def second() -> Found:
        later.set()
        return [ok("second"), ok("third")]

    checks = [
        Check(name="a", run=first),
        Check(name="b", run=second),
        Check(name="c", run=lambda: None),
    ]
    found = run_checks(checks, deadline_s=20)
    assert [finding.name for finding in found] == ["first", "second", "third"]


def test_run_checks_tells_of_one_that_crashes_and_goes_on() -> None:
    found = run_checks(
        [Check(name="gpu", run=crash), Check(name="port", run=lambda: ok("port"))], deadline_s=20
    )
    assert [(f.name, f.status) for f in found] == [("gpu", "unknown"), ("port", "ok")]
    assert "KeyError: 'missing key'" in found[0].seen


def test_run_checks_gives_up_one_that_hangs() -> None:
    release = threading.Event()

    def hang() -> Found:
        release.wait()
        return ok("work")

    found = run_checks(
        [Check(name="work", run=hang), Check(name="port", run=lambda: ok("port"))], deadline_s=0.2
    )
    release.set()
    assert [(f.name, f.status) for f in found] == [("work", "unknown"), ("port", "ok")]
    assert "no answer within 0.2 s" in found[0].seen


def test_run_checks_tells_a_time_out_inside_a_check_from_its_own() -> None:
    def time_out() -> Found:
        raise TimeoutError("the socket was slow")

    (found,) = run_checks([Check(name="port", run=time_out)], deadline_s=20)
    assert "TimeoutError: the socket was slow" in found.seen


def test_start_hands_on_what_the_function_raised() -> None:
    with pytest.raises(KeyError):
        start(crash).result(timeout=10)


def test_start_keeps_no_program_from_ending() -> None:
    release = threading.Event()
    names = {thread.name for thread in threading.enumerate()}
    start(release.wait)
    (new,) = [thread for thread in threading.enumerate() if thread.name not in names]
    release.set()
    assert new.daemon
