"""Image files for Apptainer (SIF): made of an archive of the image, read, and tried."""

import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from lab.engines.apptainer import build_arguments, definition, label_arguments, try_arguments
from lab.errors import LabError
from lab.image.archive import read_labels as labels_of_archive
from lab.image.archive import read_manifest
from lab.image.build import NAME
from lab.paths import state
from lab.process import Finished, run, stream
from lab.turn import turn

Say = Callable[[str], None]
# What an image file keeps of the image that it was made of; its own bytes differ from time to time.
DIGEST, DEVICE, INPUTS, LOCK = (f"{NAME}.{name}" for name in ("digest", "device", "inputs", "lock"))
_FORMS = {
    DIGEST: "sha256:[0-9a-f]{64}", DEVICE: "cpu|cuda", INPUTS: "[0-9a-f]{64}",
    LOCK: "[0-9a-f]{64}",
}  # fmt: skip
# Unpacked and packed again, beside the archive itself.
_NEEDED_GB = {"cpu": 3, "cuda": 12}
_TRY_S = 600  # APPTAINER_UNSQUASH has it unpacked first


def folder() -> Path:
    """Where image files are kept, on a cluster where all nodes see it."""
    return state() / "images"


def sif_path(device: str, inputs: str) -> Path:
    """Where the image file for a device is, told apart by what it is made of as its tag is."""
    return (folder() / f"{NAME}-{device}-{inputs[:12]}.sif").absolute()


@contextmanager
def _place(say: Say) -> Iterator[Path]:
    """A folder to make an image file in, beside its place; one at a time, whose remains go."""
    folder().mkdir(parents=True, exist_ok=True)
    with turn(folder() / "lock", "another command makes an image file; waiting for it ...", say):
        for remains in folder().glob("new-*"):
            shutil.rmtree(remains, ignore_errors=True)
        with tempfile.TemporaryDirectory(
            dir=folder(), prefix="new-", ignore_cleanup_errors=True
        ) as place:
            yield Path(place)


def sif_of_image(image: str, say: Say) -> Path:
    """Make the image file of an image that Docker has, where it is missing or of another image.

    Raises:
        LabError: Apptainer or room is missing, or one of the two refused.
    """
    need_apptainer()
    known = (folder() / f"{image.replace(':', '-')}.sif").absolute()
    asked = run(["docker", "image", "inspect", "--format", "{{.Id}}", image], timeout_s=60)
    if known.exists() and read_labels(known).get(DIGEST) == asked.stdout.strip():
        return known
    with _place(say) as place:
        archive = place / "image.tar"
        save_archive(image, archive, say)
        return _make(archive, place, say)


def sif_of_archive(archive: Path, say: Say) -> Path:
    """Make the image file of an archive, where it is missing or of another image.

    Raises:
        LabError: it is no archive of the lab, Apptainer or room is missing, or it refused.
    """
    need_apptainer()
    labels_to_keep(archive)  # what is wrong with it shows first
    with _place(say) as place:
        link = place / "image.tar"
        link.symlink_to(archive.absolute())
        return _make(link, place, say)


def save_archive(image: str, path: Path, say: Say) -> None:
    """Write an image that Docker has to one file, at once and whole.

    Raises:
        LabError: it could not be written.
    """
    say(f"writing the archive of {image} ...")
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        done = run(["docker", "save", "--output", str(beside), image], timeout_s=3600)
        if not done.ok:
            raise LabError(
                f"The archive {path} could not be written.",
                why=done.last_words,
                next_step="name a folder that exists and has room, and see that the engine runs",
            )
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def labels_to_keep(archive: Path) -> dict[str, str]:
    """The labels that the image file of an archive gets: which image it is, to the last byte.

    Raises:
        LabError: it cannot be read, or is no archive of the lab's image.
    """
    try:
        own = {**labels_of_archive(archive), DIGEST: read_manifest(archive).digest}
        return {name: _checked(name, own[name]) for name in _FORMS}
    except Exception as error:  # whatever is in a file that was named
        said = isinstance(error, OSError | tarfile.TarError)
        why = str(error) if said else "it holds no OCI image with the lab's labels"
        raise LabError(
            f"{archive} is no archive of the lab's image.",
            why=why,
            next_step=(
                "make one where Docker (25 or newer) is: ./inv build --archive lab.tar, and bring"
                " it here"
            ),
        ) from error


def _checked(name: str, value: str) -> str:
    """A label as it is; it becomes part of a path, and of a file that Apptainer follows.

    Raises:
        ValueError: it is none of the lab's.
    """
    if not re.fullmatch(_FORMS[name], value):
        raise ValueError(f"{name} is {value!r}")
    return value


