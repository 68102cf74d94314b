"""Builds the lab's image with BuildKit, and proves that two builds from nothing are the same."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from lab.errors import CheckFailed, LabError
from lab.image.archive import ImageManifest, differences, read_manifest
from lab.image.failure import build_error
from lab.image.inputs import hash_file, hash_inputs
from lab.locks.lockfile import read_epoch
from lab.locks.sources import PackageSources, check_sources
from lab.process import run, stream

NAME = "pytorch-lab"
# zstd makes an image a quarter smaller than gzip does, and it unpacks faster. At level 9 the cpu
# image stays under 400 MB; the wheels of CUDA gain little from it and would take minutes more.
# The base's own layers stay as they are, shared with every other image on that base. (Forced into
# zstd, the engine also fails to list the image.)
_LEVEL = {"cpu": 9, "cuda": 3}


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """One image to build.

    Args:
        root: the clone.
        device: `cpu` or `cuda`, the target of the Dockerfile.
        sources: where packages come from.
        base: an image that stands in for the Dockerfile's base; empty takes the one it names.
        platform: such as `linux/arm64`; empty is this machine's.
        cache: whether earlier steps may be used again.
        verbose: whether all of the builder's words are shown.
    """

    root: Path
    device: str
    sources: PackageSources
    base: str = ""
    platform: str = ""
    cache: bool = True
    verbose: bool = False

    @cached_property
    def inputs(self) -> str:
        """Hash of all that the image is made of, as it was when first asked for."""
        return hash_inputs(self.root)

    @property
    def tag(self) -> str:
        """The image's name, told apart by its inputs, so that an older clone keeps its own."""
        return f"{NAME}:{self.device}-{self.inputs[:12]}{self._foreign}"

    @property
    def _foreign(self) -> str:
        """What tells an image for another platform from the one that `lab` runs here."""
        return "-" + self.platform.replace("/", "-") if self.platform else ""

    @property
    def names(self) -> str:
        """All names of the image; the plain one, `pytorch-lab:cpu`, is for this machine's own."""
        return f"{self.tag}" if self.platform else f"{self.tag},{NAME}:{self.device}"


def build_arguments(
    request: BuildRequest, secrets: dict[str, Path], output: str, program: str = "docker"
) -> list[str]:
    """The command line of one build; makes arguments, starts nothing.

    Args:
        request: what to build.
        secrets: files that the build may read and that never get into the image, by their id.
        output: BuildKit's exporter with its options.
        program: the engine's program.
    """
    locks = request.root / "docker" / "locks"
    arguments = [
        program, "buildx", "build", "--progress=plain", "--provenance=false", "--sbom=false",
        "--file", str(request.root / "docker" / "Dockerfile"), "--target", request.device,
        "--build-arg", f"SOURCE_DATE_EPOCH={read_epoch(locks)}",
        "--build-arg", f"LAB_INPUTS={request.inputs}",
        "--build-arg", f"LAB_LOCK={hash_file(locks / f'{request.device}.txt')}",
    ]  # fmt: skip
    if request.base:
        arguments += ["--build-context", f"base=docker-image://{request.base}"]
    if request.sources.folders:
        arguments += ["--build-context", f"wheelhouse={request.sources.folders[0]}"]
    for name, path in secrets.items():
        arguments += ["--secret", f"id={name},src={path}"]
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"):
        if os.environ.get(name):  # BuildKit keeps these out of the image's history by itself
            arguments += ["--build-arg", name]
    if request.platform:
        arguments += ["--platform", request.platform]
    if not request.cache:
        arguments.append("--no-cache")
    return [*arguments, "--output", output, str(request.root)]


@contextmanager
def _secrets(sources: PackageSources) -> Iterator[dict[str, Path]]:
    """The private CA and the mirrors, as files for BuildKit; they hold passwords at times."""
    with tempfile.TemporaryDirectory(prefix="lab-build-") as folder:
        secrets = {}
        if sources.ca_file:
            secrets["ca"] = sources.ca_file
        lines = dict(sources.variables)
        if sources.remote_links:
            lines["UV_FIND_LINKS"] = ",".join(sources.remote_links)
        if lines:
            path = Path(folder) / "sources"
            path.write_text("".join(f"{n}={_quoted(v)}\n" for n, v in lines.items()))
            secrets["sources"] = path
        yield secrets


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def build(request: BuildRequest, say: Callable[[str], None]) -> str:
    """Build an image into the engine's store and return its name.

    Raises:
        LabError: the build failed; the message tells disk, network and base image apart.
    """
    check_sources(request.sources)
    if len(request.sources.folders) > 1:
        say(f"of the wheelhouses, an image build takes {request.sources.folders[0]} alone")
    output = image_output(request, exact=keeps_exact())
    with _secrets(request.sources) as secrets:
        done = stream(build_arguments(request, secrets, output), _listener(request, say))
    if not done.ok:
        raise build_error(done, request.device)
    return request.tag


