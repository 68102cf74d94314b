"""What the lab asks an engine to run, frozen: an engine turns it into a list of arguments."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Device = Literal["cpu", "cuda", "mps"]
GpuAccess = Literal["none", "cdi", "nvidia"]

# Where a student's folder appears inside a container.
WORK = "/work"
# The home of whoever runs a container: in memory, and gone with it.
HOME = "/home/student"


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A folder or file of the host, seen inside."""

    source: Path
    target: str
    read_only: bool = False


def csv_line(fields: Sequence[str]) -> str:
    """The form in which all engines take a mount: a comma or a quote in a path needs the quotes."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(fields)
    return line.getvalue().removesuffix("\n")


@dataclass(frozen=True, kw_only=True)
class LaunchRequest:
    """One command in the lab's environment.

    Args:
        command: the program and its arguments, as they are inside.
        image: name of the image; the host engine has none and passes it over.
        work: the student's folder on the host.
        user: `uid:gid` that the command runs as; empty leaves it to the image.
        device: what torch is to run on.
        gpu: how a container gets the GPU: not at all, through CDI, or through the nvidia runtime.
        gpu_name: the CDI device, by its full name.
        terminal: whether the command is given a terminal.
        stdin: whether the command reads our standard input.
        mounts: more folders than the student's.
        environment: variables set inside, as pairs.
        shm_bytes: size of /dev/shm, which the workers of a DataLoader use.
        memory_bytes: limit on memory; None sets none.
    """

    command: tuple[str, ...]
    image: str
    work: Path
    user: str = ""
    device: Device = "cpu"
    gpu: GpuAccess = "none"
    gpu_name: str = "nvidia.com/gpu=all"
    terminal: bool = False
    stdin: bool = True
    mounts: tuple[Mount, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    shm_bytes: int = 2 << 30
    memory_bytes: int | None = None
