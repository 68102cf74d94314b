"""The one image, by every way to run it: the same checks for all, and a list of what one cannot.

Each way is started, visited and stopped once, as its user would; the checks are asked of what was
seen. A check that a way cannot pass is in `CANNOT`, and has to go on failing: once it passes, the
list, which CONTRIBUTING.md repeats, is no longer true.
"""

import json
from collections.abc import Callable

import pytest

from tests.conformance.ways import APPTAINER, PODMAN, ROOTLESS, WAYS, WITHOUT_NETWORK, Seen, Way
from tests.conftest import ROOT

MARKS = {
    "docker": (pytest.mark.container, pytest.mark.root),
    "podman": (pytest.mark.container, pytest.mark.podman, pytest.mark.root),
    "apptainer": (pytest.mark.container, pytest.mark.apptainer, pytest.mark.root),
}

Check = Callable[[Seen], None]


def page_answers_with_the_token_alone(seen: Seen) -> None:
    assert seen.visit["asked"] == {"token": 200, "": 403, "wrong": 403}


def page_answers_on_the_machine(seen: Seen) -> None:
    assert seen.from_outside


def kernel_runs_torch_and_draws(seen: Seen) -> None:
    assert (seen.visit["error"], seen.visit["sum"], seen.visit["plots"]) == ("", "45", 1)


def commands_of_the_lab_run(seen: Seen) -> None:
    assert set(seen.inside["commands"].values()) == {""}


def bits_are_the_receipts(seen: Seen) -> None:
    receipt = json.loads((ROOT / "docker" / "receipt.json").read_text())
    wanted = next(f for f in receipt["fingerprints"] if f["mode"] == "ordinary")
    bound = {r["name"]: r["sha256"] for r in wanted["results"] if r["bound"]}
    computed = {r["name"]: r["sha256"] for r in seen.inside["fingerprint"]["results"]}
    assert bound
    assert {name: computed[name] for name in bound} == bound


def work_is_the_users_and_stays(seen: Seen) -> None:
    assert seen.owners == {seen.wanted}
    assert seen.saved == {"from the page.txt": "saved", "from a kernel.txt": "saved"}


def nothing_else_can_be_written(seen: Seen) -> None:
    """But for /dev, which is in memory, and whose /dev/shm the workers of a DataLoader need."""
    found = {path for path in seen.inside["writable"] if not f"{path}/".startswith("/dev/")}
    assert found == {"/work", "/tmp", "/home/student"}


def no_capability_is_left(seen: Seen) -> None:
    assert {int(mask, 16) for mask in seen.inside["capabilities"]} == {0}
    assert seen.inside["no_new_privileges"] == "1"


def processes_are_limited(seen: Seen) -> None:
    assert seen.inside["processes_max"] == "4096"


def engine_looks_after_the_page(seen: Seen) -> None:
    assert seen.watched


def stop_leaves_nothing(seen: Seen) -> None:
    assert seen.left == []


CHECKS: tuple[Check, ...] = (
    page_answers_with_the_token_alone, page_answers_on_the_machine, kernel_runs_torch_and_draws,
    commands_of_the_lab_run, bits_are_the_receipts, work_is_the_users_and_stays,
    nothing_else_can_be_written, no_capability_is_left, processes_are_limited,
    engine_looks_after_the_page, stop_leaves_nothing,
)  # fmt: skip

_OF_PODMAN = "no health check: Podman reads none from an image of this form"
CANNOT: dict[tuple[str, Check], str] = {
    (WITHOUT_NETWORK.name, page_answers_on_the_machine): (
        "no page on the machine: without a network no port is published"
    ),
    (PODMAN.name, engine_looks_after_the_page): _OF_PODMAN,
    (ROOTLESS.name, engine_looks_after_the_page): _OF_PODMAN,
    (ROOTLESS.name, processes_are_limited): (
        "no limit on processes or memory where control groups are of version 1"
    ),
    (APPTAINER.name, engine_looks_after_the_page): "no health check: it has none",
    (APPTAINER.name, processes_are_limited): "no limit on processes or memory: a job's are Slurm's",
    (APPTAINER.name, nothing_else_can_be_written): (
        "`/var/tmp` and the container's own `/etc/passwd`, `/etc/group` and `/etc/resolv.conf` can"
        " be written, in memory"
    ),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=MARKS[way.engine], id=way.name) for way in WAYS]
)
def test_way_conforms(way: Way, check: Check, seen: Callable[[Way], Seen]) -> None:
    found = seen(way)
    if (way.name, check) in CANNOT:
        with pytest.raises(AssertionError):
            check(found)
    else:
        check(found)


@pytest.mark.parametrize(("where", "reason"), [(k[0], v) for k, v in CANNOT.items()])
def test_what_a_way_cannot_do_is_in_the_readme(where: str, reason: str) -> None:
    row = next(
        line for line in (ROOT / "README.md").read_text().splitlines()
        if line.startswith(f"| {where} |")
    )  # fmt: skip
    assert reason in row
