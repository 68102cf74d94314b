"""Where the ways run: a store of images for Podman, and a second user with a clone of their own."""

import os
import pwd
import resource
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.conftest import CommandLine, copy_checkout
from tests.seeded import copy_runner

NAME = "lab-conformance"


@dataclass(frozen=True, kw_only=True)
class Store:
    """Images and containers of a Podman apart from the machine's own."""

    folder: Path
    prefix: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start a command of Podman's."""
        return subprocess.Popen(
            [*self.prefix, "podman", *words], env={**os.environ, **self.env}, text=True, cwd="/",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def reset(self) -> None:
        """Remove what it holds, and end what it left running."""
        self.begin("system", "reset", "--force").communicate(timeout=120)


def make_store(folder: Path, prefix: tuple[str, ...] = ()) -> Store:
    """Say by files where a store is; Podman makes it.

    runc, since Debian 12's crun starts nothing where control groups of both versions are mounted;
    limits that we have ourselves, since not every root may raise them, as Podman does.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ulimits = f'"nofile={soft}:{hard}", "nproc=4096:4096"'
    (folder / "containers.conf").write_text(
        f'[containers]\ndefault_ulimits = [{ulimits}]\n[engine]\nruntime = "runc"\n'
    )
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/images"\nrunroot = "{folder}/run"\n'
    )
    return Store(
        folder=folder, prefix=prefix,
        env={
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        },
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class User:
    """A second user of the machine, with a home, a clone and a state folder of their own."""

    uid: int
    gid: int
    home: Path
    prefix: tuple[str, ...]

    @property
    def command(self) -> CommandLine:
        return CommandLine(state=self.home / "state", root=self.home / "clone", prefix=self.prefix)


@contextmanager
def second_user(folder: Path) -> Iterator[User]:
    """Make one, as `adduser` would, with numbers of their own for containers; remove them after."""
    _remove()
    home = folder / "home"
    subprocess.run(["useradd", "--create-home", f"--home-dir={home}", NAME], check=True)
    try:
        entry = pwd.getpwnam(NAME)
        runtime = folder / "runtime"
        for path in (runtime, home / "state", home / "clone"):
            path.mkdir(mode=0o700)
        copy_checkout(home / "clone")
        for path in (runtime, *home.rglob("*")):
            os.lchown(path, entry.pw_uid, entry.pw_gid)
        prefix = (
            "setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--init-groups",
            "env", f"HOME={home}", f"USER={NAME}", f"LOGNAME={NAME}", f"XDG_RUNTIME_DIR={runtime}",
        )  # fmt: skip
        yield User(uid=entry.pw_uid, gid=entry.pw_gid, home=home, prefix=prefix)
    finally:
        _remove()


def _remove() -> None:
    """End what the user runs, as Podman's process that keeps their name space; then remove them."""
    try:
        uid = pwd.getpwnam(NAME).pw_uid
    except KeyError:
        return
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.uids().real == uid:
                process.kill()
    subprocess.run(["userdel", "--force", NAME], capture_output=True, check=False)


def give_runner(state: Path, user: User) -> None:
    """Give the user a runner that was made already, where they may start its Python; its files
    stay root's, and can be read. Else `./inv` makes them one."""
    for runner in state.glob("runner-*/"):
        python = str((runner / "bin" / "python").resolve())
        tried = [*user.prefix, python, "-c", ""]
        if subprocess.run(tried, capture_output=True, check=False, cwd="/").returncode == 0:
            copy_runner(state, user.home / "state")


def link_image(sif: Path, user: User) -> Path:
    """One more name for an image file, in the user's folder."""
    target = user.home / sif.name
    try:
        os.link(sif, target)
    except OSError:
        shutil.copy2(sif, target)
    return target
