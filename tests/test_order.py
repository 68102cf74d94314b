"""The order of the tests, and what waits for the process that runs beside."""

import fcntl
import sys
import threading
from pathlib import Path

import pytest

from lab.checks import SECOND, run_halves
from tests.order import BESIDE, UNDISTURBED, rank, wait_until_alone


def test_what_computes_comes_first_and_the_cluster_last() -> None:
    order = [set(), {"root"}, {"container", "builds"}, {"container"}, {"container", "browser"},
             {"browser", "host"}, {"container", "alone"}, {"cluster", "host"}]  # fmt: skip
    assert [rank(marks) for marks in order] == sorted(rank(marks) for marks in order)


def test_what_waits_for_the_first_half_is_none_of_it() -> None:
    marks = ("builds", "container", "browser", "notebook", "host", "alone", "cluster", "root")
    for number in range(1 << len(marks)):
        some = {mark for bit, mark in enumerate(marks) if number >> bit & 1}
        second = eval(SECOND, {mark: mark in some for mark in marks})
        assert second or rank(some) < UNDISTURBED, some


def test_what_is_alone_waits_for_the_process_beside_and_other_tests_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "lock"
    monkeypatch.setenv(BESIDE, str(lock))
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        wait_until_alone({"container"})
        waiting = threading.Thread(target=wait_until_alone, args=({"host"},))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
    waiting.join(60)
    assert not waiting.is_alive()


# Half of the tests: tells its marks and, of what is beside it, whether that has ended.
HALF = """\
import os, sys, time
sys.path.insert(0, os.environ["PYTHONPATH"])
marks = sys.argv[-1]
first = marks.startswith("not")
if not first:
    print("begun", file=open(sys.argv[1] + "/begun", "w"))
    from tests.order import wait_until_alone
    wait_until_alone({"cluster"})
else:
    while not os.path.exists(sys.argv[1] + "/begun"):
        time.sleep(0.01)
    time.sleep(0.5)  # for a second half that did not wait to show it
    print("over", file=open(sys.argv[1] + "/over", "w"))
print("first" if first else "second after the first:", *os.listdir(sys.argv[1]), flush=True)
sys.exit(int(sys.argv[2 if first else 3]))
"""


@pytest.mark.parametrize(("codes", "code"), [("00", 0), ("10", 1), ("01", 1), ("20", 2)])
def test_halves_run_side_by_side_and_what_is_alone_after_the_first(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, codes: str, code: int
) -> None:
    said: list[str] = []
    argv = [sys.executable, "-c", HALF, str(tmp_path), *codes]
    assert run_halves(argv, said.append) == code
    first, second = capfd.readouterr().out.splitlines()
    assert first.split()[0] == "first"
    assert second.startswith("second after the first:")
    assert {"begun", "over"} == set(second.split()[4:])
    assert said[0] == f"the other tests, which began at the same time ({SECOND}):"
    assert any("see above" in line for line in said) == (codes in ("10", "20"))
