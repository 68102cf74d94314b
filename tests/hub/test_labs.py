"""What the engine says of a class's labs, and what is made of it."""

import json
from typing import Any

import pytest

from lab.errors import LabError
from lab.hub.labs import hub_address, labs, stop
from tests.fakes import Programs

ID = "a" * 64
KEY = "ana-etkls32y3j"


def container(**changes: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "Id": ID, "Image": "sha256:1", "Config": {"Labels": {"pytorch-lab.student": KEY}},
        "State": {"Running": True, "StartedAt": "2026-11-27T10:00:00.123456789Z"},
        "HostConfig": {"ReadonlyRootfs": True, "Memory": 2 << 30},
    }  # fmt: skip
    return facts | changes


def engine(programs: Programs, *found: dict[str, Any], stats: str = "") -> None:
    (programs.folder / "found").write_text(json.dumps(found))
    programs.add(
        "docker",
        f"""case "$1" in
        ps) {"echo " + ID if found else ":"};;
        inspect) /bin/cat "{programs.folder}/found";;
        stats) echo '{stats}';;
        port) echo 127.0.0.1:8000;;
    esac""",
    )


def test_lab_is_told_with_what_it_takes(programs: Programs) -> None:
    taken = {"ID": ID[:12], "MemUsage": "132.5MiB / 2GiB", "CPUPerc": "150.25%"}
    engine(programs, container(), stats=json.dumps(taken))
    (lab,) = labs("p", measured=True).values()
    assert (lab.memory_bytes, lab.memory_limit_bytes) == (int(132.5 * (1 << 20)), 2 << 30)
    assert (lab.cpu_percent, lab.since_utc, lab.intact) == (150.25, "2026-11-27T10:00:00Z", True)
    assert "--filter label=pytorch-lab.hub=p" in programs.calls[0]


@pytest.mark.parametrize("stats", ["", "no json", '{"ID": "other"}', '{"ID": "aaaaaaaaaaaa"}'])
def test_what_is_not_said_is_not_known(programs: Programs, stats: str) -> None:
    engine(programs, container(), stats=stats)
    (lab,) = labs("p", measured=True).values()
    assert (lab.memory_bytes, lab.cpu_percent) == (None, None)


def test_container_that_has_ended_takes_nothing(programs: Programs) -> None:
    state = {"Running": False, "StartedAt": "2026-11-27T10:00:00Z"}
    engine(programs, container(State=state), stats=json.dumps({"ID": ID[:12], "CPUPerc": "1%"}))
    assert labs("p", measured=True)[KEY].cpu_percent is None


def test_class_without_a_lab_has_none(programs: Programs) -> None:
    engine(programs)
    assert labs("p") == {}


def test_hub_of_which_a_part_is_missing_is_down(programs: Programs) -> None:
    engine(programs, container())
    assert hub_address("p", tls=True) == "https://127.0.0.1:8000/"
    programs.add("docker", 'case "$*" in *p-proxy-1*) ;; *) echo 1;; esac')
    assert hub_address("p", tls=True) is None


def test_engine_that_does_not_answer_is_an_error(programs: Programs) -> None:
    engine(programs, container())
    lab = labs("p")[KEY]
    programs.add_answer("docker", err="Cannot connect to the Docker daemon\n", code=1)
    for ask in (lambda: labs("p"), lambda: hub_address("p", tls=False), lambda: stop(lab)):
        with pytest.raises(LabError, match="Cannot connect to the Docker daemon"):
            ask()


def test_lab_that_is_gone_already_is_stopped(programs: Programs) -> None:
    engine(programs, container())
    lab = labs("p")[KEY]
    programs.add_answer("docker", err="Error: No such container: aaaa\n", code=1)
    stop(lab)
