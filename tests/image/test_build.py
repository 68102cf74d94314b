"""The builder's command line, its progress, and why a build failed."""

import csv
import shlex
from pathlib import Path

import pytest

from lab.errors import CheckFailed, LabError
from lab.image import build as module
from lab.image.archive import ImageManifest
from lab.image.build import (
    BuildRequest,
    Progress,
    build,
    build_arguments,
    image_output,
    keeps_exact,
    stored_image,
)
from lab.image.inputs import hash_file, hash_inputs
from lab.locks.sources import PackageSources
from tests.fakes import Programs

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "el clon"
    (folder / "docker" / "locks").mkdir(parents=True)
    (folder / "docker" / "locks" / "epoch.txt").write_text("1795448351\n")
    (folder / "docker" / "locks" / "cpu.txt").write_text("numpy==1\n")
    (folder / "docker" / "locks" / "cuda.txt").write_text("numpy==2\n")
    return folder


def a_request(root: Path, **more: object) -> BuildRequest:
    about = {"root": root, "device": "cpu", "sources": PackageSources(), **more}
    return BuildRequest(**about)  # type: ignore[arg-type]


def the_start(root: Path, device: str) -> list[str]:
    return [
        "docker", "buildx", "build", "--progress=plain", "--provenance=false", "--sbom=false",
        "--file", f"{root}/docker/Dockerfile", "--target", device,
        "--build-arg", "SOURCE_DATE_EPOCH=1795448351",
        "--build-arg", f"LAB_INPUTS={hash_inputs(root)}",
        "--build-arg", f"LAB_LOCK={hash_file(root / 'docker' / 'locks' / f'{device}.txt')}",
    ]  # fmt: skip


def test_build_arguments_are_the_whole_line(root: Path) -> None:
    line = build_arguments(a_request(root), {}, "type=docker")
    assert line == [*the_start(root, "cpu"), "--output", "type=docker", str(root)]


def test_build_arguments_with_all_that_can_be_asked(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://ana:secret@proxy:3128")
    monkeypatch.setenv("no_proxy", "localhost")
    monkeypatch.setenv("HTTP_PROXY", "")
    request = a_request(
        root, device="cuda", base="local/python:3.11", platform="linux/arm64", cache=False,
        sources=PackageSources(find_links=("https://links/", "/wheels", "/more")),
    )  # fmt: skip
    secrets = {"ca": Path("/etc/ca.pem"), "sources": Path("/tmp/x/sources")}
    assert build_arguments(request, secrets, "type=oci,dest=/a", program="podman") == [
        "podman", *the_start(root, "cuda")[1:],
        "--build-context", "base=docker-image://local/python:3.11",
        "--build-context", "wheelhouse=/wheels",
        "--secret", "id=ca,src=/etc/ca.pem",
        "--secret", "id=sources,src=/tmp/x/sources",
        "--build-arg", "HTTPS_PROXY",
        "--build-arg", "no_proxy",
        "--platform", "linux/arm64",
        "--no-cache",
        "--output", "type=oci,dest=/a",
        str(root),
    ]  # fmt: skip


def test_build_arguments_show_no_password(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They can be read by everybody in `ps`: a proxy is handed on by its name alone."""
    for name in PROXIES:
        monkeypatch.setenv(name, "http://ana:secret@proxy:3128")
    sources = PackageSources(
        find_links=("https://ana:secret@links/",),
        variables=(("UV_DEFAULT_INDEX", "https://ana:secret@mirror/"),),
    )
    line = build_arguments(a_request(root, sources=sources), {"sources": Path("/s")}, "o")
    assert "secret@" not in shlex.join(line)
    assert [name for name in PROXIES if name in line] == list(PROXIES)


def test_tag_tells_inputs_and_devices_apart(root: Path) -> None:
    tag = a_request(root).tag
    assert tag == f"pytorch-lab:cpu-{hash_inputs(root)[:12]}"
    assert a_request(root, device="cuda").tag.startswith("pytorch-lab:cuda-")
    (root / "tasks.py").write_text("x")
    assert a_request(root).tag != tag


def test_image_output_names_the_image_twice(root: Path) -> None:
    """BuildKit reads it as CSV: the names, with a comma between, are one value."""
    request = a_request(root)
    for exact in (True, False):
        fields = next(csv.reader([image_output(request, exact=exact)]))
        assert fields[0] == ("type=image" if exact else "type=docker")
        assert fields[1] == f"name={request.tag},pytorch-lab:cpu"
        compression = {f.partition("=")[2] for f in fields if f.startswith("compression=")}
        assert compression == ({"zstd"} if exact else set())
    assert "unpack=true" in image_output(request, exact=True).split(",")


# Stands in for Docker: looks at the secrets while they are there, then builds nothing.
BUILDER = """\
case "$*" in
info*) echo '[["driver-type","io.containerd.snapshotter.v1"]]' ;;
*inspect*) echo "sha256:d 123" ;;
*)
  for word; do
    case $word in
    id=sources,src=*) /bin/cp "${word#id=sources,src=}" "$0.sources" ;;
    esac
  done
  echo "#7 [runtime 1/2] RUN sh /dev/docker/install-debian.sh"
  echo "#7 DONE 1.0s"
  exit "$(/bin/cat "$0.code" 2>/dev/null || echo 0)"
  ;;
