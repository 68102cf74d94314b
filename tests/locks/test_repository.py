"""The locks that are committed: complete, exact, and silent about where packages come from."""

import re
from pathlib import Path

import pytest

from lab.locks.lockfile import Pin, read_pins

DOCKER = Path(__file__).resolve().parents[2] / "docker"
LOCKS = DOCKER / "locks"
NAMES = ("cpu", "cuda", "dev", "peers", "runner")


def text(name: str) -> str:
    return (LOCKS / f"{name}.txt").read_text(encoding="utf-8")


def pins(name: str) -> list[Pin]:
    return read_pins(text(name))


def versions(name: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for pin in pins(name):
        found.setdefault(pin.name, set()).add(pin.version)
    return found


def asked_for(name: str) -> set[str]:
    """The packages of an .in file, with those of the files that it includes."""
    found: set[str] = set()
    for line in (LOCKS / f"{name}.in").read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            found |= asked_for(line.removeprefix("-r ").strip().removesuffix(".in"))
        elif line and not line.startswith("#"):
            match = re.match(r"[A-Za-z0-9._-]+", line)
            assert match, line
            found.add(match[0].lower().replace("_", "-"))
    return found


def test_locks_are_the_ones_known_here() -> None:
    assert sorted(path.stem for path in LOCKS.glob("*.txt")) == [
        "cpu",
        "cuda",
        "dev",
        "epoch",
        "peers",
        "runner",
    ]


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_every_package_has_one_version(name: str) -> None:
    """Whatever the 3.11 is: Debian's is 3.11.2, the official image's 3.11.16. Torch has builds."""
    assert [n for n, found in versions(name).items() if len(found) > 1 and n != "torch"] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_line_is_a_pin_a_hash_or_a_comment(name: str) -> None:
    """An option such as --index-url would be one that is none of them."""
    shapes = (
        r"[a-z0-9][a-z0-9._-]*={2,3}[0-9][^ ]*( ; [^\\]+)? \\",
        r"    --hash=sha256:[0-9a-f]{64}( \\)?",
        r"    #.*",
    )
    for line in text(name).splitlines():
        assert any(re.fullmatch(shape, line) for shape in shapes), line


@pytest.mark.parametrize("name", NAMES)
def test_every_pin_has_a_hash(name: str) -> None:
    found = pins(name)
    assert len(found) > 5
    assert [pin.name for pin in found if not pin.hashes] == []


@pytest.mark.parametrize("name", NAMES)
def test_lock_holds_what_its_in_file_asks_for(name: str) -> None:
    asked = asked_for(name)
    assert asked
    assert asked - versions(name).keys() == set()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("other", NAMES)
def test_locks_agree_on_what_they_share(name: str, other: str) -> None:
    """A plot made in one environment is the same in another; torch alone has a build for each."""
    one, two = versions(name), versions(other)
    shared = one.keys() & two.keys() - {"torch"}
    assert {n: one[n] for n in shared} == {n: two[n] for n in shared}
    assert "psutil" in shared


def test_runner_is_small() -> None:
    assert "torch" not in versions("runner")
    # nbformat and jupytext, for the course, bring ten small ones, CycloneDX, for the
    # bill of materials, seven.
    assert len(pins("runner")) < 35


def test_torch_is_pinned_to_one_build_per_platform() -> None:
    """`==2.13.0` alone would also take 2.13.0+cpu from a wheelhouse."""
    lines = {
        name: [line for line in text(name).splitlines() if re.match(r"torch=", line)]
        for name in NAMES
    }
    assert lines == {
        "cpu": [
            "torch===2.13.0 ; sys_platform == 'darwin' \\",
            "torch==2.13.0+cpu ; sys_platform == 'linux' \\",
        ],
        "cuda": ["torch===2.13.0 ; sys_platform == 'linux' \\"],
        "dev": [],
        "peers": [],
        "runner": [],
    }


def test_peers_are_in_no_lock_that_is_shipped() -> None:
    """nvitop's program is GPL-3.0: it may be run beside the lab, not be a part of it."""
    peers = {"nvitop", "gpustat"}
    assert peers <= versions("peers").keys()
    for name in set(NAMES) - {"peers"}:
        assert not peers & versions(name).keys()


def test_torchs_cpu_wheels_are_those_published_for_both_linux_machines() -> None:
    lines = (LOCKS / "torch-cpu.sha256").read_text(encoding="utf-8").splitlines()
    published = dict(line.split()[::-1] for line in lines if line and not line.startswith("#"))
    assert {re.sub(r".*_2_28_(.*)\.whl", r"\1", name) for name in published} == {
        "x86_64",
        "aarch64",
    }
    assert all(name.startswith("torch-2.13.0+cpu-cp311-cp311-") for name in published)
    (torch,) = [p for p in pins("cpu") if p.version == "2.13.0+cpu"]
    assert set(torch.hashes) == {f"sha256:{value}" for value in published.values()}


def test_epoch_is_a_time_in_seconds() -> None:
    epoch = (LOCKS / "epoch.txt").read_text()
    assert epoch == f"{int(epoch)}\n"
    assert int(epoch) > 1_700_000_000  # after 2023, so no millisecond count of the seventies


@pytest.mark.parametrize(
    "path", [p for p in sorted(DOCKER.rglob("*")) if p.is_file()], ids=lambda p: p.name
)
def test_docker_folder_names_no_host(path: Path) -> None:
    """Mirrors and registries are the machine's to name; 127.0.0.1 is in every machine."""
    content = path.read_text(encoding="utf-8")
    assert not re.findall(r"https?://\w", content)
    if path.parent == LOCKS:
        assert "://" not in content
    domains = r"\b(?:[a-z0-9-]+\.)+(?:org|com|net|io|dev|ai|edu|eu|es|cloud)\b(?![.=(])"
    # CDI's name for NVIDIA's GPUs has the form of a domain.
    assert re.findall(domains, content.replace("nvidia.com/gpu", ""), re.IGNORECASE) == []


def test_search_for_hosts_can_fail(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    for line in ("FROM registry.example.com/python", "ENV X=https://mirror/simple"):
        path.write_text(line)
        with pytest.raises(AssertionError):
            test_docker_folder_names_no_host(path)
