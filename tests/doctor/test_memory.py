from pathlib import Path

import pytest

from lab.doctor.memory import (
    LEAST_MEMORY_BYTES,
    LEAST_SHM_BYTES,
    cgroup_limit_bytes,
    check_memory,
    check_shm,
    shm_bytes,
)

LARGE = 64 * 10**9


@pytest.mark.parametrize(
    ("total", "limit", "engine", "words"),
    [
        (LEAST_MEMORY_BYTES - 1, None, None, "the machine has 4.0 GB"),
        (LARGE, 2 * 10**9, None, "a cgroup limits this process to 2.0 GB"),
        (LARGE, None, 2 * 10**9, "the container engine has 2.0 GB"),
        (LARGE, 8 * 10**9, 2 * 10**9, "the container engine has 2.0 GB"),
    ],
)
def test_memory_that_is_short_is_said_by_whose_it_is(
    total: int, limit: int | None, engine: int | None, words: str
) -> None:
    found = check_memory(total, limit, engine)
    assert (found.status, found.seen.startswith(words)) == ("warn", True)


def test_memory_that_suffices_is_fine() -> None:
    assert check_memory(LEAST_MEMORY_BYTES, None, None).status == "ok"
    # a container does not count in the cgroup of the process that asks for it
    assert check_memory(LARGE, 10**9, LARGE).status == "ok"


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_cgroup_limit_is_the_least_on_the_way_up(tmp_path: Path) -> None:
    put(tmp_path / "proc/self/cgroup", "0::/user.slice/job/step\n")
    base = tmp_path / "sys/fs/cgroup"
    put(base / "user.slice/job/step/memory.max", "max\n")
    put(base / "user.slice/job/memory.max", "2000000000\n")
    put(base / "user.slice/memory.max", "8000000000\n")
    assert cgroup_limit_bytes(tmp_path) == 2_000_000_000


def test_cgroup_limit_of_version_1_is_read_too(tmp_path: Path) -> None:
    put(tmp_path / "proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/\n")
    base = tmp_path / "sys/fs/cgroup/memory"
    put(base / "memory.limit_in_bytes", "9223372036854771712\n")  # no limit
    assert cgroup_limit_bytes(tmp_path) is None
    put(base / "memory.limit_in_bytes", "3000000000\n")  # a container sees its own as the root
    assert cgroup_limit_bytes(tmp_path) == 3_000_000_000


def test_cgroup_limit_is_none_without_cgroups(tmp_path: Path) -> None:
    assert cgroup_limit_bytes(tmp_path) is None
    put(tmp_path / "proc/self/cgroup", "0::/\n")
    assert cgroup_limit_bytes(tmp_path) is None


@pytest.mark.parametrize(
    ("total", "on_host", "status"),
    [
        (64 << 20, True, "warn"),
        (LEAST_SHM_BYTES - 1, True, "warn"),
        (LEAST_SHM_BYTES, True, "ok"),
        (64 << 20, False, "ok"),
    ],
)
def test_shm_counts_on_the_host_alone(total: int, on_host: bool, status: str) -> None:
    found = check_shm(total, on_host=on_host)
    assert found is not None
    assert found.status == status


def test_shm_is_no_matter_where_there_is_none(tmp_path: Path) -> None:
    assert shm_bytes(tmp_path / "shm") is None
    assert check_shm(None, on_host=True) is None
    assert shm_bytes(tmp_path)