esac
"""


def test_build_hands_over_secrets_as_a_file_that_is_gone_afterwards(
    root: Path, programs: Programs, tmp_path: Path
) -> None:
    docker = programs.add("docker", BUILDER)
    ca = tmp_path / "ca.pem"
    ca.touch()
    sources = PackageSources(
        find_links=("https://a/", "https://b/", str(tmp_path)),
        variables=(("UV_DEFAULT_INDEX", "https://ana:it's@mirror/ $HOME"),),
        ca_file=ca,
    )
    request = a_request(root, sources=sources)
    lines: list[str] = []
    assert build(request, lines.append) == request.tag
    assert lines == ["installing git and a compiler ..."]
    call = programs.calls[-1]
    assert f"id=ca,src={ca}" in call
    assert "mirror" not in call
    kept = Path(f"{docker}.sources")
    assert kept.read_text().splitlines() == [
        "UV_DEFAULT_INDEX='https://ana:it'\\''s@mirror/ $HOME'",
        "UV_FIND_LINKS='https://a/,https://b/'",
    ]
    # a shell reads it back as it was
    read = f'. "{kept}"; printf "%s" "$UV_DEFAULT_INDEX"'
    assert module.run(["/bin/sh", "-c", read]).stdout == "https://ana:it's@mirror/ $HOME"
    path = next(w for w in call.split() if w.startswith("id=sources,src="))
    assert not Path(path.removeprefix("id=sources,src=")).exists()


def test_build_that_fails_leaves_no_secret(root: Path, programs: Programs) -> None:
    docker = programs.add("docker", BUILDER)
    Path(f"{docker}.code").write_text("1")
    sources = PackageSources(variables=(("UV_INDEX", "https://x/"),))
    with pytest.raises(LabError, match="The image for cpu could not be built"):
        build(a_request(root, sources=sources), print)
    path = next(w for w in programs.calls[-1].split() if w.startswith("id=sources,src="))
    assert not Path(path.removeprefix("id=sources,src=")).exists()


def test_build_without_mirrors_has_no_secret(root: Path, programs: Programs) -> None:
    programs.add("docker", BUILDER)
    build(a_request(root), print)
    assert "--secret" not in programs.calls[-1]


def test_build_that_is_verbose_shows_the_builders_words(root: Path, programs: Programs) -> None:
    programs.add("docker", BUILDER)
    lines: list[str] = []
    build(a_request(root, verbose=True), lines.append)
    assert lines == ["#7 [runtime 1/2] RUN sh /dev/docker/install-debian.sh", "#7 DONE 1.0s"]


def test_stored_image_is_read_back(programs: Programs) -> None:
    programs.add("docker", BUILDER)
    found = stored_image("pytorch-lab:cpu")
    assert (found.digest, found.compressed_bytes) == ("sha256:d", 123)
    programs.add_answer("docker", err="Error: No such image: x", code=1)
    with pytest.raises(LabError) as caught:
        stored_image("x")
    assert caught.value.why == "Error: No such image: x"


@pytest.mark.parametrize(
    ("answer", "exact"),
    [
        ('[["driver-type","io.containerd.snapshotter.v1"]]', True),
        ('[["Backing Filesystem","extfs"],["Supports d_type","true"]]', False),
        ("", False),
    ],
)
def test_keeps_exact_is_for_the_containerd_store(
    answer: str, exact: bool, programs: Programs
) -> None:
    programs.add_answer("docker", out=answer)
    assert keeps_exact() is exact


LOG = """\
#1 [internal] load build definition from Dockerfile
#1 transferring dockerfile: 5.00kB done
#1 DONE 0.0s
#5 [system 1/1] RUN --mount=type=bind sh /dev/docker/install-debian.sh
#6 [installer 1/1] RUN --mount=type=bind sh /dev/docker/install-packages.sh runner
#5 12.3 Selecting git, by install-debian.sh
#5 DONE 20.0s
#6 DONE 5.0s
#7 [cpu-packages 1/1] RUN --mount=type=cache sh /dev/docker/install-packages.sh cpu
#7 1.0 Downloading
#8 [cpu 1/3] COPY --from=cpu-packages /opt/venv /opt/venv
#9 exporting to image
#9 exporting layers
#9 exporting layers 30.0s done
#9 exporting manifest sha256:0 done

