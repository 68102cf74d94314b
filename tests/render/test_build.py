"""What a person reads about an image."""

from lab.records.build import BuildReport
from lab.render.build import build_text


def a_report(**more: object) -> BuildReport:
    about = {
        "image": "pytorch-lab:cpu-01", "device": "cpu", "inputs": "i", "lock": "l",
        "base": "python:3.11-slim-bookworm", "duration_s": 63.5,
    }  # fmt: skip
    return BuildReport(**{**about, **more})  # type: ignore[arg-type]


def test_build_text_gives_digest_and_size() -> None:
    report = a_report(digest="sha256:d", compressed_bytes=398_400_000)
    assert build_text(report).splitlines() == [
        "  image     pytorch-lab:cpu-01",
        "  digest    sha256:d",
        "  size      398 MB compressed",
        "  base      python:3.11-slim-bookworm",
        "  built in  64 s",
    ]


def test_build_text_of_an_older_store_says_what_is_not_known() -> None:
    lines = build_text(a_report()).splitlines()
    assert lines[1] == "  digest    not known (older image store)"
    assert lines[2] == "  size      not known (older image store)"


def test_build_text_says_identical_only_when_it_was_proved() -> None:
    proved = build_text(a_report(digest="sha256:d", identical=True))
    assert proved.splitlines()[-1].split() == [
        "identical",
        "two",
        "builds",
        "from",
        "nothing",
        "gave",
        "this",
        "digest",
    ]
    assert "identical" not in build_text(a_report(digest="sha256:d"))
