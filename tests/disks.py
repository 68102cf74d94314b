"""Small file systems, to be filled."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """A small file system of its own on a folder."""
    folder.mkdir(exist_ok=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "lab-test", folder], check=True
    )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """Take all the room that a file system has left; returns the file that has it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    assert os.statvfs(folder).f_bavail == 0
    return filler


@contextmanager
def loop_mounted(folder: Path, kib: int) -> Iterator[Path]:
    """A real file system of its own in a file, without a journal, in blocks of 1 KiB."""
    folder.mkdir(parents=True, exist_ok=True)
    image = folder.with_name(f"{folder.name}.img")
    image.touch()
    os.truncate(image, kib << 10)
    words = ["mkfs.ext4", "-q", "-F", "-m", "0", "-b", "1024", "-O", "^has_journal", "-N", "2048"]
    subprocess.run([*words, image], check=True)
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        image.unlink()


def leave(folder: Path, kib: int) -> Path:
    """Take all the room of such a file system but this; returns the file that has it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        while os.statvfs(folder).f_bavail > 1:  # a server that runs there may give some back
            for part in (1 << 20, 1 << 14, 1 << 10):
                with suppress(OSError):
                    while True:
                        os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, part)
    os.truncate(filler, max(filler.stat().st_size - (kib << 10), 0))
    return filler