def image_output(request: BuildRequest, *, exact: bool) -> str:
    """BuildKit's exporter for an image in the engine's store, under its own name and the plain
    one."""
    if exact:
        how = f"oci-mediatypes=true,unpack=true,{_compression(request)}"
        return f'type=image,"name={request.names}",{how}'
    return f'type=docker,"name={request.names}"'  # the older store compresses only when it pushes


def _compression(request: BuildRequest) -> str:
    return f"compression=zstd,compression-level={_LEVEL[request.device]}"


def _listener(request: BuildRequest, say: Callable[[str], None]) -> Callable[[str], None]:
    return say if request.verbose else Progress(say)


def keeps_exact() -> bool:
    """Whether the engine keeps images as they were built: the containerd image store."""
    done = run(["docker", "info", "--format", "{{json .DriverStatus}}"], timeout_s=20)
    return "containerd" in done.stdout


class Progress:
    """Turns BuildKit's plain log into one line per step, for a person who waits."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Hand lines to `say`."""
        self._say = say
        self._waiting: dict[str, str] = {}

    def __call__(self, line: str) -> None:
        """Take one line of the log; a step is told when it works, and not when it is `CACHED`."""
        number, _, rest = line.partition(" ")
        if not number.startswith("#"):
            return
        if number not in self._waiting:
            self._waiting[number] = _STEPS.get(_step_of(rest), "")
            return
        told, self._waiting[number] = self._waiting[number], ""
        if told and rest != "CACHED":
            self._say(told)


_STEPS = {
    "install-debian.sh": "installing git and a compiler ...",
    "install-packages.sh runner": "installing the installer ...",
    "install-packages.sh cpu": "installing the packages of the cpu lock (190 MB for torch) ...",
    "install-packages.sh cuda": "installing the packages of the cuda lock (about 3 GB) ...",
    "exporting": "compressing and storing the image ...",
}


def _step_of(text: str) -> str:
    return next((key for key in _STEPS if key in text), "")


def prove(request: BuildRequest, say: Callable[[str], None]) -> ImageManifest:
    """Build twice from nothing and compare, down to the file.

    Raises:
        CheckFailed: the two builds differ; names what differs.
        LabError: a build failed, or the engine cannot export an image as it was built.
    """
    exact = replace(request, cache=False)
    _unchanged(exact)  # fixes the hash to compare with
    with tempfile.TemporaryDirectory(prefix="lab-check-", dir=_roomy()) as folder:
        archives = []
        for number in (1, 2):
            say(f"build {number} of 2, from nothing:")
            archive = Path(folder) / f"{number}.tar"
            with _secrets(request.sources) as secrets:
                output = f"type=oci,dest={archive},{_compression(request)}"
                done = stream(build_arguments(exact, secrets, output), _listener(request, say))
            if not done.ok:
                raise build_error(done, request.device)
            archives.append(archive)
            _unchanged(exact)
        first, second = (read_manifest(archive) for archive in archives)
        if first.digest != second.digest:
            raise _not_the_same(differences(*archives), first, second)
    return first


def _unchanged(request: BuildRequest) -> None:
    """Two builds are compared for the same files; an editor that saves meanwhile would be blamed
    on them."""
    if hash_inputs(request.root) != request.inputs:
        raise LabError(
            "The image could not be proven: its files changed while it was built.",
            why="a file under lab/ or docker/, tasks.py or pyproject.toml was saved meanwhile",
            next_step="run ./inv build --check again, and leave the files alone until it ends",
        )


def _roomy() -> Path:
    """Archives of gigabytes go beside the clone's other state: /tmp is in memory on some
    machines."""
    from lab.paths import state

    folder = state()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _not_the_same(found: list[str], first: ImageManifest, second: ImageManifest) -> CheckFailed:
    shown = "\n".join(f"    {line}" for line in found[:20])
    more = f"\n    … and {len(found) - 20} more" if len(found) > 20 else ""
    return CheckFailed(
        f"Two builds of the same inputs differ: {first.digest} and {second.digest}.",
        why=f"{len(found)} differences:\n{shown}{more}",
        next_step=(
            "find what writes these files in docker/*.sh; a time, an order or a random name is"
            " usual"
        ),
    )


@dataclass(frozen=True, kw_only=True)
class StoredImage:
    """An image in the containerd store: the manifest's digest and the bytes that a student
    downloads."""

    digest: str
    compressed_bytes: int


def stored_image(image: str) -> StoredImage:
    """Read digest and compressed size of an image; meaningful in the containerd image store alone.

    There an image's id is its manifest's digest and its size that of the compressed layers. A test
    compares both with an export, which says the same after reading all layers.
    """
    done = run(["docker", "image", "inspect", "--format", "{{.Id}} {{.Size}}", image], timeout_s=60)
    if not done.ok:
        raise LabError(
            f"The image {image} could not be read back.",
            why=done.last_words,
            next_step="see that the engine runs (./inv doctor), then ./inv build again",
        )
    digest, size = done.stdout.split()
    return StoredImage(digest=digest, compressed_bytes=int(size))
