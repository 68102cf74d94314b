"""`inv autograd` on the host, as a user calls it: exit codes, JSON, what is no function to
check."""

import json
from pathlib import Path

import pytest

from tests.conftest import CommandLine

pytestmark = pytest.mark.host

FUNCTIONS = """\
import os, signal, time
import torch
from lab.autograd import check_inputs

@check_inputs((4, 3), (3,))
def good(x, w):
    return (x @ w).tanh()

@check_inputs((4, 3), (3,))
def cut(x, w):
    return (x @ w.detach()).tanh()

@check_inputs((3,))
def says(x):
    print("shape", tuple(x.shape))
    os.system("echo from below")
    return x.exp()

@check_inputs((3,))
def only_prints(x):
    print(x.sum())

@check_inputs((3,))
def slow(x):
    time.sleep(1)
    return x

@check_inputs((3,))
def forever(x):
    while True:
        pass

@check_inputs((3,))
def fills_memory(x):
    kept = []
    while True:
        kept.append(torch.empty(10**7))  # the limit counts what is reserved, used or not

@check_inputs((3,))
def killed(x):
    os.kill(os.getpid(), signal.SIGKILL)

@check_inputs(torch.arange(3))
def whole_numbers(x):
    return x
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("de la alumna") / "funciones.py"
    path.write_text(FUNCTIONS)
    return path


@pytest.fixture(scope="module")
def command(state: Path, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    results = tmp_path_factory.mktemp("results")
    return CommandLine(state=state, env={"LAB_RESULTS": str(results), "LANG": "en_US.UTF-8"})


WORDS = ("autograd", "--engine", "host", "--target")


def test_right_function_ends_with_0(command: CommandLine, file: Path) -> None:
    done = command(*WORDS, f"{file.name}:good", cwd=file.parent)
    assert done.code == 0, done.err
    assert "The gradient is right." in done.out


def test_wrong_function_ends_with_3_and_is_told_in_json(command: CommandLine, file: Path) -> None:
    copy = file.parent / "copy.json"
    done = command(*WORDS, f"{file}:cut", "--json", "--output", str(copy), "--language", "es")
    assert done.code == 3, done.err
    document = json.loads(done.out)
    assert json.loads(copy.read_text()) == document
    assert document["schema"] == "lab/autograd/1"
    assert document["ok"] is False
    (result,) = document["results"]
    (finding,) = result["report"]["findings"]
    assert finding["cause"] == "detached"
    assert finding["input"] == 1
    assert "funciones.py:11" in finding["message"]
    assert result["report"]["text"].startswith("El gradiente está MAL.")


def test_what_a_function_prints_stays_out_of_the_json(command: CommandLine, file: Path) -> None:
    done = command(*WORDS, f"{file}:says", "--json")
    assert done.code == 0, done.err
    assert "the function prints" in done.json()["results"][0]["report"]["text"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "words", "more"),
    [
        ("only_prints", "prints its result instead", ()),
        ("whole_numbers", "whole numbers (torch.int64)", ()),
        ("slow", "One call of the function takes 1.", ("--budget", "2")),
        ("forever", "did not end", ("--budget", "1")),
        ("fills_memory", "needs more memory than there is", ()),
        ("killed", "it was killed", ()),
        ("nothing", "has no nothing", ()),
    ],
)
def test_what_cannot_be_checked_ends_with_2_and_says_why(
    command: CommandLine, file: Path, name: str, words: str, more: tuple[str, ...]
) -> None:
    done = command(*WORDS, f"{file}:{name}", "--json", *more)
    assert done.code == 2
    document = done.json()
    assert document["schema"] == "lab/error/1"
    assert words in f"{document['what']} {document['why']}"
    assert document["next_step"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--target", "nothere.py:f"), "There is no file"),
        (("--target", "x.py"), "There is no target"),
        (("--only", "softmx"), "no gradient check"),
        (("--shapes", "3"), "is for a function of yours"),
        (("--target", "x.py:f", "--only", "softmax"), "exclude each other"),
        (("--language", "fr"), "no language"),
        (("--order", "three"), "--order"),
    ],
)
def test_words_that_make_no_sense_end_with_2(
    command: CommandLine, words: tuple[str, ...], told: str
) -> None:
    done = command("autograd", "--engine", "host", *words)
    assert done.code == 2
    assert told in done.err


def test_own_checks_are_shown_as_a_table(command: CommandLine) -> None:
    done = command("autograd", "--engine", "host", "--only", "softmax,logistic_loss")
    assert done.code == 0, done.err
    assert "All is well: 10 checks" in done.out
    assert [line.split()[0] for line in done.out.splitlines() if " cpu " in line] == [
        "softmax", "logistic_loss",
    ]  # fmt: skip


def test_cases_are_listed(command: CommandLine) -> None:
    done = command("autograd", "--cases", "--json")
    assert done.code == 0
    assert {case["name"] for case in done.json()["cases"]} >= {"softmax", "mlp"}  # type: ignore[attr-defined]
