"""What the server is told before it starts."""

from pathlib import Path

import psutil
import pytest

from lab.server.start import memory_bytes

TOTAL = psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("2147483648", 2 << 30), ("max", TOTAL), (str(TOTAL * 2), TOTAL), ("", TOTAL)],
)
def test_memory_is_the_least_of_machine_and_group(
    tmp_path: Path, limit: str, expected: int
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text(f"{limit}\n")
    assert memory_bytes(tmp_path) == expected


def test_memory_is_the_machines_where_there_are_no_groups(tmp_path: Path) -> None:
    assert memory_bytes(tmp_path) == TOTAL
