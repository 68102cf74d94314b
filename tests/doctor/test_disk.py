from pathlib import Path

import pytest

from lab.doctor.disk import (
    ENVIRONMENT_BYTES,
    STATE_BYTES,
    Room,
    check_image_room,
    check_state_room,
    image_folders,
    measure_room,
)
from lab.engines.probe import EngineState
from lab.image.failure import NEEDED_BYTES


def room(free_bytes: int, folder: str = "/var/lib/docker") -> Room:
    return Room(folder=Path(folder), free_bytes=free_bytes)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize(
    ("missing_bytes", "built", "status"),
    [(0, False, "ok"), (1, False, "fail"), (1, True, "warn"), (0, True, "ok")],
)
def test_image_needs_its_room(device: str, missing_bytes: int, built: bool, status: str) -> None:
    rooms = [room(10**12), room(NEEDED_BYTES[device] - missing_bytes, "/small")]
    found = check_image_room(rooms, device, built=built)
    assert found.status == status
    assert "/small" in found.seen


def test_image_of_cuda_needs_more_than_the_disk_of_a_cpu_image() -> None:
    rooms = [room(NEEDED_BYTES["cpu"])]
    assert check_image_room(rooms, "cpu", built=False).status == "ok"
    assert check_image_room(rooms, "cuda", built=False).status == "fail"


def test_image_room_that_cannot_be_seen_is_unknown() -> None:
    assert check_image_room([], "cpu", built=False).status == "unknown"


@pytest.mark.parametrize(
    ("on_host", "device", "made", "free_bytes", "status"),
    [
        (True, "cpu", False, ENVIRONMENT_BYTES["cpu"], "ok"),
        (True, "cpu", False, ENVIRONMENT_BYTES["cpu"] - 1, "fail"),
        (True, "cuda", False, ENVIRONMENT_BYTES["cpu"], "fail"),
        (True, "cpu", True, ENVIRONMENT_BYTES["cpu"] - 1, "warn"),
        (False, "cuda", False, STATE_BYTES, "ok"),
        (False, "cpu", False, STATE_BYTES - 1, "fail"),
    ],
)
def test_state_folder_needs_room_for_the_environment_on_the_host(
    on_host: bool, device: str, made: bool, free_bytes: int, status: str
) -> None:
    found = check_state_room(room(free_bytes), device, on_host=on_host, made=made)
    assert found.status == status
    assert status == "ok" or "LAB_STATE" in found.next


def test_room_of_a_missing_folder_is_that_of_the_disk_it_would_be_on(tmp_path: Path) -> None:
    measured = measure_room(tmp_path / "not" / "yet")
    around = measure_room(tmp_path)
    assert measured is not None
    assert around is not None
    assert measured.folder == tmp_path / "not" / "yet"
    assert measured.free_bytes == pytest.approx(around.free_bytes, abs=10**9)


def test_images_are_in_containerds_root_where_the_system_started_it(tmp_path: Path) -> None:
    def folders(store: str) -> list[Path]:
        state = EngineState(
            program="docker", answers=True, image_store=store, root_folder=str(tmp_path / "docker")
        )
        return image_folders(state, tmp_path / "containerd")

    assert folders("containerd") == []  # in a machine of the engine's own
    (tmp_path / "docker").mkdir()
    assert folders("containerd") == [tmp_path / "docker"]
    (tmp_path / "containerd").mkdir()
    assert folders("containerd") == [tmp_path / "docker", tmp_path / "containerd"]
    assert folders("graphdriver") == [tmp_path / "docker"]
    (tmp_path / "docker" / "containerd").mkdir()
    assert folders("containerd") == [tmp_path / "docker"]
