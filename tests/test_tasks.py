"""The commands as invoke sees them: options, help, exit codes, JSON."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from invoke import Collection, Context, task
from invoke.parser import Parser, ParserContext

from lab.errors import CheckFailed, LabError
from tests.commands import ROOT, Call, caller

TASKS = {
    "lab",
    "stop",
    "status",
    "logs",
    "shell",
    "build",
    "lock",
    "doctor",
    "bench",
    "gpu",
    "autograd",
    "graph",
    "course",
    "test",
    "lint",
}


@pytest.fixture(scope="module")
def contexts(tasks: ModuleType) -> dict[str, ParserContext]:
    """The parsers, made once: in making them invoke takes the help texts out of the tasks."""
    return {c.name: c for c in Collection.from_module(tasks).to_contexts() if c.name}


@pytest.fixture
def inv(
    tasks: ModuleType, contexts: object, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Call:  # fmt: skip
    monkeypatch.setenv("LAB_STATE", str(tmp_path / "state"))
    return caller(Collection.from_module(tasks), capsys)


def test_parsers_of_all_commands_can_be_built(contexts: dict[str, ParserContext]) -> None:
    """A help text for an option that does not exist breaks every command."""
    Parser(contexts=contexts.values())
    assert contexts.keys() >= TASKS


def test_parser_of_a_wrong_help_cannot_be_built() -> None:
    """What the test above relies on."""

    @task(help={"no-such": "x"})
    def wrong(context: Context) -> None: ...

    with pytest.raises(ValueError, match="no-such"):
        Collection(wrong).to_contexts()


def test_every_command_says_what_it_does(tasks: ModuleType) -> None:
    for name, found in Collection.from_module(tasks).tasks.items():
        first = (found.__doc__ or "").partition("\n")[0]
        assert first.endswith((".", ";")), name
        assert len(first) <= 100, name


def test_every_option_has_help(contexts: dict[str, ParserContext]) -> None:
    for name, context in contexts.items():
        for argument in context.args.values():
            assert argument.help, f"{name} --{argument.name}"


def test_every_option_is_text_or_a_flag(contexts: dict[str, ParserContext]) -> None:
    """A number that is none ends in invoke's own traceback: numbers are taken as text."""
    for name, context in contexts.items():
        assert context.positional_args == [], name
        for argument in context.args.values():
            assert argument.kind in (str, bool), f"{name} --{argument.name}"


def test_no_short_option_is_a_dash(contexts: dict[str, ParserContext]) -> None:
    """`--` alone ends the options; invoke makes one of a dash in a name."""
    for name, context in contexts.items():
        assert "--" not in context.flags, name


def functions() -> dict[str, ast.FunctionDef]:
    tree = ast.parse((ROOT / "tasks.py").read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def publishes(function: ast.FunctionDef) -> bool:
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "_publish"
        for node in ast.walk(function)
    )


def test_every_command_that_prints_a_record_offers_json_and_a_file(
    tasks: ModuleType, contexts: dict[str, ParserContext]
) -> None:
    by_function = {t.body.__name__: n for n, t in Collection.from_module(tasks).tasks.items()}
    commands = {n: f for n, f in functions().items() if n in by_function}
    with_records = {by_function[n] for n, f in commands.items() if publishes(f)}
    assert with_records >= {"lab", "stop", "status", "build", "lock", "doctor"}
    for name in with_records:
        assert {"--json", "--output"} <= contexts[name].flags.keys(), name
    for name in contexts.keys() - with_records:
        assert not {"--json", "--output"} & contexts[name].flags.keys(), name


def test_every_command_turns_errors_into_text(tasks: ModuleType) -> None:
    """Each is wrapped by `command`, which the tests below hold to its word."""
    for name, found in Collection.from_module(tasks).tasks.items():
        assert found.body.__wrapped__.__module__ == "tasks", name


def test_options_that_commands_share_have_one_help(contexts: dict[str, ParserContext]) -> None:
    for flag in ("--work", "--engine", "--image", "--base", "--json", "--output", "--dry-run"):
        helps = {
            c.flags[flag].help for name, c in contexts.items()
            if flag in c.flags and (name, flag) != ("graph", "--output")  # it writes drawings
        }  # fmt: skip
        assert len(helps) == 1, flag


def test_list_shows_every_command(inv: Call) -> None:
    code, out, _ = inv("--list")
    assert code == 0
    listed = {line.split()[0] for line in out.splitlines() if line.startswith("  ")}
    assert listed >= TASKS


@pytest.mark.parametrize("name", sorted(TASKS))
def test_help_of_every_command_can_be_shown(inv: Call, name: str) -> None:
    code, out, _ = inv("--help", name)
    assert code == 0
    assert f"inv [--core-opts] {name} " in out


LAB_ERROR = LabError("No disk.", why="it is full", next_step="free some")
CHECK = CheckFailed("Two differ.", why="a file", next_step="look")


