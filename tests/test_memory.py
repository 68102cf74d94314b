from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.memory import available_bytes, cgroup_limits
from lab.records.bench import CgroupLimits

GB = 10**9
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "35 31 0:32 / /sys/fs/cgroup/{name} rw,relatime shared:9 - cgroup cgroup rw,{name}\n"


class Machine:
    """A tree with /proc and /sys."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, path: str, text: object) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")

    def has(self, *, groups: str, mounts: str, free_kb: int | None = 64_000_000) -> None:
        self.put("proc/self/cgroup", groups)
        self.put("proc/self/mountinfo", mounts)
        if free_kb is not None:
            self.put("proc/meminfo", f"MemTotal: 99 kB\nMemAvailable:   {free_kb} kB")

    def group(self, path: str, **files: object) -> None:
        for name, text in files.items():
            self.put(f"sys/fs/cgroup/{path}/{name.replace('__', '.')}", text)

    @property
    def limits(self) -> CgroupLimits:
        return cgroup_limits(self.root)

    @property
    def free(self) -> int | None:
        return available_bytes("cpu", root=self.root)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_machine_without_limits_gives_what_it_has(machine: Machine) -> None:
    machine.has(groups="0::/user.slice", mounts=V2)
    machine.group("user.slice", memory__max="max", cpu__max="max 100000")
    assert machine.limits == CgroupLimits()
    assert machine.free == 64_000_000 * 1024


def test_least_limit_on_the_way_up_counts(machine: Machine) -> None:
    machine.has(groups="0::/job/step", mounts=V2)
    machine.group("job/step", memory__max="max", cpu__max="400000 100000")
    machine.group("job", memory__max=8 * GB, cpu__max="150000 100000")
    machine.group("", memory__max=20 * GB)
    assert machine.limits == CgroupLimits(cpus=1.5, memory_bytes=8 * GB)


def test_group_leaves_its_limit_without_what_it_uses_for_good(machine: Machine) -> None:
    """Files that were read count as used, but make room for whoever needs it."""
    machine.has(groups="0::/job", mounts=V2)
    machine.group("job", memory__max=8 * GB, memory__current=5 * GB)
    assert machine.free == 3 * GB
    machine.group("job", memory__stat=f"anon 7\ninactive_file {4 * GB}\nactive_file 9")
    assert machine.free == 7 * GB


def test_machines_own_memory_counts_if_it_is_less(machine: Machine) -> None:
    machine.has(groups="0::/job", mounts=V2, free_kb=1000)
    machine.group("job", memory__max=8 * GB, memory__current=0)
    assert machine.free == 1_024_000


def test_group_over_its_limit_leaves_nothing(machine: Machine) -> None:
    machine.has(groups="0::/job", mounts=V2)
    machine.group("job", memory__max=GB, memory__current=2 * GB)
    assert machine.free == 0


def test_version_1_is_read_by_its_controllers(machine: Machine) -> None:
    machine.has(
        groups="6:freezer:/\n5:cpu,cpuacct:/x\n4:memory:/x\n0::/",
        mounts=V1.format(name="memory") + V1.format(name="cpu") + V1.format(name="freezer"),
    )
    machine.group("freezer", memory__limit_in_bytes=1)
    machine.group("memory", memory__limit_in_bytes=9223372036854771712)  # no limit
    machine.group(
        "memory/x", memory__limit_in_bytes=3 * GB, memory__usage_in_bytes=2 * GB,
        memory__stat=f"cache 1\ntotal_inactive_file {GB // 2}",
    )  # fmt: skip
    machine.group("cpu", cpu__cfs_quota_us=-1, cpu__cfs_period_us=100_000)
    machine.group("cpu/x", cpu__cfs_quota_us=250_000, cpu__cfs_period_us=100_000)
    assert machine.limits == CgroupLimits(cpus=2.5, memory_bytes=3 * GB)
    assert machine.free == GB + GB // 2


def test_version_1_in_a_container_without_a_namespace_of_its_own(machine: Machine) -> None:
    """/proc/self/cgroup has the host's path, of which the container sees the end alone."""
    mount = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
    machine.has(groups="4:memory:/docker/abc", mounts=mount)
    machine.group("memory", memory__limit_in_bytes=2 * GB, memory__usage_in_bytes=0)
    assert machine.limits.memory_bytes == 2 * GB
    machine.put("proc/self/cgroup", "4:memory:/docker/abc/inner")
    machine.group("memory/inner", memory__limit_in_bytes=GB, memory__usage_in_bytes=0)
    assert machine.free == GB