a line of no step
"""


def test_progress_says_each_step_once() -> None:
    lines: list[str] = []
    progress = Progress(lines.append)
    for line in LOG.splitlines():
        progress(line)
    assert lines == [
        "installing git and a compiler ...",
        "installing the installer ...",
        "installing the packages of the cpu lock (190 MB for torch) ...",
        "compressing and storing the image ...",
    ]


def test_progress_tells_the_locks_apart() -> None:
    lines: list[str] = []
    progress = Progress(lines.append)
    progress("#4 RUN sh /dev/docker/install-packages.sh cuda")
    progress("#4 0.5 Resolved")
    assert lines == ["installing the packages of the cuda lock (about 3 GB) ..."]


def test_progress_is_silent_on_what_an_earlier_build_made() -> None:
    lines: list[str] = []
    progress = Progress(lines.append)
    for line in ("#4 [system 1/1] RUN sh /dev/docker/install-debian.sh", "#4 CACHED", "#4 DONE"):
        progress(line)
    assert lines == []


def test_build_error_of_a_missing_program_says_so(root: Path, programs: Programs) -> None:
    with pytest.raises(LabError) as caught:
        build(a_request(root), print)
    assert caught.value.why == "no program docker"
    assert programs.calls == []


def test_differing_builds_are_a_failed_check_with_the_first_files() -> None:
    first, second = (ImageManifest(digest=f"sha256:{n}", config="", layers=()) for n in "12")
    error = module._not_the_same([f"file {n}" for n in range(25)], first, second)
    assert isinstance(error, CheckFailed)
    assert "sha256:1 and sha256:2" in error.what
    assert error.why.startswith("25 differences:\n    file 0\n")
    assert "file 19" in error.why
    assert "file 20" not in error.why
    assert error.why.endswith("… and 5 more")


def test_build_with_a_wheelhouse_that_is_missing_says_so(root: Path) -> None:
    sources = PackageSources(find_links=("/no/such/folder",))
    with pytest.raises(LabError, match="There is no wheelhouse /no/such/folder"):
        build(a_request(root, sources=sources), print)


def test_image_for_another_platform_leaves_this_machines_names_alone(root: Path) -> None:
    """`lab` runs what has the plain name: an image for another machine must not take it."""
    own, other = a_request(root), a_request(root, platform="linux/arm64")
    assert own.names == f"{own.tag},pytorch-lab:{own.device}"
    assert other.names == f"{own.tag}-linux-arm64"
