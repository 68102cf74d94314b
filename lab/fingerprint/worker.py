"""The process that computes: `python -m lab.fingerprint.worker DEVICE [MODE]` prints a Fingerprint.

A process of its own: the variables of the deterministic mode are read when torch is loaded."""

import hashlib
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from lab import told
from lab.fingerprint.computations import COMPUTATIONS, Computation
from lab.records.receipt import Computed, Fingerprint
from lab.seeding import seed

if TYPE_CHECKING:
    from torch import Tensor

_VALUES = 24


def compute(device: str, mode: Literal["ordinary", "deterministic"]) -> Fingerprint:
    """Compute everything on a device: `cpu` or `cuda`."""
    seed(0, deterministic=mode == "deterministic")
    import torch

    torch.backends.cudnn.allow_tf32 = False  # convolutions would keep 10 bits of 23
    threads = torch.get_num_threads()
    return Fingerprint(
        device=device, mode=mode, processor=_processor(device), threads=threads,
        capability=str(torch.backends.cpu.get_cpu_capability()).lower(),
        results=[computed(item, device) for item in COMPUTATIONS],
    )  # fmt: skip


def computed(item: Computation, device: str) -> Computed:
    """Run one computation, and keep its hash and some of its numbers."""
    result = item.run(device).detach().cpu().contiguous()
    return Computed(
        name=item.name, bound=item.tolerance is None, tolerance=item.tolerance,
        sha256=digest(result), values=some(result),
    )  # fmt: skip


def digest(result: "Tensor") -> str:
    """SHA-256 over dtype, shape and every byte, in hexadecimal."""
    head = f"{result.dtype} {tuple(result.shape)} {sys.byteorder} ".encode()
    return hashlib.sha256(head + result.numpy().tobytes()).hexdigest()


def some(result: "Tensor") -> list[float | None]:
    """A few numbers of a result, evenly spaced, the largest in size and the last among them."""
    flat = result.flatten().double()
    step = max(1, len(flat) // (_VALUES - 2))
    picked = flat[::step][: _VALUES - 2]
    return [float(x) for x in (*picked, flat[flat.abs().argmax()], flat[-1])]


def _processor(device: str) -> str:
    if device != "cpu":
        import torch

        return str(torch.cuda.get_device_name())
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    facts = dict(line.replace("\t", "").partition(":")[::2] for line in lines if ":" in line)
    names = ("model name", "cpu family", "model")
    found = [facts[name].strip() for name in names if name in facts]
    if len(found) < len(names):
        return platform.processor() or platform.machine()
    return f"{found[0]} (family {found[1]}, model {found[2]})"


def main() -> None:
    """Compute, and tell."""
    tell = told.own_output()
    device, mode = sys.argv[1], "deterministic" if "deterministic" in sys.argv[2:] else "ordinary"
    tell(compute(device, msgspec.convert(mode, type=Literal["ordinary", "deterministic"])))


if __name__ == "__main__":
    main()
