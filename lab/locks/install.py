"""The locked environment on the host: the same packages as in the image, made once per lock."""

import platform
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from lab.errors import LabError, naming
from lab.locks.lockfile import without
from lab.locks.sources import (
    FROM_SOURCE,
    PackageSources,
    check_sources,
    kind_arguments,
    read_sources,
    uv_arguments,
    uv_environment,
)
from lab.paths import LOCKS, ROOT, state
from lab.process import attach
from lab.turn import turn

PYTHON = "3.11"  # the image's
# Torch alone needs more. uv removes the package that did not fit, so some room is left.
_LITTLE_BYTES = 1 << 30


def uv_program() -> str:
    """Path of the runner's own uv."""
    from uv import find_uv_bin

    return str(find_uv_bin())


def environment_folder(*locks: str) -> Path:
    """Where the environment for these locks is, for this kind of machine."""
    return state() / f"env-{'-'.join(locks)}-{platform.system()}-{platform.machine()}"


def is_made(*locks: str) -> bool:
    """Whether the environment is there, made from these very locks, and may be read.

    Raises:
        LabError: a lock cannot be read.
    """
    try:
        return _is_made(environment_folder(*locks), locks)
    except PermissionError:
        return False


def _is_made(folder: Path, locks: tuple[str, ...]) -> bool:
    stamp = folder / "made-from.txt"
    if not stamp.exists() or not _is_whole(folder):
        return False
    return stamp.read_bytes() == _contents(locks)


def _is_whole(folder: Path) -> bool:
    """Whether the environment has its Python, and a file that keeps it from being the system's own.

    uv links Python first and writes that file later: killed in between, it leaves a link through
    which packages would go into, and out of, the Python that the link leads to.
    """
    return (folder / "bin" / "python").exists() and (folder / "pyvenv.cfg").exists()


def _contents(locks: tuple[str, ...]) -> bytes:
    try:
        return b"".join((LOCKS / f"{lock}.txt").read_bytes() for lock in locks)
    except OSError as error:
        raise LabError(
            f"The lock {error.filename} cannot be read.", why=str(error.strerror),
            next_step="git checkout docker/locks brings it back",
        ) from error  # fmt: skip


def ensure_environment(*locks: str, say: Callable[[str], None]) -> Path:
    """Make the environment where it is missing or its lock has changed; return its folder.

    A run that is interrupted leaves no stamp, so that the next one starts over. Two at once take
    turns.

    Args:
        locks: names of locks that fit together, such as `cpu` and `dev`.
        say: takes a line of progress.

    Raises:
        LabError: Python or a package could not be had, or the environment may not be read.
    """
    folder = environment_folder(*locks)
    try:
        if _is_made(folder, locks):
            return folder
    except PermissionError as error:  # another user's: not ours to make anew
        raise LabError(
            f"The lab's environment {folder} cannot be used.",
            why=f"{error.strerror}: {error.filename}; another user, or root, has made it",
            next_step="make your own: the same command with LAB_STATE=FOLDER before it",
        ) from error
    waiting = "another command is making the environment; waiting for it ..."
    with turn(folder.with_name(folder.name + ".lock"), waiting, say) as lock:
        if not is_made(*locks):
            sources = read_sources()
            check_sources(sources)
            _make(folder, locks, sources, say, lock)
    return folder


