"""Seeds every generator of random numbers, and makes a computation give the same bits each time."""

import os
import sys
from collections.abc import MutableMapping
from operator import index
from pathlib import Path

from lab.errors import LabError

_MOST = (1 << 32) - 1  # numpy takes no larger seed
# Each processor picks the widest kernels that it has, and adds numbers up in another order. With
# these and one thread an AMD EPYC (family 25, model 17) and an Intel Xeon (family 6, model 207)
# gave the same bits in all of lab/fingerprint but the square root, which MKL rounds otherwise on
# each.
ACROSS_PROCESSORS = {
    "MKL_CBWR": "COMPATIBLE",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
}
# https://docs.nvidia.com/cuda/cublas/#results-reproducibility
_OF_CUDA = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


def seed(value: int = 0, *, deterministic: bool = False) -> None:
    """Seed Python's, NumPy's and torch's generators, on the CPU and on every GPU.

    Args:
        value: the seed, from 0 to 2**32 - 1.
        deterministic: also have torch give the same bits in every run: one thread, no operation
            whose result depends on timing (torch raises RuntimeError where it has no other), and on
            x86-64 kernels that do not depend on the processor's model (square roots apart).
            Slower. To be called before torch is imported.

    Raises:
        LabError: the seed is none, or torch has already chosen its kernels.
    """
    whole = -1 if isinstance(value, bool) or not hasattr(value, "__index__") else index(value)
    if not 0 <= whole <= _MOST:
        raise LabError(
            f"There is no seed {value!r}.", why=f"a seed is a whole number from 0 to {_MOST}",
            next_step="pass one, such as lab.seed(0)",
        )  # fmt: skip
    if deterministic:
        _choose_kernels(os.environ)
    import random

    import numpy as np
    import torch

    random.seed(whole)
    np.random.seed(whole)
    torch.manual_seed(whole)  # of every device
    if deterministic:
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
        torch.set_num_threads(1)


def deterministic_variables(root: Path = Path("/")) -> dict[str, str]:
    """The variables that have to be set before torch is loaded, for results that repeat.

    Args:
        root: where /proc is.

    Returns:
        Those for CUDA, and on x86-64 with AVX2 those that make processors agree.
    """
    return {**(ACROSS_PROCESSORS if _has_avx2(root) else {}), **_OF_CUDA}


def _has_avx2(root: Path) -> bool:
    """Whether kernels for AVX2 run here; torch does not ask before it takes them."""
    import platform

    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    try:
        words = (root / "proc" / "cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
    return "avx2" in words and "fma" in words


def _choose_kernels(environ: MutableMapping[str, str]) -> None:
    wanted = deterministic_variables()
    missing = {name: value for name, value in wanted.items() if environ.get(name) != value}
    if missing and "torch" in sys.modules:
        raise LabError(
            "The deterministic mode comes too late.",
            why=f"torch is loaded, and took its kernels without {', '.join(missing)}",
            next_step="restart the kernel, and make lab.seed(..., deterministic=True) the first"
            " thing that runs, before torch is imported",
        )  # fmt: skip
    environ.update(missing)
