"""Where the job of each node runs, from what was typed and what the site says."""

from pathlib import Path

import pytest

from lab.cluster.site import Site
from lab.cluster_place import make_ready, place_of
from lab.errors import LabError
from lab.image.provide import own_image
from lab.launch import Wish
from tests.fakes import Programs

CPU = Wish(device="cpu")
IN_IMAGE = Wish(device="cpu", engine="apptainer", image="/shared/lab.sif")


def test_nodes_run_in_the_locked_environment_unless_told_otherwise() -> None:
    assert place_of(CPU, Site()).words == ("--engine", "host", "--device", "cpu")


def test_image_is_named_to_the_nodes_which_make_none() -> None:
    words = ("--engine", "apptainer", "--image", "/shared/lab.sif", "--device", "cpu")
    assert place_of(IN_IMAGE, Site()).words == words
    own = place_of(Wish(device="cpu", engine="apptainer"), Site())
    assert own.image == own_image("cpu", "apptainer")
    assert Path(own.image).is_absolute()


def test_what_is_typed_holds_over_what_the_site_says() -> None:
    site = Site(engine="apptainer", image="/site.sif")
    assert place_of(CPU, site).image == "/site.sif"
    assert place_of(IN_IMAGE, site).image == "/shared/lab.sif"
    assert place_of(Wish(device="cpu", engine="host"), site).words[:2] == ("--engine", "host")


@pytest.mark.parametrize(
    ("where", "site", "what"),
    [
        (Wish(engine="docker"), Site(), "The engine docker is not used on the nodes"),
        (CPU, Site(engine="podman"), "The engine podman is not used on the nodes"),
        (CPU, Site(engine="aptainer"), "There is no engine 'aptainer'."),
        (Wish(image="lab.sif"), Site(), "--image is for Apptainer."),
        (Wish(device="mps", engine="apptainer"), Site(), "no device mps"),
    ],
)
def test_what_nodes_cannot_run_in_is_refused(where: Wish, site: Site, what: str) -> None:
    with pytest.raises(LabError, match=what):
        place_of(where, site)


def test_image_that_is_missing_is_found_out_before_anything_is_submitted(
    programs: Programs,
) -> None:
    with pytest.raises(LabError, match=r"There is no image file /shared/lab\.sif"):
        make_ready(place_of(IN_IMAGE, Site()), print)
    assert programs.calls == []


def test_apptainer_may_be_missing_where_one_submits(programs: Programs, tmp_path: Path) -> None:
    image = tmp_path / "lab.sif"
    image.touch()
    lines: list[str] = []
    where = Wish(device="cpu", engine="apptainer", image=str(image))
    make_ready(place_of(where, Site()), lines.append)
    assert len(lines) == 1
    assert lines[0].startswith("here, and perhaps not on the nodes:")
