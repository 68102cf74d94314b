"""Which driver runs which CUDA, and which GPU which wheel. Rules only: nothing is read here."""

import re
from dataclasses import dataclass
from typing import Literal

# What torch's wheel in docker/locks/cuda.txt was built for: torch.version.cuda and
# torch.cuda.get_arch_list() of 2.13.0+cu130.
WHEEL_CUDA = (13, 0)
WHEEL_ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")

# CUDA and the least Linux driver that brings it: NVIDIA's CUDA release notes, the table of toolkits
# and drivers; 13.2 and 13.3 by third parties.
LEAST_DRIVER = {
    (11, 8): "520.61.05",
    (12, 0): "525.60.13",
    (12, 1): "530.30.02",
    (12, 2): "535.54.03",
    (12, 3): "545.23.06",
    (12, 4): "550.54.14",
    (12, 5): "555.42.02",
    (12, 6): "560.28.03",
    (12, 8): "570.26",
    (12, 9): "575.51.03",
    (13, 0): "580.65.06",
    (13, 1): "590.44.01",
    (13, 2): "595.45.04",
    (13, 3): "610.43.02",
}
# From this driver on, every CUDA of one major version runs: NVIDIA's "minor version compatibility".
MAJOR_FLOOR = {11: "450.80.02", 12: "525.60.13", 13: "580.65.06"}

# `native` as it is; `minor` by minor version compatibility; `forward` through cuda-compat.
Outcome = Literal["native", "minor", "forward", "too_old"]


@dataclass(frozen=True, kw_only=True)
class DriverJudgement:
    """Whether a driver runs a CUDA version.

    Args:
        outcome: how it does, or `too_old`.
        driver_cuda: the newest CUDA that the driver brings itself; None before the table begins.
        least_driver: the driver to have at least.
    """

    outcome: Outcome
    driver_cuda: tuple[int, int] | None
    least_driver: str


def parse_version(text: str) -> tuple[int, ...]:
    """Numbers of a version, without the zeros at its end: equal versions are equal tuples.

    Raises:
        ValueError: the text is not numbers with dots between.
    """
    if not re.fullmatch(r"\d+(\.\d+)*", text, re.ASCII):
        raise ValueError(f"not a version: {text!r}")
    numbers = [int(part) for part in text.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def cuda_of_driver(driver: str) -> tuple[int, int] | None:
    """The newest CUDA that a driver brings, by its version.

    What NVML says of CUDA is not asked: the libraries of cuda-compat inflate it.
    """
    version = parse_version(driver)
    brought = [cuda for cuda, least in LEAST_DRIVER.items() if parse_version(least) <= version]
    return max(brought, default=None)


def judge_driver(
    driver: str, cuda: tuple[int, int] = WHEEL_CUDA, *, data_centre_compat: bool = False
) -> DriverJudgement:
    """Say whether a driver runs a wheel's CUDA.

    Args:
        driver: its version, as `580.65.06`.
        cuda: the version that the wheel was built with.
        data_centre_compat: the GPU is a data-centre GPU and cuda-compat is installed; elsewhere
            those libraries do not work.

    Returns:
        The first that holds: native, minor, forward, too_old.
    """
    own = cuda_of_driver(driver)
    floor = MAJOR_FLOOR.get(cuda[0])
    least = LEAST_DRIVER.get(cuda) or floor or ""
    outcome: Outcome = "too_old"
    if own is not None and own >= cuda:
        outcome = "native"
    elif floor is not None and parse_version(driver) >= parse_version(floor):
        outcome = "minor"
    elif data_centre_compat:
        outcome = "forward"
    return DriverJudgement(outcome=outcome, driver_cuda=own, least_driver=least)


def architecture_for(
    capability: tuple[int, int], architectures: tuple[str, ...] = WHEEL_ARCHITECTURES
) -> str | None:
    """The wheel's code that a GPU runs: its own major version, the highest minor not above its own.

    Args:
        capability: the GPU's compute capability; (8, 9) runs sm_86.
        architectures: torch.cuda.get_arch_list(). A letter at the end, as in sm_90a, ties the code
            to exactly that GPU.

    Returns:
        One of the architectures, or None: torch answers "no kernel image is available".
    """
    fitting = [
        (built, name)
        for name in architectures
        if (built := _parse_architecture(name)) is not None and _runs(capability, built, name)
    ]
    return max(fitting)[1] if fitting else None


def _parse_architecture(name: str) -> tuple[int, int] | None:
    found = re.fullmatch(r"sm_(\d+)(\d)[a-z]?", name, re.ASCII)
    return (int(found[1]), int(found[2])) if found else None


def _runs(capability: tuple[int, int], built: tuple[int, int], name: str) -> bool:
    if name[-1].isalpha():
        return built == capability
    return built[0] == capability[0] and built[1] <= capability[1]
