"""Builds what `build` was asked for and reports on it."""

import time
from collections.abc import Callable

from lab.engines.choose import not_answering
from lab.engines.probe import probe_engine
from lab.errors import CheckFailed, LabError
from lab.image.build import (
    BuildRequest,
    build,
    build_arguments,
    image_output,
    keeps_exact,
    prove,
    stored_image,
)
from lab.image.inputs import hash_file
from lab.image.provide import default_base
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
    request: BuildRequest, *, check: bool, say: Callable[[str], None]
) -> BuildReport:
    """Build an image, prove it where that was asked for, and say what it is.

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
    return BuildReport(
        image=image, device=request.device, base=request.base or _named_base(),
        digest=proven.digest if proven else stored.digest if stored else None,
        compressed_bytes=stored.compressed_bytes if stored else None,
        inputs=request.inputs,
        lock=hash_file(request.root / "docker" / "locks" / f"{request.device}.txt"),
        identical=True if proven else None, duration_s=round(time.monotonic() - started, 1),
    )  # fmt: skip


def _named_base() -> str:
    """The base that the Dockerfile names."""
    lines = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    return next(line.split()[1] for line in lines if line.startswith("FROM python:"))
