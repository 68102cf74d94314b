"""Room on disk: for the image, for the environment on the host, for what the lab itself keeps."""

from dataclasses import dataclass
from pathlib import Path

from lab.doctor.words import size
from lab.engines.probe import EngineState
from lab.image.failure import NEEDED_BYTES
from lab.records.doctor import Finding

# The environment on the host: the packages unpacked, and uv's cache, often on the same disk.
ENVIRONMENT_BYTES = {"cpu": 3_000_000_000, "cuda": 10_000_000_000}
# Logs, sessions and the runner's own environment (60 MB).
STATE_BYTES = 200_000_000


@dataclass(frozen=True, kw_only=True)
class Room:
    """Free bytes for this user on the disk that holds a folder."""

    folder: Path
    free_bytes: int


def measure_room(folder: Path) -> Room | None:
    """Free room where a folder is, or would be made; None where no part of the path exists."""
    import psutil

    place = next((p for p in (folder, *folder.parents) if _exists(p)), None)
    if place is None:
        return None
    return Room(folder=folder, free_bytes=int(psutil.disk_usage(str(place)).free))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (
        PermissionError
    ):  # a folder around it is closed to this user: its own disk is near enough
        return False


def image_folders(state: EngineState, containerd: Path = Path("/var/lib/containerd")) -> list[Path]:
    """Where an engine's images are; empty where it keeps them in a machine of its own.

    Docker with containerd's store keeps them in its own root when it started containerd itself, and
    in containerd's root when the system did.
    """
    root = Path(state.root_folder)
    if not state.root_folder or not _exists(root):
        return []
    if state.image_store != "containerd" or _exists(root / "containerd") or not _exists(containerd):
        return [root]
    return [root, containerd]


def check_image_room(rooms: list[Room], device: str, *, built: bool) -> Finding:
    """Say whether the engine's disk takes the image.

    Args:
        rooms: of the folders that hold images.
        device: `cpu` or `cuda`; the image for CUDA is much larger.
        built: whether the engine has the image already.
    """
    if not rooms:
        return Finding(
            name="disk-images",
            status="unknown",
            seen="the engine keeps images where this machine cannot see",
            why=f"the {device} image needs about {size(NEEDED_BYTES[device])} there",
            next=(
                "see the engine's own figures (Docker Desktop: Settings, Resources, Disk usage;"
                " podman machine ssh df)"
            ),
        )
    least = min(rooms, key=lambda room: room.free_bytes)
    return _judge("disk-images", least, NEEDED_BYTES[device], f"the {device} image", here=built)


def check_state_room(room: Room, device: str, *, on_host: bool, made: bool) -> Finding:
    """Say whether the lab's own folder has room.

    Args:
        room: of that folder.
        device: what the environment is for.
        on_host: whether the lab's environment is made there.
        made: whether it is there already.
    """
    if on_host:
        needed, what = ENVIRONMENT_BYTES[device], f"the lab's {device} environment"
        return _judge("disk-state", room, needed, what, here=made)
    return _judge("disk-state", room, STATE_BYTES, "the lab's logs and sessions", here=False)


def _judge(name: str, room: Room, needed_bytes: int, what: str, *, here: bool) -> Finding:
    seen = f"{size(room.free_bytes)} free for {room.folder}"
    if room.free_bytes >= needed_bytes:
        return Finding(name=name, status="ok", seen=seen)
    there = f"; {what} is there already, but could not be made anew" if here else ""
    return Finding(
        name=name,
        status="warn" if here else "fail",
        seen=seen,
        why=f"{what} needs about {size(needed_bytes)}{there}",
        next=_REMEDIES[name],
    )


_REMEDIES = {
    "disk-images": (
        "free some: `docker system df` shows what there is, `docker builder prune` drops"
        " build caches (Podman: system prune); or move its root folder to a larger disk"
    ),
    "disk-state": "free some, or name a folder on a larger disk: LAB_STATE=/path ./inv doctor",
}
