"""What is said when a build fails."""

import pytest

from lab.image.failure import build_error
from lab.process import Finished


def failed(text: str) -> Finished:
    return Finished(argv=("docker",), code=1, stdout=text, stderr="")


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_build_error_of_a_full_disk(device: str) -> None:
    text = "#9 ERROR: failed to copy: write /var/x: No space left on device\nERROR: failed to fetch"
    error = build_error(failed(text), device)
    assert error.what == f"The image for {device} could not be built."
    assert error.why == "the disk is full: no space left on device"
    assert f"free {'3' if device == 'cpu' else '15'} GB" in error.next_step


@pytest.mark.parametrize(
    "line",
    [
        "#3 ERROR: failed to resolve source metadata for docker.io/library/python: no such host",
        "E: Failed to fetch http://deb/x Temporary failure resolving 'deb'",
        "error sending request for url: dns error: failed to lookup address information",
        "pip._vendor.urllib3.exceptions.NewConnectionError: Connection refused",
        "dial tcp 10.0.0.1:443: i/o timeout",
        "invalid peer certificate: UnknownIssuer",
    ],
)
def test_build_error_of_the_network_shows_its_line(line: str) -> None:
    error = build_error(failed(f"#1 first\n  {line}\n#2 last\n"), "cpu")
    assert error.why == f"something could not be fetched from the network:\n{line}"
    for word in ("SSL_CERT_FILE", "PIP_INDEX_URL", "PIP_FIND_LINKS", "--base"):
        assert word in error.next_step


@pytest.mark.parametrize(
    "text",
    [
        "docker: 'buildx' is not a docker command.\nSee 'docker --help'",
        "unknown flag: --progress\n\nUsage:  docker [OPTIONS] COMMAND [ARG...]\n",
    ],
)
def test_build_error_of_a_missing_builder(text: str) -> None:
    """The second are Docker 28's words: without the plugin it takes the flags for its own."""
    error = build_error(failed(text), "cpu")
    assert error.why == "Docker's builder, Buildx, is missing"
    assert "apt install docker-buildx" in error.next_step


def test_build_error_of_anything_else_shows_the_end() -> None:
    text = "\n\n".join(f"line {number}" for number in range(500))
    error = build_error(failed(text), "cpu")
    assert error.why.endswith("line 498\nline 499")
    assert "line 100" not in error.why
    assert "--verbose" in error.next_step


@pytest.mark.parametrize(
    "line",
    [
        "rpc error: code = Unavailable desc = error reading from server: EOF",
        "failed to solve: Unavailable: error reading from server: EOF",
        "rpc error: code = Unavailable desc = connection error: dial unix x: connection refused",
        "rpc error: code = Unavailable desc = transport is closing",
        "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?",
    ],
)
def test_build_error_of_an_engine_that_ended(line: str) -> None:
    """A full disk may end the daemon itself, which then says nothing of the disk."""
    error = build_error(failed(f"#8 sending tarball\nERROR: {line}\n"), "cpu")
    assert "the engine itself ended" in error.why
    assert "start the engine again" in error.next_step
