"""What the kernel counts: read for real, and from files that say what they must."""

import os
import threading
import time
from pathlib import Path

import pytest

from lab.bench.counters import Counters, WaitMeter, is_busy
from tests.conftest import wait_for


def test_wait_meter_counts_what_a_thread_waited_for_its_processor() -> None:
    """Two threads that are kept to one processor: one waits while the other runs."""
    meter = WaitMeter()
    before = meter()
    assert before is not None
    core = min(os.sched_getaffinity(0))
    pid = os.fork()
    if pid == 0:  # keeps the processor busy
        os.sched_setaffinity(0, {core})
        end = time.monotonic() + 60
        while time.monotonic() < end:
            pass
        os._exit(0)
    mine = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {core})

        def waited_20_ms() -> bool:
            for _ in range(200_000):
                pass
            return (meter() or 0) - before > 20_000_000

        wait_for(waited_20_ms, "20 ms of waiting")
    finally:
        os.sched_setaffinity(0, mine)
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def test_wait_meter_follows_threads_that_come_and_go() -> None:
    meter = WaitMeter()
    for _ in range(20):
        end = threading.Event()
        thread = threading.Thread(target=end.wait)
        thread.start()
        assert meter() is not None
        end.set()
        thread.join()
        assert meter() is not None


def test_wait_meter_is_none_where_nobody_counts(tmp_path: Path) -> None:
    assert WaitMeter(tmp_path / "none")() is None
    (tmp_path / "1").mkdir()
    for text in ("", "0 0 0\n"):
        (tmp_path / "1" / "schedstat").write_text(text)
        assert WaitMeter(tmp_path)() is None
    (tmp_path / "1" / "schedstat").unlink()
    assert WaitMeter(tmp_path)() is None


def _machine(root: Path, stat: str, cpu_stat: str = "") -> Counters:
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/stat").write_text(stat)
    (root / "sys/fs/cgroup").mkdir(parents=True, exist_ok=True)
    (root / "sys/fs/cgroup/cpu.stat").write_text(cpu_stat)
    return Counters.read(root)


def line(stolen: int) -> str:
    """The lines of the processors that this process may use; the first is the sum of all."""
    each = "".join(f"cpu{n} 100 0 0 100 0 0 0 {stolen} 0 0\n" for n in os.sched_getaffinity(0))
    return f"cpu  0 0 0 0 0 0 0 0 0 0\n{each}"


def test_stolen_and_throttled_time_disturb_a_block(tmp_path: Path) -> None:
    before = _machine(tmp_path, line(stolen=10), "throttled_usec 1000\n")
    stolen = _machine(tmp_path, line(stolen=60), "throttled_usec 1000\n")
    held = _machine(tmp_path, line(stolen=10), "throttled_usec 900000\n")
    assert before.disturbance(stolen) == "stolen"
    assert before.disturbance(held) == "throttled"
    assert before.disturbance(before) is None


@pytest.mark.parametrize("stat", ["", "cpu  what is this\n", "intr 1 2 3\n"])
def test_machine_that_tells_nothing_is_no_foreign_load(tmp_path: Path, stat: str) -> None:
    before, after = _machine(tmp_path, stat), _machine(tmp_path, stat)
    assert before.foreign_share(after) is None
    assert not is_busy(None)


def test_foreign_share_leaves_out_what_this_process_used() -> None:
    processors = len(os.sched_getaffinity(0))
    before = Counters(wall_s=0, own_s=0, busy_s=0, stolen_s=0, throttled_s=0)
    after = Counters(wall_s=10, own_s=8, busy_s=8 + 5 * processors, stolen_s=0, throttled_s=0)
    assert before.foreign_share(after) == pytest.approx(0.5)
