"""`inv verify` in the engines that the image was brought to: it is the image that Docker built."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.ways import APPTAINER, ROOTLESS, Place, Way

pytestmark = [pytest.mark.container, pytest.mark.root]


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(ROOTLESS, marks=pytest.mark.podman, id="podman"),
        pytest.param(APPTAINER, marks=pytest.mark.apptainer, id="apptainer"),
    ],
)
def test_image_and_bits_are_those_that_docker_has(
    way: Way, place: Callable[[Way], Place], archive: dict[str, Any]
) -> None:
    there = place(way)
    named = ("--image", there.image) if way.engine == "apptainer" else ()
    done = there.command("verify", "--engine", way.engine, *named, "--json")
    assert done.code == 0, done.err + done.out
    seen: dict[str, Any] = dict(done.json())
    assert seen["machine"]["image_digest"] == archive["digest"]
    found = {f["name"]: f["status"] for f in seen["verification"]["findings"]}
    assert {name for name, status in found.items() if status != "same"} <= {"image", "lab"}
    assert {name for name in found if name.startswith("cpu: ")}
