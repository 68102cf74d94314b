"""Which image a container is to run, and when it is built."""

from pathlib import Path

import pytest

from lab.engines.choose import Choice
from lab.errors import LabError
from lab.image.inputs import hash_inputs
from lab.image.provide import STAND_IN, default_base, is_there, own_image, provide_image
from tests.fakes import Programs

ROOT = Path(__file__).resolve().parents[2]
CPU = Choice(engine="docker", device="cpu", gpu="none", why="")
OWN = f"pytorch-lab:cpu-{hash_inputs(ROOT)[:12]}"

# Has the images that are files beside it; a build makes the one that it was asked for.
ENGINE = """\
name() { printf %s "$1" | /usr/bin/tr '/:' '__'; }
case "$1 $2" in
"image inspect") for image; do :; done; [ -e "$0-$(name "$image")" ] && echo sha256:1 ;;
"buildx build") : >"$0-$(name OWN)" ;;
"info --format") echo '[]' ;;
*) exit 9 ;;
esac
""".replace("OWN", OWN)


@pytest.fixture
def engine(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> Programs:
    for name in ("LAB_BASE", "PIP_FIND_LINKS", "UV_FIND_LINKS", "SSL_CERT_FILE", "PIP_CERT"):
        monkeypatch.delenv(name, raising=False)
    programs.add("docker", ENGINE)
    return programs


def has(engine: Programs, image: str) -> None:
    (engine.folder / f"docker-{image.replace('/', '_').replace(':', '_')}").touch()


def builds(engine: Programs) -> list[str]:
    return [call for call in engine.calls if call.startswith("docker buildx build")]


def test_named_image_is_taken_as_it_is(engine: Programs) -> None:
    has(engine, "mine:1")
    assert provide_image(CPU, "mine:1", "", print) == "mine:1"
    assert builds(engine) == []


def test_named_image_that_is_missing_is_an_error(engine: Programs) -> None:
    has(engine, OWN)
    with pytest.raises(LabError) as caught:
        provide_image(CPU, "mine:1", "", print)
    assert caught.value.what == "There is no image mine:1 here."
    assert "docker pull mine:1" in caught.value.next_step
    assert builds(engine) == []


def test_own_image_is_built_once(engine: Programs) -> None:
    lines: list[str] = []
    assert provide_image(CPU, None, "", lines.append) == OWN
    assert len(builds(engine)) == 1
    assert lines[0].startswith("building the image for cpu")
    assert provide_image(CPU, None, "", lines.append) == OWN
    assert len(builds(engine)) == 1
    assert len(lines) == 1


def test_build_takes_the_base_that_was_asked_for(engine: Programs) -> None:
    has(engine, STAND_IN)
    provide_image(CPU, None, "other/python:3", print)
    assert "base=docker-image://other/python:3" in builds(engine)[0]


def test_build_takes_a_local_stand_in_for_the_base(engine: Programs) -> None:
    has(engine, STAND_IN)
    provide_image(CPU, None, "", print)
    assert f"base=docker-image://{STAND_IN}" in builds(engine)[0]


def test_build_takes_the_dockerfiles_base_where_there_is_no_stand_in(engine: Programs) -> None:
    provide_image(CPU, None, "", print)
    assert "docker-image://" not in builds(engine)[0]


def test_default_base_is_the_variables_before_the_stand_in(
    engine: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert default_base("docker") == ""
    has(engine, STAND_IN)
    assert default_base("docker") == STAND_IN
    monkeypatch.setenv("LAB_BASE", "mine/python:3")
    assert default_base("docker") == "mine/python:3"


def test_is_there_asks_the_engine(engine: Programs) -> None:
    has(engine, "a/b:c")
    assert is_there("docker", "a/b:c")
    assert not is_there("docker", "a/b:d")
    assert not is_there("podman", "a/b:c")  # which is not installed


def test_own_image_is_one_per_target() -> None:
    assert own_image("cpu") == own_image("mps") == OWN
    assert own_image("cuda") == OWN.replace(":cpu-", ":cuda-")
