import os
from pathlib import Path

import pytest

from lab.gpu.owners import owner

ID = "0123456789abcdef" * 4


def put(proc: Path, pid: int, **files: str) -> None:
    (proc / str(pid)).mkdir(parents=True)
    for name, text in files.items():
        (proc / str(pid) / name).write_text(text)


def test_owner_is_told_by_user_and_command(tmp_path: Path) -> None:
    put(tmp_path, 7, cmdline="python\0train.py\0--lr\0", cgroup="0::/user.slice\n")
    found = owner(7, str(tmp_path), on_host=True)
    assert found["command"] == "python train.py --lr"
    assert found["user"]
    assert "container_id" not in found


@pytest.mark.parametrize(
    "cgroup",
    [
        f"0::/system.slice/docker-{ID}.scope\n",
        f"12:pids:/docker/{ID}\n1:name=systemd:/docker/{ID}\n",
        f"0::/machine.slice/libpod-{ID}.scope/container\n",
        f"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope\n",
    ],
)
def test_owner_in_a_container_has_its_id(tmp_path: Path, cgroup: str) -> None:
    put(tmp_path, 7, cmdline="python\0", cgroup=cgroup)
    assert owner(7, str(tmp_path), on_host=True)["container_id"] == ID


def test_owner_without_a_command_line_has_its_name(tmp_path: Path) -> None:
    put(tmp_path, 7, cmdline="", comm="irq/nvidia\n")
    assert owner(7, str(tmp_path), on_host=True)["command"] == "irq/nvidia"


def test_owner_that_has_ended_is_nobody(tmp_path: Path) -> None:
    assert owner(7, str(tmp_path), on_host=True) == {}


def test_owner_is_believed_in_a_container_only_where_it_has_the_gpu_open(tmp_path: Path) -> None:
    """The number may be the host's, and here another process's."""
    put(tmp_path, 7, cmdline="sh\0", maps="00-01 r-xp /usr/bin/dash\n")
    put(tmp_path, 8, cmdline="python\0", maps="00-01 rw-s /dev/nvidia0\n")
    assert owner(7, str(tmp_path), on_host=False) == {}
    assert owner(8, str(tmp_path), on_host=False)["command"] == "python"


def test_own_process_is_known_by_itself() -> None:
    assert owner(os.getpid(), on_host=True)["user"]