def _make(
    folder: Path,
    locks: tuple[str, ...],
    sources: PackageSources,
    say: Callable[[str], None],
    keep: int,
) -> None:
    uv, variables = uv_program(), uv_environment(sources)
    stamp = folder / "made-from.txt"
    whole = stamp.exists() and _is_whole(folder)
    stamp.unlink(missing_ok=True)
    # What an install that was killed, or met a full disk, leaves is not mended: uv takes half a
    # package for a whole one, and without pyvenv.cfg, which it writes last, bin/python is the
    # machine's own Python.
    if not whole:
        say(f"making an environment with Python {PYTHON} ...")
        shutil.rmtree(folder, ignore_errors=True)
        if _uv([uv, "venv", "--quiet", "--python", PYTHON, str(folder)], variables, keep):
            raise LabError(
                f"No Python {PYTHON} for the lab's own environment could be had.",
                why=(
                    f"the image has Python {PYTHON}, and the host's must be the same; uv found none"
                    " and could not fetch one (its words are above)"
                ),
                next_step=(
                    "install it (Debian, Ubuntu: apt install python3.11-venv - Fedora: dnf install"
                    " python3.11 - macOS: brew install python@3.11), or let uv reach the network"
                ),
            )
    say(f"installing the packages of the lock {' and '.join(locks)} ...")
    if not _install(uv, folder, locks, sources, variables, keep):
        free = shutil.disk_usage(folder).free
        why = "uv's words are above: no network, no space, or a file that is not the lock's"
        if free < _LITTLE_BYTES:
            why = f"the disk is full, or nearly: {free >> 20} MB are free at {folder.parent}"
        raise LabError(
            "The lab's packages could not be installed.",
            why=why,
            next_step=(
                f"check the network and the free space at {folder.parent}, then run the same"
                " command again; behind a private CA set SSL_CERT_FILE, for a folder of wheels"
                " PIP_FIND_LINKS"
            ),
        )
    with naming(folder):
        _give_lab(folder)
        (folder / "made-from.txt").write_bytes(_contents(locks))


def _install(
    uv: str,
    folder: Path,
    locks: tuple[str, ...],
    sources: PackageSources,
    variables: dict[str, str],
    keep: int,
) -> bool:
    """Make the environment hold what the locks say; whether that went well.

    What is published as source alone comes last, and is built by what the environment then has:
    uv compares what it fetches for a build of its own with no hash, not even one that it is given.
    """
    final = install_arguments(uv, folder, locks, sources)
    from_source = [name for lock in locks for name in FROM_SOURCE.get(lock, ())]
    if not from_source:
        return _uv(final, variables, keep) == 0
    with tempfile.TemporaryDirectory(prefix="lab-lock-") as place:
        wheels = Path(place) / "wheels.txt"
        text = _contents(locks).decode(errors="replace")
        for name in from_source:
            text = without(text, name)
        wheels.write_text(text, encoding="utf-8")
        files = [str(LOCKS / f"{lock}.txt") for lock in locks]
        first = [a for a in final if a not in files] + [str(wheels)]
        if _uv(first, variables, keep):
            return False
    return _uv([*final, "--no-build-isolation"], variables, keep) == 0


def _uv(argv: list[str], variables: dict[str, str], keep: int) -> int:
    """Run uv on this terminal and return its exit code; Ctrl-C, which ended it, ends us too.

    It holds the turn as well: where we are killed, it goes on, and the next command waits for it.
    """
    code = attach(argv, env=variables, keep=keep)
    if code == 128 + signal.SIGINT:
        raise KeyboardInterrupt
    return code


def _give_lab(folder: Path) -> None:
    """Let the environment's Python import the clone's `lab`, and its `inv` run the clone's
    tasks."""
    site = folder / "lib" / f"python{PYTHON}" / "site-packages"
    (site / "lab.pth").write_text(f"{ROOT}\n", encoding="utf-8")
    for name in ("inv", "invoke"):
        script = folder / "bin" / name
        script.write_text(
            f'#!/bin/sh\nexec {shlex.quote(str(ROOT / "inv"))} "$@"\n', encoding="utf-8"
        )
        script.chmod(0o755)


def install_arguments(
    uv: str, folder: Path, locks: tuple[str, ...], sources: PackageSources
) -> list[str]:
    """The command that makes an environment hold exactly what the locks say."""
    torch_cpu = "cpu" in locks and sys.platform == "linux"
    arguments = [
        uv, "pip", "sync", "--python", str(folder / "bin" / "python"), "--require-hashes",
        *kind_arguments(*locks), "--compile-bytecode", *uv_arguments(sources, torch_cpu=torch_cpu),
        *(str(LOCKS / f"{lock}.txt") for lock in locks),
    ]  # fmt: skip
    return arguments if sys.stderr.isatty() else [*arguments, "--quiet"]  # a bar, or errors alone