@pytest.fixture
def failing(tasks: ModuleType, capsys: pytest.CaptureFixture[str]) -> Call:
    """Commands that end in each of the ways that a command can end in."""
    ends = {
        "error": LAB_ERROR, "check": CHECK, "interrupt": KeyboardInterrupt(), "bug": KeyError("k"),
    }  # fmt: skip

    @task
    @tasks.command
    def end(context: Context, how: str = "", json: bool = False) -> None:
        if how:
            raise ends[how]
        print("done")

    @task
    @tasks.command
    def plain(context: Context) -> None:
        raise LAB_ERROR

    return caller(Collection(end, plain), capsys)


def test_command_that_is_done_has_exit_code_0(failing: Call) -> None:
    assert failing("end") == (0, "done\n", "")


@pytest.mark.parametrize(("how", "error"), [("error", LAB_ERROR), ("check", CHECK)])
def test_error_is_text_on_standard_error_and_an_exit_code(
    failing: Call, how: str, error: LabError
) -> None:
    code = {"error": 2, "check": 3}[how]
    assert failing("end", "--how", how) == (code, "", f"{error}\n")


@pytest.mark.parametrize(("how", "error"), [("error", LAB_ERROR), ("check", CHECK)])
def test_error_with_json_is_one_document_on_standard_output(
    failing: Call, how: str, error: LabError
) -> None:
    code, out, err = failing("end", "--how", how, "--json")
    assert json.loads(out) == {
        "schema": "lab/error/1",
        "what": error.what,
        "why": error.why,
        "next_step": error.next_step,
        "exit_code": code,
    }
    assert err == f"{error}\n"


def test_error_of_a_command_without_json_is_text_alone(failing: Call) -> None:
    assert failing("plain") == (2, "", f"{LAB_ERROR}\n")


def test_ctrl_c_is_exit_code_130(failing: Call) -> None:
    assert failing("end", "--how", "interrupt") == (130, "", "interrupted\n")


def test_bug_keeps_its_traceback(failing: Call) -> None:
    with pytest.raises(KeyError):
        failing("end", "--how", "bug")


def test_reader_that_has_gone_is_no_traceback() -> None:
    """`inv logs | head`: the exit code is the one that a shell gives for a broken pipe."""
    code = (
        "import tasks; from invoke import Collection, Program, task\n"
        "@task\n@tasks.command\n"
        "def long(context):\n"
        "    for _ in range(10000): print('line', flush=True)\n"
        "Program(namespace=Collection(long)).run(['inv', 'long'])\n"
    )
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "LAB_RUNNER": "test", "PYTHONPATH": str(ROOT)},
            cwd=ROOT, check=False,
        )  # fmt: skip
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["lab", "--port", "eighty"], "There is no port 'eighty'."),
        (["lab", "--memory", "much"], "There is no size 'much'."),
        (["lab", "--engine", "dokcer", "--dry-run"], "There is no engine 'dokcer'."),
        (["lab", "--device", "gpu", "--dry-run"], "There is no device 'gpu'."),
        (["build", "--device", "gpu"], "There is no image for 'gpu'."),
        (["doctor", "--port", "0"], "There is no port '0'."),
    ],
)
def test_wrong_value_is_exit_2_in_text_and_in_json(inv: Call, words: list[str], what: str) -> None:
    code, out, err = inv(*words)
    assert (code, out) == (2, "")
    assert err.startswith(f"{what}\n  why:  ")
    code, out, _ = inv(*words, "--json")
    document: dict[str, Any] = json.loads(out)
    assert (code, document["what"], document["exit_code"]) == (2, what, 2)


@pytest.mark.parametrize("word", ["--engine", "--device"])
def test_shell_refuses_unknown_words(inv: Call, word: str) -> None:
    code, out, err = inv("shell", word, "nonsense", "--dry-run")
    assert (code, out) == (2, "")
    assert "'nonsense'" in err


def test_logs_without_a_lab_says_so(inv: Call) -> None:
    code, _, err = inv("logs")
    assert code == 2
    assert err.startswith("There is no log yet.\n")


@pytest.mark.parametrize("name", ["status", "stop"])
def test_record_is_printed_as_json_and_saved(inv: Call, tmp_path: Path, name: str) -> None:
    path = tmp_path / "resultado.json"
    code, out, _ = inv(name, "--json", "--output", str(path))
    assert code == 0
    document = json.loads(out)
    assert (document["schema"], document["state"]) == ("lab/session/1", "stopped")
    assert path.read_text() == out


def test_record_with_a_token_is_saved_for_its_user_alone(inv: Call, tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    inv("status", "--output", str(path))
    assert path.stat().st_mode & 0o077 == 0


def test_record_without_json_is_text(inv: Call, tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    code, out, _ = inv("status", "--output", str(path))
    assert (code, out) == (0, "No lab is running. Start one with ./inv lab\n")
    assert json.loads(path.read_text())["state"] == "stopped"
    assert inv("stop")[1] == "No lab was running.\n"


def test_output_that_cannot_be_written_is_exit_2(inv: Call, tmp_path: Path) -> None:
    code, out, err = inv("status", "--json", "--output", str(tmp_path / "none" / "x.json"))
    assert code == 2
    assert "could not be written" in err
    assert json.loads(out)["exit_code"] == 2
