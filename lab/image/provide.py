"""Provides the image that a container is to run: the one named, or this clone's own, built if
need be."""

import os
from collections.abc import Callable

from lab.engines.choose import Choice
from lab.engines.probe import probe_engine
from lab.errors import LabError
from lab.image import sif
from lab.image.build import BuildRequest, build
from lab.locks.sources import PackageSources, read_sources
from lab.paths import ROOT, typed_path
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
    if choice.engine == "apptainer":
        path = provide_sif(choice.device, image, base, say)
        sif.try_image(path)
        return path
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
                f"bring it over (docker save {name} | podman load; from another machine: ./inv"
                " build --archive lab.tar there, podman load --input lab.tar here), name another"
                " that Podman has (--image NAME), or run on the host: --engine host"
            ),
        )
    return _build(choice.device, base, say)


def _build(device: str, base: str, say: Callable[[str], None]) -> str:
    say(f"building the image for {device}; it takes minutes once, seconds after a change in lab/")
    base = base or default_base("docker")
    request = BuildRequest(root=ROOT, device=device, sources=read_sources(), base=base)
    return build(request, say)


def provide_sif(device: str, image: str | None, base: str, say: Callable[[str], None]) -> str:
    """Return the path of an image file for Apptainer that is there; nothing is started of it.

    Args:
        device: cpu or cuda.
        image: a file, or a folder that one was unpacked to, to take as it is; None makes this
            clone's own where it is missing or older.
        base: an image that stands in for the Dockerfile's base.
        say: takes lines of progress.

    Raises:
        LabError: the named one is not there, or this clone's own cannot be made here.
    """
    path = image_path(image) if image is not None else own_image(device, "apptainer")
    if is_there("apptainer", path):
        return path
    if image is not None:
        raise LabError(
            f"There is no image file {path}.",
            why="--image names a file for Apptainer, or a folder that one was unpacked to",
            next_step="look at its name, or leave --image out for the lab's own",
        )
    if not probe_engine("docker").answers:
        raise LabError(
            f"This clone's image file is not there: {path}",
            why="it is made of the image, which Docker builds, and Docker does not answer here",
            next_step=(
                "where Docker is: ./inv build --archive lab.tar; bring that file here, then"
                " ./inv build --from-archive lab.tar; or name a file: --image FILE.sif"
            ),
        )
    name = own_image(device)
    if not is_there("docker", name):
        _build(device, base, say)
    return str(sif.sif_of_image(name, say))


def image_path(image: str) -> str:
    """The image that a person named, for Apptainer: a path, absolute."""
    return str(typed_path(image))


def own_image(device: str, engine: str = "docker") -> str:
    """This clone's own image for a device, whether it is built or not: its name, or for Apptainer
    the path of its file."""
    target = "cuda" if device == "cuda" else "cpu"
    request = BuildRequest(root=ROOT, device=target, sources=PackageSources())
    return str(sif.sif_path(target, request.inputs)) if engine == "apptainer" else request.tag


def default_base(program: str) -> str:
    """An image at hand that stands in for the base of the Dockerfile; empty where there is none.

    LAB_BASE names one. Where no registry can be reached, a local image of this very name serves.
    """
    named = os.environ.get("LAB_BASE", "")
    return named or (STAND_IN if is_there(program, STAND_IN) else "")


def is_there(program: str, image: str) -> bool:
    """Whether the engine has this image; for Apptainer, whether there is such a file or folder."""
    if program == "apptainer":
        return os.path.exists(image)  # noqa: PTH110 - where we may not look it is not there
    return run([program, "image", "inspect", "--format", "{{.Id}}", image], timeout_s=30).ok
