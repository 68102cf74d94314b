"""Starting processes: exit codes, what they wrote, and how they end."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest

from lab.errors import LabError
from lab.process import Conversation, Finished, Fork, attach, run, start_background, stream

ROOT = Path(__file__).resolve().parent.parent
SH = "/bin/sh"


def test_run_keeps_both_streams_and_the_code() -> None:
    done = run([SH, "-c", "echo out; echo err >&2; exit 7"])
    assert done == Finished(
        argv=(SH, "-c", "echo out; echo err >&2; exit 7"), code=7, stdout="out\n", stderr="err\n"
    )
    assert not done.ok
    assert run([SH, "-c", ":"]).ok


def test_run_gives_input_variables_and_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_TEST_OWN", "own")
    done = run(
        [SH, "-c", 'pwd; echo "$LAB_TEST_OWN $LAB_TEST_MORE"; cat'],
        env={"LAB_TEST_MORE": "more"}, cwd=tmp_path, stdin="said",
    )  # fmt: skip
    assert done.stdout == f"{tmp_path}\nown more\nsaid"


def test_run_uses_no_shell() -> None:
    assert run(["/bin/echo", "$HOME; ls *"]).stdout == "$HOME; ls *\n"


def test_run_survives_bytes_that_are_no_text() -> None:
    assert run([SH, "-c", r"printf 'a\377b'"]).stdout == "a\N{REPLACEMENT CHARACTER}b"


def test_run_ends_what_gives_no_answer() -> None:
    done = run(["/bin/sleep", "60"], timeout_s=0.1)
    assert (done.code, done.stderr) == (124, "no answer within 0.1 s")


def not_a_program(tmp_path: Path) -> dict[str, Path]:
    """Files that cannot be run, by the words that say why."""
    plain, empty = tmp_path / "plain", tmp_path / "empty"
    plain.write_text("#!/bin/sh\n")
    empty.touch()
    empty.chmod(0o755)
    return {"Permission denied": plain, "Exec format error": empty}


def test_program_that_cannot_be_run_is_a_code_as_in_a_shell(tmp_path: Path) -> None:
    def starts(argv: list[str]) -> tuple[Finished, Finished]:
        return run(argv), stream(argv, print)

    for done in starts(["lab-no-such-program"]):
        assert (done.code, done.stderr) == (127, "no program lab-no-such-program")
    for why, path in not_a_program(tmp_path).items():
        for done in starts([str(path)]):
            assert (done.code, done.stderr) == (126, f"{path} cannot be run: {why}")


def test_attach_to_what_cannot_be_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LabError) as caught:
        attach(["lab-no-such-program"])
    assert caught.value.what == "There is no program lab-no-such-program on this machine."
    for why, path in not_a_program(tmp_path).items():
        with pytest.raises(LabError) as caught:
            attach([str(path)])
        assert caught.value.what == f"The program {path} cannot be run."
        assert why in caught.value.why


@pytest.mark.parametrize(
    ("stdout", "stderr", "expected"),
    [
        ("out\n", "one\n  two  \n\n", "two"),
        ("one\nout\n", "", "out"),
        ("", "", "exit code 3, no output"),
        ("", "\n \n", "exit code 3, no output"),
    ],
)
def test_last_words_are_the_last_line_that_says_something(
    stdout: str, stderr: str, expected: str
) -> None:
    assert Finished(argv=("x",), code=3, stdout=stdout, stderr=stderr).last_words == expected


def test_stream_hands_over_each_line_of_both_streams() -> None:
    lines: list[str] = []
    done = stream([SH, "-c", "echo one; echo two >&2; printf three; exit 4"], lines.append)
    assert lines == ["one", "two", "three"]
    assert (done.code, done.stdout, done.stderr) == (4, "one\ntwo\nthree", "")


def test_stream_hands_over_a_line_before_the_end(tmp_path: Path) -> None:
    """The process goes on only when its first line has arrived."""
    go = tmp_path / "go"
    os.mkfifo(go)

    def on_line(line: str) -> None:
        if line == "first":
            go.write_text("on\n")

    assert stream([SH, "-c", f"echo first; cat '{go}'"], on_line).stdout == "first\non\n"


def test_stream_gives_variables_folder_and_no_input(tmp_path: Path) -> None:
    done = stream([SH, "-c", 'pwd; echo "$X"; cat'], lambda _: None, env={"X": "x"}, cwd=tmp_path)
    assert done.stdout == f"{tmp_path}\nx\n"


@pytest.mark.timeout(60)
def test_stream_ends_the_process_at_ctrl_c(tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    script = f"trap 'touch \"{ended}\"; exit' TERM; echo ready; while :; do sleep 0.05; done"

    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream([SH, "-c", script], interrupt)
    assert ended.exists()


def test_attach_gives_our_own_streams_and_the_code(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code = attach([SH, "-c", 'pwd; echo "$X" >&2; exit 9'], env={"X": "x"}, cwd=tmp_path)
    assert code == 9
    assert capfd.readouterr() == (f"{tmp_path}\n", "x\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_attach_says_a_signal_as_a_shell_does(number: signal.Signals) -> None:
    assert attach([SH, "-c", f"kill -{int(number)} $$"]) == 128 + number


def test_attach_hears_ctrl_c_again_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT)
    attach([SH, "-c", ":"])
    assert signal.getsignal(signal.SIGINT) == before
    with pytest.raises(LabError):
        attach(["lab-no-such-program"])
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("child", "expected"),
    [
        ("echo ready; exec sleep 60", 128 + signal.SIGINT),
        ("trap 'exit 5' INT; echo ready; while :; do sleep 0.05; done", 5),
    ],
)
def test_attach_leaves_ctrl_c_to_the_command(child: str, expected: int) -> None:
    """A terminal sends it to the whole group; ours waits for what the command makes of it."""
    code = (
        f"import sys; from lab.process import attach; sys.exit(attach([{SH!r}, '-c', {child!r}]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        start_new_session=True,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) == expected


# It is left running on purpose, and nobody waits for it.
left_running = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


@left_running
@pytest.mark.timeout(60)
def test_background_process_keeps_one_open_file_and_nothing_else_of_ours(tmp_path: Path) -> None:
    """A lock on the file it keeps lasts as long as it lives: here a pipe, that ends with it."""
    read, write = os.pipe()
    script = "env; pwd; read -r x || echo no input; echo end >&2"
    with (tmp_path / "log").open("wb") as log:
        pid = start_background(
            [SH, "-c", script], log=log, env={"ONLY": "this"}, cwd=tmp_path, keep=write
        )
    os.close(write)
    assert os.read(read, 1) == b""  # nobody has it open any more: the process has ended
    os.close(read)
    with suppress(ChildProcessError):  # Popen's end reaped it, where it had ended by then
        assert os.waitpid(pid, 0)[1] == 0
    text = (tmp_path / "log").read_text()
    assert "ONLY=this" in text
    assert "HOME=" not in text
    assert f"\n{tmp_path}\n" in text
    assert text.endswith("no input\nend\n")


@left_running
@pytest.mark.timeout(60)
def test_background_process_lives_in_a_session_of_its_own(tmp_path: Path) -> None:
    read, write = os.pipe()
    with (tmp_path / "log").open("wb") as log:
        pid = start_background(
            ["/bin/sleep", "60"], log=log, env={}, cwd=tmp_path, keep=write
        )  # fmt: skip
    os.close(write)
    try:
        os.set_blocking(read, False)
        with pytest.raises(BlockingIOError):  # it has the pipe open still
            os.read(read, 1)
        assert os.getsid(pid) == pid != os.getsid(0)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert os.read(read, 1) == b""
    os.close(read)


def _echo(told: IO[str], say: IO[str]) -> None:
    say.write("ready\n")
    say.flush()
    for line in told:
        say.write(f"heard {line}")
        say.flush()


def test_fork_answers_line_by_line_and_ends_with_its_input() -> None:
    fork = Fork(_echo)
    assert fork.answer(10) == "ready"
    fork.tell("this")
    assert fork.answer(10) == "heard this"
    assert fork.end().code == 0


def test_fork_that_says_nothing_is_waited_for_as_long_as_was_asked() -> None:
    fork = Fork(lambda told, say: signal.pause())
    assert fork.answer(0.05) is None
    assert fork.end(patience_s=0.05).code == -signal.SIGKILL


def test_fork_that_breaks_ends_and_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    def broken(told: IO[str], say: IO[str]) -> None:
        say.write("half a line")
        raise ZeroDivisionError

    fork = Fork(broken)
    with pytest.raises(EOFError):
        fork.answer(10)
    fork.tell("nobody hears this")
    assert fork.end().code == 1
    assert capfd.readouterr() == ("", "")


def test_fork_has_a_session_of_its_own() -> None:
    """So Ctrl-C is not for it."""

    def body(told: IO[str], say: IO[str]) -> None:
        say.write(f"{os.getsid(0) == os.getpid()}\n")

    fork = Fork(body)
    assert fork.answer(10) == "True"
    fork.end()


def test_conversation_gives_its_next_line_within_a_time() -> None:
    talk = Conversation([sys.executable, "-uc", "print('one'); input(); print('two')"])
    assert talk.answer(10) == "one"
    assert talk.answer(0.05) is None
    talk.tell("")
    assert talk.answer(10) == "two"
    with pytest.raises(EOFError):
        talk.answer(10)
    assert talk.end().code == 0
