"""Where packages come from on this machine: mirrors, a wheelhouse, a private CA.

pip's variables are the ones that universities and clusters set; uv has others for the same things.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.request import url2pathname

from lab.errors import LabError
from lab.paths import state

TORCH_CPU_WHEEL = "torch-2.13.0+cpu-cp311-cp311-*.whl"
# Published as source alone, by lock. The lock also holds what builds it.
FROM_SOURCE = {"peers": ("gpustat",)}


@dataclass(frozen=True, kw_only=True)
class PackageSources:
    """What the environment says of the places that packages come from.

    Args:
        find_links: wheelhouses: folders, or addresses of pages that list files.
        variables: uv's variables for mirrors and a private CA.
        ca_file: certificates of a private CA, in PEM, or None.
    """

    find_links: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    ca_file: Path | None = None

    @property
    def folders(self) -> tuple[Path, ...]:
        """The wheelhouses that are folders on this machine."""
        return tuple(_folder(link) for link in self.find_links if not _is_remote(link))

    @property
    def remote_links(self) -> tuple[str, ...]:
        """The wheelhouses that are addresses."""
        return tuple(link for link in self.find_links if _is_remote(link))

    @property
    def holds_torch_cpu(self) -> bool:
        """Whether a wheelhouse has, or may have, the CPU wheel of torch."""
        return bool(self.remote_links) or any(any(f.glob(TORCH_CPU_WHEEL)) for f in self.folders)


def _folder(link: str) -> Path:
    plain = url2pathname(link.removeprefix("file://")) if link.startswith("file://") else link
    return Path(plain).absolute()


def _is_remote(link: str) -> bool:
    return link.startswith(("http://", "https://"))


def read_sources(environ: Mapping[str, str] = os.environ) -> PackageSources:
    """Read PIP_FIND_LINKS, PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, SSL_CERT_FILE and uv's own names."""
    links = environ.get("PIP_FIND_LINKS", "").split()
    links += [link.strip() for link in environ.get("UV_FIND_LINKS", "").split(",") if link.strip()]
    ca = environ.get("SSL_CERT_FILE") or environ.get("PIP_CERT") or ""
    variables = {
        "UV_DEFAULT_INDEX": (
            environ.get("UV_DEFAULT_INDEX")
            or environ.get("UV_INDEX_URL")
            or environ.get("PIP_INDEX_URL")
        ),
        "UV_INDEX": environ.get("UV_INDEX") or environ.get("PIP_EXTRA_INDEX_URL"),
        "UV_NO_INDEX": environ.get("UV_NO_INDEX") or environ.get("PIP_NO_INDEX"),
    }
    return PackageSources(
        find_links=tuple(dict.fromkeys(links)),
        variables=tuple((name, value) for name, value in variables.items() if value),
        ca_file=Path(ca).absolute() if ca else None,
    )


def uv_arguments(sources: PackageSources, *, torch_cpu: bool) -> list[str]:
    """Arguments for `uv pip` that make it look where this machine's packages are.

    Args:
        sources: from `read_sources`.
        torch_cpu: the packages hold torch's CPU build for Linux. It has an index of its own, whose
            address uv knows; uv stops when an index does not answer, so that index is asked only
            where no wheelhouse has the wheel.
    """
    links = [str(folder) for folder in sources.folders] + list(sources.remote_links)
    arguments = [argument for link in links for argument in ("--find-links", link)]
    if torch_cpu and not sources.holds_torch_cpu:
        arguments += ["--torch-backend", "cpu"]
    return arguments


def kind_arguments(*locks: str) -> list[str]:
    """Arguments for `uv pip` that let it take wheels alone, but for what has none."""
    names = [name for lock in locks for name in FROM_SOURCE.get(lock, ())]
    return ["--only-binary", ":all:", *(a for name in names for a in ("--no-binary", name))]


def uv_environment(sources: PackageSources) -> dict[str, str]:
    """Variables for uv, on top of this process's own."""
    variables = dict(sources.variables)
    if not os.access(os.environ.get("HOME", "/nonexistent"), os.W_OK):
        variables["UV_CACHE_DIR"] = os.environ.get("UV_CACHE_DIR") or str(state() / "uv-cache")
    if sources.ca_file:
        variables["SSL_CERT_FILE"] = str(sources.ca_file)
    return variables


def check_sources(sources: PackageSources) -> None:
    """Make sure that what the environment names is there, before an installer stumbles over it.

    Raises:
        LabError: a wheelhouse or the file of a private CA is missing.
    """
    for folder in sources.folders:
        if not folder.exists():
            raise LabError(
                f"There is no wheelhouse {folder}.",
                why="PIP_FIND_LINKS or UV_FIND_LINKS names it",
                next_step="name a folder that exists, or unset the variable",
            )
    if sources.ca_file and not sources.ca_file.is_file():
        raise LabError(
            f"There is no file of certificates {sources.ca_file}.",
            why="SSL_CERT_FILE or PIP_CERT names it",
            next_step="name the private CA's file in PEM, or unset the variable",
        )
