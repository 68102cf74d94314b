"""What a person reads about the lab."""

from datetime import UTC, datetime

import pytest

from lab.records.session import Session
from lab.render.session import session_text

RUNNING = Session(
    state="running",
    url="http://127.0.0.1:8888/lab?token=t",
    engine="docker",
    device="cuda",
    image="pytorch-lab:cuda-01",
    work="/home/maría/mi curso",
    port=8888,
    started_utc="2026-09-01T10:00:00Z",
    container="c0",
)


def test_running_lab_is_shown_with_its_address() -> None:
    assert (
        session_text(RUNNING) == "The lab is running.\n"
        "  address  http://127.0.0.1:8888/lab?token=t\n"
        "  engine   docker\n"
        "  device   cuda\n"
        "  image    pytorch-lab:cuda-01\n"
        "  work     /home/maría/mi curso\n"
        "  since    2026-09-01T10:00:00Z"
    )


def test_lab_on_the_host_has_no_image_and_over_ssh_a_line_for_it() -> None:
    session = Session(
        state="running", url="u", engine="host", device="cpu", work="/w", started_utc="s",
        ssh="ssh -L 8888:127.0.0.1:8888 ana@server", note="on the host, on cpu",
    )  # fmt: skip
    assert (
        session_text(session) == "The lab is running: on the host, on cpu.\n"
        "  address  u\n"
        "  engine   host\n"
        "  device   cpu\n"
        "  work     /w\n"
        "  since    s\n"
        "  from your own machine, first:\n"
        "    ssh -L 8888:127.0.0.1:8888 ana@server"
    )


def test_lab_without_an_address_says_so() -> None:
    session = Session(state="unhealthy", note="its page does not answer", engine="docker")
    first, second, *_ = session_text(session).splitlines()
    assert first == "The lab is unhealthy: its page does not answer."
    assert second == "  address  not known"


def test_lab_that_does_not_run_names_the_next_command() -> None:
    assert session_text(Session(state="stopped")) == "No lab is running. Start one with ./inv lab"
    text = session_text(Session(state="ended", note="exit code 137", engine="docker"))
    assert text.startswith("The lab has ended by itself: exit code 137.\n")
    assert "./inv logs" in text


ON_NODE = Session(
    state="running", url="http://127.0.0.1:8888/lab?token=t", engine="host", device="cpu",
    work="/shared/ana", port=8888, started_utc="2026-11-27T10:00:00Z", job="4711", node="n3",
    ends_utc="2026-11-27T18:00:00Z", ssh="ssh -N -L 8888:127.0.0.1:8888 ana@n3",
)  # fmt: skip


def test_lab_on_a_node_is_shown_with_its_time() -> None:
    assert session_text(ON_NODE, datetime(2026, 11, 27, 10, 54, 30, tzinfo=UTC)) == (
        "The lab is running.\n"
        "  job      4711\n"
        "  node     n3\n"
        "  ends     2026-11-27T18:00:00Z, 7 h 5 min left\n"
        "  address  http://127.0.0.1:8888/lab?token=t\n"
        "  engine   host\n"
        "  device   cpu\n"
        "  work     /shared/ana\n"
        "  since    2026-11-27T10:00:00Z\n"
        "  from your own machine, first:\n"
        "    ssh -N -L 8888:127.0.0.1:8888 ana@n3"
    )


@pytest.mark.parametrize(
    ("now", "left"),
    [
        (datetime(2026, 11, 25, 16, 0, tzinfo=UTC), "2 d 2 h left"),
        (datetime(2026, 11, 27, 17, 52, 30, tzinfo=UTC), "7 min left"),
        (datetime(2026, 11, 28, tzinfo=UTC), "0 min left"),
    ],
)
def test_time_that_is_left_is_said_as_people_say_it(now: datetime, left: str) -> None:
    assert left in session_text(ON_NODE, now)


def test_lab_that_waits_has_no_address_yet() -> None:
    session = Session(
        state="waiting", job="4711", expected_utc="2026-11-27T12:00:00Z", engine="host", work="/w",
        note="others are before it (Priority)",
    )  # fmt: skip
    assert session_text(session) == (
        "The lab is waiting: others are before it (Priority).\n"
        "  job      4711\n"
        "  expected 2026-11-27T12:00:00Z\n"
        "  engine   host\n"
        "  work     /w"
    )


def test_lab_on_a_node_that_ended_is_started_again_there() -> None:
    text = session_text(Session(state="ended", note="the node failed", job="4711"))
    assert "by itself: the node failed." in text
    assert "./inv lab --slurm starts it again" in text
