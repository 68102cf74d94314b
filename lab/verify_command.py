"""What `inv verify` does: look at an installation in the chosen engine, and compare."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec.structs import replace

from lab.engines.choose import Choice
from lab.errors import LabError
from lab.image import sif
from lab.launch import Launch, Say, Wish, chosen, host_lock, prepare
from lab.paths import ROOT, in_image
from lab.process import run as run_process
from lab.receipt.code import edited_files, hash_code
from lab.receipt.compare import verify
from lab.receipt.groups import group_class
from lab.receipt.identity import COMMITTED, read_receipt
from lab.receipt.make import describe, observed
from lab.receipt.worker import Look
from lab.records.receipt import Machine, Receipt
from lab.render.verify import class_text, verify_text

_LOOK_S = 600.0  # 1.3 GB of packages on a slow network disk
_FAILED = 3


@dataclass(frozen=True, kw_only=True)
class Tell:
    """Where results go: `publish` shows a record with its text, `say` takes lines for people."""

    publish: Callable[[msgspec.Struct, str], None]
    say: Say


def refuse_senseless(folder: str | None, places: dict[str, object]) -> None:
    """Refuse what goes with a look at this machine where a folder is compared instead.

    Raises:
        LabError: both were asked for.
    """
    given = [name for name, value in places.items() if value]
    if folder is not None and given:
        raise LabError(
            f"--{given[0]} has no meaning with --class.",
            why="--class compares receipts that were taken already; nothing is started",
            next_step="leave one of them out",
        )


def reference(path: Path | None) -> Receipt:
    """The receipt to compare with: the file named, or the repository's.

    Raises:
        LabError: it cannot be read.
    """
    if path is None and in_image():
        raise LabError(
            "The image holds no receipt.", why="it is proven from outside, where its digest is",
            next_step="on the host ./inv verify; here with a teacher's: inv verify --receipt FILE",
        )  # fmt: skip
    return read_receipt(path or ROOT / COMMITTED)


def compare_class(folder: Path, wanted: Receipt, tell: Tell) -> int:
    """Show the groups of a class; 3 where there is more than one, or one that differs."""
    report = group_class(wanted, folder)
    tell.publish(report, class_text(report))
    alike = len(report.groups) == 1 and not report.groups[0].differences
    return 0 if alike and not report.unreadable else _FAILED


def plan(wish: Wish, say: Say) -> list[str]:
    """The command line that would look; starts nothing."""
    choice = chosen(wish)
    return prepare(wish, _worker(choice), say, dry_run=True, piped=True, choice=choice).argv


def run(wish: Wish, wanted: Receipt, tell: Tell) -> int:
    """Look at this machine and compare; returns the exit code, 3 where something differs.

    Raises:
        LabError: it could not be looked at.
    """
    choice = chosen(wish)
    tell.say(choice.why)
    launch = prepare(wish, _worker(choice), tell.say, piped=True, choice=choice)
    tell.say("hashing every file of the packages, computing fingerprints ...")
    seen = taken(look_through(launch), choice, launch)
    seen = replace(seen, verification=verify(wanted, seen))
    tell.publish(seen, verify_text(seen))
    assert seen.verification is not None
    return _FAILED if seen.verification.verdict == "differs" else 0


def _worker(choice: Choice) -> tuple[str, ...]:
    device = "cuda" if choice.device == "cuda" else "cpu"
    return ("python", "-m", "lab.receipt.worker", device)


def look_through(launch: Launch) -> Look:
    """Have a process look, where the launch leads.

    Raises:
        LabError: it could not, or said something else.
    """
    done = run_process(launch.argv, timeout_s=_LOOK_S, env=launch.env, cwd=launch.cwd)
    try:
        return msgspec.json.decode(done.stdout, type=Look)
    except msgspec.DecodeError:
        raise LabError(
            "The installation could not be looked at.",
            why=done.last_words or "the process that looked ended without a word",
            next_step="./inv doctor looks for causes; an image of another version of the lab"
            " cannot be looked at: ./inv build",
        ) from None  # fmt: skip


def taken(look: Look, choice: Choice, launch: Launch) -> Receipt:
    """This machine's receipt."""
    here = describe(ROOT)
    edited, unknown = edited_files(ROOT)
    digest, inputs = _image_facts(choice.engine, launch.image)
    threads = look.fingerprints[0].threads if look.fingerprints else 0
    machine = Machine(
        engine="image" if in_image() else choice.engine, device=choice.device,
        image=_without_folder(choice.engine, launch.image), image_digest=digest,
        image_inputs=inputs, python=look.python, platform=look.platform, threads=threads,
        processors=look.processors, settings=look.settings, strangers=look.strangers,
        code=look.code, edited=edited, edited_unknown=unknown, not_computed=look.not_computed,
    )  # fmt: skip
    return replace(
        here, environments=[observed(look, look.lock or host_lock(choice))],
        fingerprints=look.fingerprints, code=hash_code(ROOT), machine=machine,
    )  # fmt: skip


def _without_folder(engine: str, image: str | None) -> str | None:
    """An image file by its name alone: its folder may name the student."""
    return Path(image).name if image and engine == "apptainer" else image


def _image_facts(engine: str, image: str | None) -> tuple[str | None, str | None]:
    """Digest and inputs of an image, as the engine knows them."""
    if image is None:
        return None, None
    if engine == "apptainer":  # an image file keeps what the archive was that it was made of
        labels = sif.read_labels(Path(image))
        return labels.get(sif.DIGEST), labels.get(sif.INPUTS)
    digest = "{{.Id}}" if engine == "docker" else "{{.Digest}}"
    form = digest + ' {{index .Config.Labels "pytorch-lab.inputs"}}'
    seen = run_process([engine, "image", "inspect", "--format", form, image], timeout_s=60)
    found, _, inputs = seen.stdout.strip().partition(" ")
    return found or None, inputs or None