def _make(archive: Path, place: Path, say: Say) -> Path:
    labels = labels_to_keep(archive)
    path = sif_path(labels[DEVICE], labels[INPUTS])
    if path.exists() and read_labels(path).get(DIGEST) == labels[DIGEST]:
        return path
    say(f"making the image file for Apptainer, {path.name}; it takes a minute or two ...")
    recipe, made = place / "lab.def", place / "lab.sif"
    recipe.write_text(definition(archive.name, {DIGEST: labels[DIGEST]}), encoding="utf-8")
    roomy = {} if os.environ.get("APPTAINER_TMPDIR") else {"APPTAINER_TMPDIR": str(place)}
    argv = build_arguments(recipe.name, made.name)
    done = stream(argv, lambda _: None, env=roomy, cwd=place)
    if not done.ok or not made.exists():
        raise _not_made(done, labels[DEVICE])
    made.replace(path)
    _put_away(path, labels[DEVICE], say)
    return path


def _put_away(path: Path, device: str, say: Say) -> None:
    """Remove the image files of states of the clone long past: all but the new one and the newest
    beside it, which jobs may wait for."""
    others = [p for p in folder().glob(f"{NAME}-{device}-*.sif") if p.name != path.name]
    others.sort(key=lambda p: p.stat().st_mtime)
    for old in others[:-1]:
        megabytes = old.stat().st_size / 1e6
        with suppress(OSError):  # another user's, who shares the folder
            old.unlink()
            say(f"removed {old.name}, of an earlier state of the lab ({megabytes:.0f} MB)")


def need_apptainer() -> None:
    """See that Apptainer is there.

    Raises:
        LabError: it is not; says how an image comes to a machine that has it.
    """
    if shutil.which("apptainer") is None:
        raise LabError(
            "There is no Apptainer here to make an image file with.",
            why="no program of that name is on the PATH",
            next_step=(
                "write an archive here (./inv build --archive lab.tar), bring it to the cluster,"
                " and there: ./inv build --from-archive lab.tar"
            ),
        )


def _not_made(done: Finished, device: str) -> LabError:
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    said = next((_plain(li) for li in reversed(lines) if li.startswith(("FATAL", "ERROR"))), "")
    remedy = "see that it has what it needs: squashfs-tools, and user namespaces for who is no root"
    if "no space left" in done.stdout.lower():
        said = "the disk is full: no space left on device"
        needed = _NEEDED_GB.get(device, 12)
        remedy = f"free {needed} GB at {folder()}, or name a roomier folder: APPTAINER_TMPDIR"
    elif "newuidmap" in said:
        remedy = "install the package uidmap"
    return LabError(
        "The image file for Apptainer could not be made.",
        why=said or (lines[-1] if lines else f"exit code {done.code}"),
        next_step=remedy,
    )


def _plain(line: str) -> str:
    """A line of Apptainer's without its level."""
    return re.sub(r"^[A-Z]+\s*:\s*", "", line)


def read_labels(image: Path) -> dict[str, str]:
    """The labels of an image file, or of one that was unpacked; empty where it has none to read."""
    done = run(label_arguments(str(image)), timeout_s=60)
    try:
        found = msgspec.json.decode(done.stdout)
        labels = found["data"]["attributes"]["labels"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return {}
    return {str(name): str(value) for name, value in labels.items()} if labels else {}


def try_image(image: str) -> None:
    """See that a container of an image starts here, for this user.

    Raises:
        LabError: it does not; says what stands in its way.
    """
    done = run(try_arguments(image), timeout_s=_TRY_S)
    if not done.ok:
        raise not_started(done, image)


def not_started(done: Finished, image: str) -> LabError:
    """Say why a container did not start, from Apptainer's words."""
    words = done.stderr + done.stdout
    why = _plain(done.last_words)
    remedy = "try it by hand: " + " ".join(done.argv)
    if "/dev/fuse" in words:
        why = "who is not root has it mounted through /dev/fuse, which this user may not open"
        remedy = (
            "give /dev/fuse the mode 0666, as udev does, or unpack the image once, and name the"
            f" folder: apptainer build --sandbox FOLDER {image}; --image FOLDER"
        )
    elif "user namespace" in words or "unshare" in words:
        why = f"this user may not make a user namespace: {why}"
        remedy = (
            "have the administrator allow them (sysctl user.max_user_namespaces, on Ubuntu"
            " kernel.apparmor_restrict_unprivileged_userns), or install the package apptainer-suid"
        )
    return LabError("Apptainer cannot start a container of the image.", why=why, next_step=remedy)
