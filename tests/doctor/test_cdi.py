"""CDI specifications, real files, against a machine made of files."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.doctor.cdi import CdiState, check_cdi, read_cdi_state
from lab.engines.probe import read_cdi_files

DRIVER = "580.65.06"


class Machine:
    """A folder with a driver's files and the specification that names them."""

    def __init__(self, root: Path, driver: str = DRIVER) -> None:
        self.node = root / "dev" / "nvidia0"
        self.library = root / "lib" / f"libcuda.so.{driver}"
        self.cdi = root / "cdi"
        for file in (self.node, self.library):
            file.parent.mkdir()
            file.touch()
        self.cdi.mkdir()

    def write(self, name: str = "nvidia.yaml", **changes: Any) -> Path:
        content: dict[str, Any] = {
            "cdiVersion": "0.5.0",
            "kind": "nvidia.com/gpu",
            "devices": [
                {
                    "name": "all",
                    "containerEdits": {
                        "deviceNodes": [{"path": "/dev/nvidia0", "hostPath": str(self.node)}]
                    },
                }
            ],
            "containerEdits": {
                "mounts": [
                    {"hostPath": str(self.library), "containerPath": "/usr/lib/libcuda.so.1"}
                ]
            },
            **changes,
        }
        path = self.cdi / name
        path.write_text(yaml.safe_dump(content))
        return path

    def states(self) -> list[CdiState]:
        return [read_cdi_state(file) for file in read_cdi_files((str(self.cdi),))]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_cdi_that_fits_the_machine_is_fine(machine: Machine) -> None:
    machine.write()
    (state,) = machine.states()
    assert (state.devices, state.drivers, state.gone) == (("nvidia.com/gpu=all",), (DRIVER,), ())
    (found,) = check_cdi([state], DRIVER, asked=True)
    assert found.status == "ok"


def test_cdi_is_not_judged_by_a_driver_that_cannot_be_seen(machine: Machine) -> None:
    machine.write()
    assert [f.status for f in check_cdi(machine.states(), None, asked=True)] == ["ok"]


@pytest.mark.parametrize(("asked", "status"), [(True, "fail"), (False, "warn")])
def test_cdi_of_an_older_driver_is_stale(machine: Machine, asked: bool, status: str) -> None:
    path = machine.write()
    (found,) = check_cdi(machine.states(), "590.44.01", asked=asked)
    assert found.status == status
    assert DRIVER in found.seen
    assert "590.44.01" in found.seen
    assert f"nvidia-ctk cdi generate --output={path}" in found.next


@pytest.mark.parametrize("what", ["library", "node"])
def test_cdi_that_names_what_is_gone_is_stale(machine: Machine, what: str) -> None:
    machine.write()
    gone: Path = getattr(machine, what)
    gone.unlink()
    (found,) = check_cdi(machine.states(), DRIVER, asked=True)
    assert found.status == "fail"
    assert str(gone) in found.seen


def test_cdi_node_without_a_host_path_is_looked_for_at_its_own(machine: Machine) -> None:
    machine.write(containerEdits={"deviceNodes": [{"path": "/dev/no-such-nvidia"}]})
    (state,) = machine.states()
    assert state.gone == ("/dev/no-such-nvidia",)


@pytest.mark.parametrize("content", ["kind: [", "\x00", "a: b: c"])
def test_cdi_that_is_no_yaml_is_said(machine: Machine, content: str) -> None:
    path = machine.cdi / "nvidia.yaml"
    path.write_text(content)
    (found,) = check_cdi(machine.states(), DRIVER, asked=True)
    assert found.status == "fail"
    assert f"{path} cannot be read" in found.seen


def test_cdi_without_a_gpu_is_said(machine: Machine) -> None:
    machine.write(devices=[])
    (found,) = check_cdi(machine.states(), DRIVER, asked=True)
    assert (found.status, "defines no GPU" in found.seen) == ("fail", True)


@pytest.mark.parametrize(
    "edits", [None, [], "x", {"mounts": "x"}, {"mounts": [1, {"hostPath": 3}], "deviceNodes": {}}]
)
def test_cdi_with_odd_parts_is_read_for_the_rest(machine: Machine, edits: object) -> None:
    machine.write(containerEdits=edits)
    assert [f.status for f in check_cdi(machine.states(), DRIVER, asked=True)] == ["ok"]


def test_cdi_that_defines_a_gpu_twice_in_one_folder_is_said(machine: Machine) -> None:
    machine.write()
    machine.write("older.yaml")
    (found,) = check_cdi(machine.states(), DRIVER, asked=True)
    assert found.status == "fail"
    assert "older.yaml both define nvidia.com/gpu=all" in found.seen


def test_cdi_in_a_later_folder_replaces_an_earlier_one(machine: Machine) -> None:
    machine.write()
    (state,) = machine.states()
    other = CdiState(path=Path("/var/run/cdi/nvidia.yaml"), devices=state.devices)
    assert [f.status for f in check_cdi([state, other], DRIVER, asked=True)] == ["ok"]


def test_cdi_of_others_is_passed_over(machine: Machine) -> None:
    machine.write(kind="vendor.example/net")
    assert machine.states() == []
    assert check_cdi([], DRIVER, asked=True) == []
