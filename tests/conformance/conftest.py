"""Each way, seen once; the image is brought to each engine once."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.places import (
    Store,
    User,
    give_runner,
    link_image,
    make_store,
    second_user,
)
from tests.conformance.ways import WAYS, Place, Seen, Way, see
from tests.conftest import CommandLine


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """On the way to which no other user is stopped, as pytest's own would stop them."""
    made = Path(tempfile.mkdtemp(prefix="lab-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="session")
def user(folder: Path, state: Path) -> Iterator[User]:
    with second_user(folder) as user:
        give_runner(state, user)
        yield user


@pytest.fixture(scope="session")
def archive(state: Path, folder: Path) -> dict[str, Any]:
    """What `inv build --archive` says of the image of this checkout, and of the file it wrote."""
    path = folder / "lab.tar"
    done = CommandLine(state=state)("build", "--archive", str(path), "--json", timeout=1500)
    assert done.code == 0, done.err
    path.chmod(0o644)  # it is the engine's to read, and root's alone
    return done.json()


@pytest.fixture(scope="session")
def stores(archive: dict[str, Any], folder: Path, user: User) -> Iterator[dict[str, Store]]:
    """Podman of root and of the second user, both with the image as it was brought to them."""
    made = {"root": make_store(_own(folder / "of-root"), ())}
    made["user"] = make_store(_own(folder / "of-user", user), user.prefix)
    try:
        loading = [store.begin("load", "--input", archive["archive"]) for store in made.values()]
        for process in loading:
            said, _ = process.communicate(timeout=900)
            assert process.returncode == 0, said
        yield made
    finally:
        for store in made.values():
            store.reset()


def _own(path: Path, user: User | None = None) -> Path:
    path.mkdir(mode=0o700)
    if user is not None:
        shutil.chown(path, user.uid, user.gid)
    return path


@pytest.fixture(scope="session")
def place(request: pytest.FixtureRequest, state: Path, folder: Path) -> Callable[[Way], Place]:
    """Who runs a way, on which folder, with which image; engines are made ready as they are asked
    for."""

    @cache
    def make(way: Way) -> Place:
        name = f"work-{WAYS.index(way)}"
        if way.owner is None:
            user: User = request.getfixturevalue("user")
            command, work, owner = user.command, user.home / name, (user.uid, user.gid)
        else:
            command, work, owner = CommandLine(state=state), folder / name, way.owner
            work.mkdir(mode=0o700)
            os.chown(work, *owner)
        if way.engine == "podman":
            store = request.getfixturevalue("stores")["root" if way.owner else "user"]
            command = replace(command, env={**command.env, **store.env})
        if way.engine == "apptainer":
            sif = Path(request.getfixturevalue("built")["sif"])
            image = str(link_image(sif, request.getfixturevalue("user")))
        else:
            image = request.getfixturevalue("archive")["image"]
        return Place(command=command, work=work, image=image, owner=owner)

    return make


@pytest.fixture(scope="session")
def seen(place: Callable[[Way], Place]) -> Callable[[Way], Seen]:
    """What there is to be seen of a way; looked at once."""
    known: dict[str, Seen | Exception] = {}

    def look(way: Way) -> Seen:
        if way.name not in known:
            try:
                known[way.name] = see(way, place(way))
            except Exception as error:
                known[way.name] = error
        found = known[way.name]
        if isinstance(found, Exception):
            pytest.fail(f"it could not be run: {found!r}")
        return found

    return look
