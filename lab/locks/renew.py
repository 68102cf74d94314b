"""Makes the hash locks anew and checks that every platform we promise can install them."""

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.locks.lockfile import (
    Change,
    add_hashes,
    compare,
    pin_exactly,
    published_hashes,
    read_pins,
    without,
)
from lab.locks.sources import (
    PackageSources,
    kind_arguments,
    uv_arguments,
    uv_environment,
)
from lab.process import Finished, run

TORCH = "2.13.0"
TORCH_CPU = f"{TORCH}+cpu"
# The order matters: each later lock takes the versions that the earlier ones chose.
LOCKS = ("cpu", "runner", "cuda", "dev", "peers")
PLATFORMS = {
    "cpu": ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "aarch64-apple-darwin"),
    "runner": ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "aarch64-apple-darwin"),
    "cuda": ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28"),
    "dev": ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "aarch64-apple-darwin"),
    "peers": ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28"),
}


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """Whether one lock can be installed on one platform; `reason` is empty when it can."""

    lock: str
    platform: str
    reason: str


def renew(
    folder: Path,
    uv: str,
    sources: PackageSources,
    *,
    only: tuple[str, ...] = (),
    say: Callable[[str], None],
) -> list[Change]:
    """Resolve every `.in` file of the folder again and replace the locks, all or none.

    Args:
        folder: holds the `.in` files, the locks and `torch-cpu.sha256`.
        uv: the program.
        sources: where packages come from.
        only: packages to take at their newest version; empty: all of them.
        say: takes a line of progress.

    Returns:
        What changed, package by package.

    Raises:
        LabError: a lock could not be resolved; then nothing was replaced.
    """
    with tempfile.TemporaryDirectory(prefix="lab-lock-") as place:
        draft = Path(place)
        for path in [*folder.glob("*.in"), *folder.glob("*.txt")]:
            shutil.copy(path, draft)
        for lock in LOCKS:
            say(f"resolving {lock} ...")
            _resolve(lock, draft, uv, sources, only)
            _complete(draft / f"{lock}.txt", folder)
            if lock == "cpu":
                agreed = without(_text(draft, lock), "torch")
                (draft / "cpu-without-torch.txt").write_text(agreed, encoding="utf-8")
        changes = [
            c for lock in LOCKS for c in compare(lock, _text(folder, lock), _text(draft, lock))
        ]
        if any(_text(folder, lock) != _text(draft, lock) for lock in LOCKS):
            for lock in LOCKS:
                _replace(folder / f"{lock}.txt", _text(draft, lock))
            _replace(folder / "epoch.txt", f"{int(time.time())}\n")
    return changes


def _text(folder: Path, lock: str) -> str:
    path = folder / f"{lock}.txt"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(path.name + ".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def _resolve(
    lock: str, draft: Path, uv: str, sources: PackageSources, only: tuple[str, ...]
) -> None:
    argv = [
        uv, "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--no-header",
        "--generate-hashes", *kind_arguments(lock), "--no-emit-find-links",
        # One version for every 3.11, where the newest would serve only some of them.
        "--fork-strategy", "fewest",
        "--no-emit-index-url", f"{lock}.in", "--output-file", f"{lock}.txt",
    ]  # fmt: skip
    if lock == "cpu":
        argv += uv_arguments(sources, torch_cpu=True)
    else:  # torch has another build there, so a wheelhouse with the CPU build would mislead uv
        argv += ["--constraints", "cpu-without-torch.txt"]
    if lock in ("dev", "peers"):
        argv += ["--constraints", "runner.txt"]
    argv += [a for name in only for a in ("--upgrade-package", name)] or ["--upgrade"]
    done = run(argv, env=uv_environment(sources), cwd=draft, timeout_s=600)
    if not done.ok:
        raise _unresolved(lock, done)


def _unresolved(lock: str, done: Finished) -> LabError:
    return LabError(
        f"The lock {lock} could not be resolved; no lock was changed.",
        why=done.stderr.strip()[-1500:] or done.last_words,
        next_step=(
            "check the network (SSL_CERT_FILE, PIP_INDEX_URL, PIP_FIND_LINKS are honoured)"
            f" and the versions asked for in docker/locks/{lock}.in"
        ),
    )


def _complete(path: Path, folder: Path) -> None:
    """Tell torch's builds apart, and add the hashes of the CPU wheels for other machines."""
    text = pin_exactly(path.read_text(encoding="utf-8"), "torch", TORCH)
    hashes = published_hashes(folder / "torch-cpu.sha256")
    path.write_text(add_hashes(text, "torch", TORCH_CPU, hashes), encoding="utf-8")


def check_platforms(
    folder: Path, uv: str, sources: PackageSources, *, say: Callable[[str], None]
) -> list[Resolution]:
    """Resolve each lock for each platform it serves, by hash, without installing anything.

    Where the machine reaches only a wheelhouse with torch for itself, torch's wheel for another
    platform is not to be had; the lock's own hash for it is then what can be shown, and the reason
    says so.
    """
    results = []
    for lock in LOCKS:
        for platform in PLATFORMS[lock]:
            say(f"checking {lock} for {platform} ...")
            reason = _cannot_install(lock, platform, folder, uv, sources)
            results.append(Resolution(lock=lock, platform=platform, reason=reason))
    return results


def _cannot_install(
    lock: str, platform: str, folder: Path, uv: str, sources: PackageSources
) -> str:
    torch_cpu = lock == "cpu" and "linux" in platform
    done = _dry_run(folder / f"{lock}.txt", platform, uv, sources, torch_cpu=torch_cpu)
    if done.ok:
        return ""
    if not torch_cpu:
        return _cause(done)
    with tempfile.TemporaryDirectory(prefix="lab-lock-") as place:
        rest = Path(place) / "cpu.txt"
        rest.write_text(without(_text(folder, lock), "torch"))
        others = _dry_run(rest, platform, uv, sources, torch_cpu=False)
    if not others.ok:
        return _cause(others)
    count = len([p for p in read_pins(_text(folder, lock)) if p.name != "torch"])
    return f"all {count} others resolve; torch {TORCH_CPU} for it is not reachable from here"


# What uv draws its messages with.
_FRAME = " \N{MULTIPLICATION SIGN}\u2570\u2500\u25b6\u251c\u2502"


def _cause(done: Finished) -> str:
    """The cause in uv's words: what comes after it are hints."""
    lines = [line.strip(_FRAME) for line in done.stderr.splitlines()]
    causes = [line for line in lines if line and not line.startswith("hint:")]
    return causes[-1] if causes else done.last_words


def _dry_run(
    lock: Path, platform: str, uv: str, sources: PackageSources, *, torch_cpu: bool
) -> Finished:
    with tempfile.TemporaryDirectory(prefix="lab-lock-") as target:
        argv = [
            uv, "pip", "install", "--dry-run", "--quiet", "--no-deps", "--require-hashes",
            *kind_arguments(lock.stem), "--python-version", "3.11", "--python-platform", platform,
            "--target", target, "-r", str(lock),
        ]  # fmt: skip
        argv += uv_arguments(sources, torch_cpu=torch_cpu)
        # torch's wheel for macOS needs 14; uv assumes an older one
        env = {**uv_environment(sources), "MACOSX_DEPLOYMENT_TARGET": "14.0"}
        return run(argv, env=env, timeout_s=600)