def test_container_with_a_namespace_of_its_own(machine: Machine) -> None:
    machine.has(groups="0::/", mounts=V2)
    machine.group("", memory__max=2 * GB, memory__current=0, cpu__max="50000 100000")
    assert machine.limits == CgroupLimits(cpus=0.5, memory_bytes=2 * GB)


def test_group_outside_of_what_is_mounted_is_judged_by_the_mount(machine: Machine) -> None:
    machine.has(groups="0::/../sibling", mounts=V2)
    machine.group("", memory__max=2 * GB)
    assert machine.limits.memory_bytes == 2 * GB


def test_part_of_another_group_that_is_mounted_too_does_not_count(machine: Machine) -> None:
    other = "36 31 0:26 /other /mnt/other rw - cgroup2 cgroup2 rw\n"
    machine.has(groups="0::/job", mounts=other + V2)
    machine.put("mnt/other/memory.max", 1)
    machine.group("job", memory__max=2 * GB)
    assert machine.limits.memory_bytes == 2 * GB


def test_hybrid_machine_has_version_2_elsewhere(machine: Machine) -> None:
    unified = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    machine.has(groups="4:memory:/x\n0::/y", mounts=V1.format(name="memory") + unified)
    machine.group("memory/x", memory__limit_in_bytes=3 * GB)
    machine.group("unified/y", memory__max=2 * GB)
    assert machine.limits.memory_bytes == 2 * GB


def test_usual_places_are_tried_where_the_mounts_are_not_told(machine: Machine) -> None:
    machine.put("proc/self/cgroup", "4:memory:/x\n0::/y")
    machine.group("memory/x", memory__limit_in_bytes=3 * GB)
    machine.group("y", cpu__max="100000 100000")
    assert machine.limits == CgroupLimits(cpus=1.0, memory_bytes=3 * GB)


def test_machine_without_proc_says_nothing(machine: Machine) -> None:
    assert machine.limits == CgroupLimits()
    assert machine.free is None


@given(groups=st.text(max_size=60), mounts=st.text(max_size=60), limit=st.text(max_size=9))
def test_no_text_in_proc_raises(
    tmp_path_factory: pytest.TempPathFactory, groups: str, mounts: str, limit: str
) -> None:
    machine = Machine(tmp_path_factory.mktemp("root"))
    machine.has(groups="0::/\n" + groups.replace("\0", ""), mounts=V2 + mounts)
    machine.group("", memory__max=limit, cpu__max=limit)
    assert machine.limits is not None
    assert machine.free is not None


def test_this_machine_has_memory() -> None:
    free = available_bytes("cpu")
    assert free is not None
    assert free > 0


class FakeCuda:
    def mem_get_info(self, device: str) -> tuple[int, int]:
        assert device == "cuda:1"
        return 10 * GB, 80 * GB

    def memory_reserved(self, device: str) -> int:
        return 5 * GB

    def memory_allocated(self, device: str) -> int:
        return 2 * GB


def test_gpu_has_what_is_free_and_what_torch_keeps_for_later() -> None:
    assert available_bytes("cuda:1", torch=SimpleNamespace(cuda=FakeCuda())) == 13 * GB


def test_mac_has_what_metal_recommends_without_what_is_used() -> None:
    mps = SimpleNamespace(
        recommended_max_memory=lambda: 10 * GB, current_allocated_memory=lambda: GB
    )
    assert available_bytes("mps", torch=SimpleNamespace(mps=mps)) == 9 * GB


@pytest.mark.parametrize(
    "error", [RuntimeError("no driver"), AssertionError("not compiled with CUDA")]
)
def test_device_that_cannot_be_asked_says_nothing(error: Exception) -> None:
    def fail(device: str) -> Any:
        raise error

    torch = SimpleNamespace(cuda=SimpleNamespace(mem_get_info=fail))
    assert available_bytes("cuda", torch=torch) is None
    assert available_bytes("warp", torch=SimpleNamespace()) is None
