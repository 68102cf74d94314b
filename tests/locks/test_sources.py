"""Where packages come from: every variable, folders and addresses."""

from pathlib import Path

import pytest

from lab.locks.sources import (
    PackageSources,
    kind_arguments,
    read_sources,
    uv_arguments,
    uv_environment,
)

WHEEL = "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl"


def test_sources_of_a_plain_machine_are_empty() -> None:
    sources = read_sources({})
    assert sources == PackageSources()
    assert uv_environment(sources) == {}
    assert uv_arguments(sources, torch_cpu=False) == []
    assert uv_arguments(sources, torch_cpu=True) == ["--torch-backend", "cpu"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PIP_INDEX_URL", "https://mirror/simple", {"UV_DEFAULT_INDEX": "https://mirror/simple"}),
        ("UV_INDEX_URL", "https://mirror/simple", {"UV_DEFAULT_INDEX": "https://mirror/simple"}),
        ("UV_DEFAULT_INDEX", "https://mirror/", {"UV_DEFAULT_INDEX": "https://mirror/"}),
        ("PIP_EXTRA_INDEX_URL", "https://a https://b", {"UV_INDEX": "https://a https://b"}),
        ("UV_INDEX", "https://a", {"UV_INDEX": "https://a"}),
        ("PIP_NO_INDEX", "1", {"UV_NO_INDEX": "1"}),
        ("UV_NO_INDEX", "true", {"UV_NO_INDEX": "true"}),
        ("SSL_CERT_FILE", "/ca.pem", {"SSL_CERT_FILE": "/ca.pem"}),
        ("PIP_CERT", "/ca.pem", {"SSL_CERT_FILE": "/ca.pem"}),
        ("PIP_INDEX_URL", "", {}),
        ("SSL_CERT_FILE", "", {}),
        ("PIP_TIMEOUT", "5", {}),
    ],
)
def test_variable_reaches_uv(name: str, value: str, expected: dict[str, str]) -> None:
    assert uv_environment(read_sources({name: value})) == expected


def test_uvs_own_names_win_over_pips() -> None:
    sources = read_sources(
        {
            "UV_DEFAULT_INDEX": "u", "UV_INDEX_URL": "o", "PIP_INDEX_URL": "p",
            "UV_INDEX": "x", "PIP_EXTRA_INDEX_URL": "y",
            "SSL_CERT_FILE": "/s", "PIP_CERT": "/p",
        }
    )  # fmt: skip
    assert uv_environment(sources) == {
        "UV_DEFAULT_INDEX": "u",
        "UV_INDEX": "x",
        "SSL_CERT_FILE": "/s",
    }


def test_find_links_of_pip_and_uv_are_joined_in_order() -> None:
    environ = {"PIP_FIND_LINKS": "/a  https://b/ /c", "UV_FIND_LINKS": "/c, /with space/d,"}
    sources = read_sources(environ)
    assert sources.find_links == ("/a", "https://b/", "/c", "/with space/d")
    assert sources.folders == (Path("/a"), Path("/c"), Path("/with space/d"))
    assert sources.remote_links == ("https://b/",)


def test_folder_by_url_or_relative_is_an_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sources = read_sources({"PIP_FIND_LINKS": "file:///opt/wheels wheels", "PIP_CERT": "ca.pem"})
    assert sources.folders == (Path("/opt/wheels"), tmp_path / "wheels")
    assert sources.ca_file == tmp_path / "ca.pem"


def test_wheelhouse_with_torch_keeps_the_index_of_torch_unasked(tmp_path: Path) -> None:
    (tmp_path / WHEEL).touch()
    sources = read_sources({"PIP_FIND_LINKS": str(tmp_path)})
    assert sources.holds_torch_cpu
    assert uv_arguments(sources, torch_cpu=True) == ["--find-links", str(tmp_path)]


@pytest.mark.parametrize(
    "other",
    [
        "torch-2.13.0-cp311-none-macosx_14_0_arm64.whl",
        "torch-2.12.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl",
        "torch-2.13.0+cpu-cp312-cp312-manylinux_2_28_x86_64.whl",
    ],
)
def test_wheelhouse_without_torch_leaves_its_index_in(tmp_path: Path, other: str) -> None:
    (tmp_path / other).touch()
    sources = read_sources({"PIP_FIND_LINKS": str(tmp_path)})
    assert not sources.holds_torch_cpu
    links = ["--find-links", str(tmp_path)]
    assert uv_arguments(sources, torch_cpu=True) == [*links, "--torch-backend", "cpu"]
    assert uv_arguments(sources, torch_cpu=False) == links


def test_wheelhouse_that_is_missing_holds_nothing(tmp_path: Path) -> None:
    assert not read_sources({"PIP_FIND_LINKS": str(tmp_path / "none")}).holds_torch_cpu


def test_remote_wheelhouse_may_hold_torch(tmp_path: Path) -> None:
    """A page of links cannot be looked into cheaply: who sets one says that all is there."""
    environ = {"PIP_FIND_LINKS": f"http://wheels.example/ {tmp_path}"}
    sources = read_sources(environ)
    assert sources.holds_torch_cpu
    expected = ["--find-links", str(tmp_path), "--find-links", "http://wheels.example/"]
    assert uv_arguments(sources, torch_cpu=True) == expected


def test_only_what_has_no_wheel_is_built() -> None:
    assert kind_arguments("cpu", "dev") == ["--only-binary", ":all:"]
    assert kind_arguments("peers") == ["--only-binary", ":all:", "--no-binary", "gpustat"]
