"""What a person reads about the lab."""

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
