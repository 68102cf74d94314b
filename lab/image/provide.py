"""Provides the image that a container is to run: the one named, or this clone's own, built if
need be."""

import os
from collections.abc import Callable

from lab.engines.choose import Choice
from lab.errors import LabError
from lab.image.build import BuildRequest, build
from lab.locks.sources import PackageSources, read_sources
from lab.paths import ROOT
from lab.process import run

STAND_IN = "localhost/python:3.11-slim-bookworm"


def provide_image(choice: Choice, image: str | None, base: str, say: Callable[[str], None]) -> str:
    """Return the name of an image that is there.

    Args:
        choice: engine and device.
        image: an image to take as it is; None builds this clone's own where it is missing or older.
        base: an image that stands in for the Dockerfile's base.
        say: takes lines of progress.

    Raises:
        LabError: the named image is not there, or the build failed.
    """
    if image is not None:
        if not is_there(choice.engine, image):
            raise LabError(
                f"There is no image {image} here.",
                why=f"{choice.engine} does not have it",
                next_step=(
                    f"fetch it ({choice.engine} pull {image}), or leave --image out to build the"
                    " lab's own"
                ),
            )
        return image
    name = own_image(choice.device)
    if is_there(choice.engine, name):
        return name
    if choice.engine == "podman":
        raise LabError(
            f"Podman does not have the image {name}.",
            why="the image is built by Docker's BuildKit; Podman runs it",
            next_step=(
                f"bring it over (docker save {name} | podman load), name another that Podman"
                " has (--image NAME), or run on the host: --engine host"
            ),
        )
    say(
        f"building the image for {choice.device}; it takes minutes once, seconds after a change in"
        " lab/"
    )
    base = base or default_base(choice.engine)
    request = BuildRequest(root=ROOT, device=choice.device, sources=read_sources(), base=base)
    return build(request, say)


def own_image(device: str) -> str:
    """The name of this clone's own image for a device, whether it is built or not."""
    target = "cuda" if device == "cuda" else "cpu"
    return BuildRequest(root=ROOT, device=target, sources=PackageSources()).tag


def default_base(program: str) -> str:
    """An image at hand that stands in for the base of the Dockerfile; empty where there is none.

    LAB_BASE names one. Where no registry can be reached, a local image of this very name serves.
    """
    named = os.environ.get("LAB_BASE", "")
    return named or (STAND_IN if is_there(program, STAND_IN) else "")


def is_there(program: str, image: str) -> bool:
    """Whether the engine has this image."""
    return run([program, "image", "inspect", "--format", "{{.Id}}", image], timeout_s=30).ok
