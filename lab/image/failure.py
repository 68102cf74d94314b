"""Why a build failed, from BuildKit's words, and what to do."""

import re

from lab.errors import LabError
from lab.process import Finished

# What should be free where the engine keeps its data. An image is there compressed and unpacked,
# and while it is built the wheels are as well. cpu: 0.4 GB + 1.3 GB + the build's cache; cuda:
# 3 GB + 5 GB + the build's cache of 3 GB and more.
NEEDED_BYTES = {"cpu": 3_000_000_000, "cuda": 15_000_000_000}

# What Buildx's client says when the daemon goes away under it.
_ENGINE_ENDED = re.compile(
    r"error reading from server|transport is closing|Unavailable.*connection error"
    r"|Cannot connect to the Docker daemon"
)

_NETWORK = (
    "dns error", "could not connect", "failed to fetch", "temporary failure", "name resolution",
    "network is unreachable", "connection refused", "i/o timeout", "no such host", "tls handshake",
    "newconnectionerror", "failed to resolve source metadata", "failed to do request",
    "could not resolve",
    "certificate verify failed", "invalid peer certificate",
)  # fmt: skip


def build_error(done: Finished, device: str) -> LabError:
    """Say why a build failed, from BuildKit's words."""
    text = done.stdout or done.stderr
    tail = "\n".join(line for line in text.splitlines() if line.strip())[-900:]
    what = f"The image for {device} could not be built."
    if "no space left on device" in text.lower():
        return LabError(
            what, why="the disk is full: no space left on device",
            next_step=f"free {NEEDED_BYTES[device] / 1e9:.0f} GB where the engine keeps its"
            " images (docker system df shows what takes it, docker buildx prune frees the build"
            " cache)",
        )  # fmt: skip
    if _ENGINE_ENDED.search(text):
        return LabError(
            what, why="the engine itself ended while it built, as it may where its disk is full",
            next_step="look at the room where the engine keeps its images (df), free some, start"
            " the engine again (Linux: sudo systemctl start docker) and build again: what was built"
            " already is used",
        )  # fmt: skip
    if _names_network(text):
        return LabError(
            what, why=f"something could not be fetched from the network:\n{_network_line(text)}",
            next_step="check the network; behind a private CA set SSL_CERT_FILE, for a mirror"
            " PIP_INDEX_URL, for a folder of wheels PIP_FIND_LINKS, for a base image at hand"
            " --base NAME",
        )  # fmt: skip
    if "is not a docker command" in text or "unknown flag: --progress" in text:
        return LabError(
            what, why="Docker's builder, Buildx, is missing",
            next_step="install it (Debian, Ubuntu: apt install docker-buildx; elsewhere it comes"
            " with Docker)",
        )  # fmt: skip
    return LabError(what, why=tail, next_step="the whole log: the same command with --verbose")


def _names_network(text: str) -> bool:
    return any(word in text.lower() for word in _NETWORK)


def _network_line(text: str) -> str:
    lines = [line for line in text.splitlines() if any(w in line.lower() for w in _NETWORK)]
    return lines[-1].strip()[:300]
