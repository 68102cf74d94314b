"""The operating system and the Pythons."""

import sys

from lab.process import Finished
from lab.records.doctor import Finding

# The platforms of docker/locks: every package has a wheel for them.
SUPPORTED = (("Linux", "x86_64"), ("Linux", "aarch64"), ("Linux", "arm64"), ("Darwin", "arm64"))
# torch's wheels are manylinux_2_28: they need this glibc.
LEAST_GLIBC = (2, 28)
# The Python of the locks; the runner itself takes any from there on.
LAB_PYTHON = (3, 11)


def check_platform(
    system: str, machine: str, *, release: str = "", libc: tuple[str, str] = ("", ""), on_host: bool
) -> Finding:
    """Say whether the locks have packages for this operating system and processor.

    Args:
        system: platform.system().
        machine: platform.machine().
        release: platform.release(); WSL shows there.
        libc: platform.libc_ver(); its name is empty where it is not glibc.
        on_host: whether the lab runs outside a container, where glibc counts.
    """
    seen = f"{system} on {machine}"
    if (system, machine) not in SUPPORTED:
        return _unsupported(system, machine, seen)
    if system == "Linux" and _is_wsl1(release):
        return Finding(
            name="platform",
            status="fail",
            seen=f"{seen}, under WSL 1",
            why="WSL 1 has no Linux kernel: neither containers nor the GPU work there",
            next="in PowerShell: wsl --set-version <distribution> 2",
        )
    if system == "Linux" and on_host and not _glibc_suffices(libc):
        have = " ".join(libc).strip() or "no glibc"
        return Finding(
            name="platform",
            status="fail",
            seen=f"{seen}, {have}",
            why=f"torch's wheels need glibc {'.'.join(map(str, LEAST_GLIBC))} or newer",
            next="run the lab in a container: --engine docker or podman",
        )
    wsl = ", under WSL 2" if "microsoft" in release.lower() else ""
    return Finding(name="platform", status="ok", seen=seen + wsl)


def _unsupported(system: str, machine: str, seen: str) -> Finding:
    remedies = {
        "Windows": "install WSL 2 (in PowerShell: wsl --install) and run the lab inside it",
        "Darwin": (
            "on an Apple-silicon Mac install an arm64 Python (this one runs under Rosetta);"
            " on an Intel Mac use another machine"
        ),
    }
    return Finding(
        name="platform",
        status="fail",
        seen=seen,
        why="the locks hold packages for Linux (x86-64, arm64) and for macOS on arm64",
        next=remedies.get(system, f"use one of these; {system} on {machine} is none of them"),
    )


def _is_wsl1(release: str) -> bool:
    # WSL 1 calls itself 4.4.0-19041-Microsoft, WSL 2 5.15.90.1-microsoft-standard-WSL2
    return release.endswith("-Microsoft")


def _glibc_suffices(libc: tuple[str, str]) -> bool:
    name, version = libc
    parts = version.split(".")
    return name == "glibc" and tuple(int(p) for p in parts[:2] if p.isdigit()) >= LEAST_GLIBC


def check_runner_python(version: tuple[int, int, int] = sys.version_info[:3]) -> Finding:
    """Say whether the Python that runs the tasks is new enough."""
    shown = ".".join(map(str, version))
    if version[:2] >= LAB_PYTHON:
        return Finding(name="python", status="ok", seen=f"Python {shown} runs the tasks")
    return Finding(
        name="python",
        status="fail",
        seen=f"Python {shown} runs the tasks",
        why="the lab's own code needs Python 3.11 or newer",
        next="install a newer one and name it: LAB_PYTHON=/path/to/python3.11 ./inv doctor",
    )


def check_host_python(found: Finished, *, downloads: bool, on_host: bool) -> Finding:
    """Say where the Python of the host engine comes from.

    Args:
        found: `uv python find 3.11`, ended.
        downloads: whether uv may fetch a Python.
        on_host: whether the lab runs on the host here; else its Python is in the image.
    """
    if found.ok:
        return Finding(
            name="host-python",
            status="ok",
            seen=f"Python 3.11 for the host engine: {found.stdout.strip()}",
        )
    if found.code in (126, 127):
        return Finding(
            name="host-python",
            status="fail" if on_host else "warn",
            seen=f"uv does not run: {found.last_words}",
            why="uv makes the environment of the host engine and finds its Python",
            next="remove the runner's folder .lab/runner-* and run `./inv doctor` again",
        )
    if not on_host:
        return Finding(
            name="host-python",
            status="ok",
            seen="no Python 3.11 outside the image; only --engine host would need one",
        )
    if downloads:
        return Finding(
            name="host-python",
            status="warn",
            seen="no Python 3.11 on this machine",
            why=(
                "the locked environment is for Python 3.11; uv fetches one at the first start,"
                " which needs the network"
            ),
            next=(
                "without a network, install it first: Debian 12: apt install python3.11-venv;"
                " macOS: brew install python@3.11"
            ),
        )
    return Finding(
        name="host-python",
        status="fail",
        seen="no Python 3.11 on this machine, and uv may not fetch one",
        why=(
            "the locked environment is for Python 3.11; UV_PYTHON_DOWNLOADS or UV_OFFLINE forbids"
            " the download"
        ),
        next="install Python 3.11, or unset that variable",
    )
