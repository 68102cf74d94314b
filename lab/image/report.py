"""Builds what `build` was asked for and reports on it."""

import time
from collections.abc import Callable
from pathlib import Path

from lab.engines.choose import not_answering
from lab.engines.probe import probe_engine
from lab.errors import CheckFailed, LabError
from lab.image import sif
from lab.image.archive import read_manifest
from lab.image.build import (
    NAME,
    BuildRequest,
    build,
    build_arguments,
    image_output,
    keeps_exact,
    prove,
    stored_image,
)
from lab.image.inputs import hash_file
from lab.image.provide import default_base, own_image
from lab.locks.sources import read_sources
from lab.paths import ROOT
from lab.records.build import BuildReport

DEVICES = ("cpu", "cuda")
PLATFORMS = ("linux/amd64", "linux/arm64")


def request(device: str, *, base: str, platform: str, cache: bool, verbose: bool) -> BuildRequest:
    """Read what a person asked for; the engine must answer.

    Raises:
        LabError: there is no such image, or Docker does not answer.
    """
    if device not in DEVICES:
        raise LabError(
            f"There is no image for {device!r}.",
            why=f"the Dockerfile has the targets {' and '.join(DEVICES)}",
            next_step="pass --device cpu or --device cuda",
        )
    if platform and platform not in PLATFORMS:
        raise LabError(
            f"There is no image for the platform {platform!r}.",
            why=f"the locks serve {' and '.join(PLATFORMS)}",
            next_step="pass one of them, or leave --platform out for this machine's own",
        )
    state = probe_engine("docker")
    if not state.answers:
        raise not_answering(state, build=True)
    return BuildRequest(
        root=ROOT, device=device, sources=read_sources(), base=base or default_base("docker"),
        platform=platform, cache=cache, verbose=verbose,
    )  # fmt: skip


def plan(request: BuildRequest) -> list[str]:
    """The builder's command line; secrets are named, their files are made by the real build."""
    return build_arguments(request, {}, image_output(request, exact=keeps_exact()))


def build_and_report(
    request: BuildRequest,
    *,
    check: bool,
    say: Callable[[str], None],
    archive: Path | None = None,
    with_sif: bool = False,
) -> BuildReport:
    """Build an image, prove it where that was asked for, and say what it is.

    Args:
        request: what to build.
        check: build twice from nothing first, and compare.
        say: takes lines of progress.
        archive: write the image to this file as well.
        with_sif: make the image file for Apptainer as well.

    Raises:
        CheckFailed: two builds from nothing differ.
        LabError: a build failed.
    """
    exact = keeps_exact()
    if check and not exact:
        raise LabError(
            "Two builds cannot be compared with this engine's image store.",
            why="only the containerd image store exports an image as it was built",
            next_step=(
                "switch it on (Docker Desktop: Settings, General, containerd; Docker Engine:"
                ' "features": {"containerd-snapshotter": true} in /etc/docker/daemon.json)'
            ),
        )
    _can_be_kept(request, archive, with_sif=with_sif)
    started = time.monotonic()
    proven = prove(request, say) if check else None
    image = build(request, say)
    stored = stored_image(image) if exact else None
    if proven and stored and proven.digest != stored.digest and not request.platform:
        raise CheckFailed(
            f"The image in the engine's store is not the one that was proven: {stored.digest}.",
            why=(
                "it was made with steps of earlier builds; both builds from nothing gave"
                f" {proven.digest}"
            ),
            next_step="make it anew: ./inv build --no-cache",
        )
    if archive is not None:
        sif.save_archive(image, archive, say)
    made = sif.sif_of_image(image, say) if with_sif else None
    return BuildReport(
        image=image, device=request.device, base=request.base or _named_base(),
        digest=proven.digest if proven else stored.digest if stored else None,
        compressed_bytes=stored.compressed_bytes if stored else None,
        inputs=request.inputs, archive=str(archive) if archive else None,
        sif=str(made) if made else None, sif_bytes=made.stat().st_size if made else None,
        lock=hash_file(request.root / "docker" / "locks" / f"{request.device}.txt"),
        identical=True if proven else None, duration_s=round(time.monotonic() - started, 1),
    )  # fmt: skip


def _can_be_kept(request: BuildRequest, archive: Path | None, *, with_sif: bool) -> None:
    """See that what is to be made of the image can be, before minutes are spent on it.

    Raises:
        LabError: it cannot.
    """
    if archive is not None and not archive.parent.is_dir():
        raise LabError(
            f"The archive {archive} cannot be written.",
            why=f"there is no folder {archive.parent}",
            next_step="make the folder first, or name another file: --archive FILE",
        )
    if with_sif and request.platform:
        raise LabError(
            "--sif and --platform exclude each other.",
            why="an image file for Apptainer is made on a machine of the kind that runs it",
            next_step="pass --archive FILE, and there ./inv build --from-archive FILE",
        )
    if with_sif:
        sif.need_apptainer()


def report_of_archive(archive: Path, say: Callable[[str], None]) -> BuildReport:
    """Make the image file for Apptainer of an archive that was brought here, and say what it is.

    Raises:
        LabError: it is no archive of the lab's image, or no image file could be made of it.
    """
    started = time.monotonic()
    labels, manifest = sif.labels_to_keep(archive), read_manifest(archive)
    made = sif.sif_of_archive(archive, say)
    device, inputs = labels[sif.DEVICE], labels[sif.INPUTS]
    if str(made) != own_image(device, "apptainer"):
        say(f"this clone's files are others than the image's: name it with --image {made}")
    return BuildReport(
        image=f"{NAME}:{device}-{inputs[:12]}", device=device, digest=manifest.digest,
        compressed_bytes=manifest.compressed_bytes, inputs=inputs, lock=labels[sif.LOCK], base=None,
        archive=str(archive), sif=str(made), sif_bytes=made.stat().st_size,
        duration_s=round(time.monotonic() - started, 1),
    )  # fmt: skip


def refuse_senseless(from_archive: str, others: dict[str, object]) -> None:
    """Refuse options of a build beside an archive, of which nothing is built.

    Raises:
        LabError: one was given.
    """
    clash = [name for name, value in others.items() if value]
    if from_archive and clash:
        raise LabError(
            f"--from-archive and --{clash[0]} exclude each other.",
            why="an archive is taken as it is, and nothing is built",
            next_step="leave one of them out: ./inv build --from-archive FILE",
        )


def _named_base() -> str:
    """The base that the Dockerfile names."""
    lines = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    return next(line.split()[1] for line in lines if line.startswith("FROM python:"))
