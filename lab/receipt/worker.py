"""The process that looks at an installation: `python -m lab.receipt.worker DEVICE` prints a
`Look`. It runs inside the engine, where the packages are."""

import os
import platform
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from lab import told
from lab.errors import LabError
from lab.paths import ROOT
from lab.process import run
from lab.receipt.code import hash_code
from lab.receipt.packages import read_packages
from lab.receipt.settings import read_settings
from lab.records.receipt import Fingerprint, Package

_COMPUTE_S = 240


class Look(msgspec.Struct, frozen=True, kw_only=True, tag="look"):
    """What an installation is, as a process inside it sees it."""

    python: str
    platform: str
    processors: int
    settings: dict[str, str]
    packages: list[Package]
    strangers: list[str]
    code: dict[str, str]
    fingerprints: list[Fingerprint]
    not_computed: dict[str, str] = {}
    """The others, such as `cpu, ordinary`, and why."""
    lock: str = ""
    """Of an image, which its packages are from; empty on the host."""


def look(device: str) -> Look:
    """Read packages and settings, and compute fingerprints, side by side.

    Args:
        device: `cpu`, or `cuda` for fingerprints of both.
    """
    wanted = [("cpu", "ordinary"), ("cpu", "deterministic")]
    target = os.environ.get("LAB_IMAGE_DEVICE", "")
    if device == "cuda" and target != "cpu":
        wanted += [("cuda", "ordinary"), *[("cuda", "deterministic")] * 2]
    with ThreadPoolExecutor() as threads:
        computing = [threads.submit(fingerprint, *words) for words in wanted]
        packages, strangers = read_packages(Path(sysconfig.get_path("purelib")))
    fingerprints, not_computed = [], {}
    for (where, mode), future in zip(wanted, computing, strict=True):
        try:
            fingerprints.append(future.result())
        except LabError as error:  # what is wrong with the packages shows all the same
            not_computed[f"{where}, {mode}"] = error.why
    return Look(
        python=platform.python_version(), platform=f"{platform.system()}-{platform.machine()}",
        processors=_processors(), settings=read_settings(os.environ), packages=packages,
        strangers=strangers, code=hash_code(ROOT), fingerprints=fingerprints,
        not_computed=not_computed, lock=target,
    )  # fmt: skip


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS has no affinity


def fingerprint(device: str, mode: str) -> Fingerprint:
    """One fingerprint, from a fresh process.

    Raises:
        LabError: it could not be computed.
    """
    argv = [sys.executable, "-m", "lab.fingerprint.worker", device, mode]
    done = run(argv, timeout_s=_COMPUTE_S)
    try:
        return msgspec.json.decode(done.stdout, type=Fingerprint)
    except msgspec.DecodeError:
        raise LabError(
            f"The {mode} fingerprint on {device} could not be computed.",
            why=done.last_words or "its process ended without a word",
            next_step="see whether torch loads: ./inv shell --command 'python -c \"import torch\"'",
        ) from None


def main() -> None:
    """Look, and tell."""
    tell = told.own_output()
    tell(look(sys.argv[1]))


if __name__ == "__main__":
    main()
