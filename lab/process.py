"""The only place that starts a process."""

import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from lab.errors import LabError


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A process that has ended: what it was, its exit code and what it wrote."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """Whether it ended with exit code 0."""
        return self.code == 0

    @property
    def last_words(self) -> str:
        """The last line that it wrote, on standard error or else on standard output."""
        lines = [line for line in (self.stderr or self.stdout).splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"exit code {self.code}, no output"


def run(
    argv: Sequence[str],
    *,
    timeout_s: float = 60,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str = "",
    keep: int | None = None,
    without: Collection[str] = (),
) -> Finished:
    """Run a command to its end and keep what it wrote; never raises for a bad exit code.

    Args:
        argv: the program and its arguments; no shell is involved.
        timeout_s: then the process is killed; its code is 124.
        env: variables set on top of this process's own.
        cwd: the folder it runs in.
        stdin: what it reads on standard input.
        keep: number of an open file that it inherits; a lock on it lasts until both have ended.
        without: variables of this process's own that it is not to have.

    Returns:
        The finished process. A program that does not exist has code 127, one that may not be run
        126.
    """
    own = {name: value for name, value in os.environ.items() if name not in without}
    try:
        done = subprocess.run(
            list(argv), input=stdin, capture_output=True, text=True, errors="replace",
            timeout=timeout_s, env={**own, **(env or {})}, cwd=cwd, check=False,
            pass_fds=() if keep is None else (keep,),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return _not_finished(argv, 124, f"no answer within {timeout_s:g} s")
    except OSError as error:
        return _not_started(argv, error)
    return Finished(argv=tuple(argv), code=done.returncode, stdout=done.stdout, stderr=done.stderr)


def _not_started(argv: Sequence[str], error: OSError) -> Finished:
    if isinstance(error, FileNotFoundError):
        return _not_finished(argv, 127, f"no program {argv[0]}")
    return _not_finished(argv, 126, f"{argv[0]} cannot be run: {error.strerror}")


def _not_finished(argv: Sequence[str], code: int, reason: str) -> Finished:
    return Finished(argv=tuple(argv), code=code, stdout="", stderr=reason)


def stream(
    argv: Sequence[str],
    on_line: Callable[[str], None],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Finished:
    """Run a command and hand over each line of its output, both streams, as it comes.

    Ctrl-C ends the command too, then goes on its way.
    """
    lines: list[str] = []
    try:
        process = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", env={**os.environ, **(env or {})}, cwd=cwd,
        )  # fmt: skip
    except OSError as error:
        return _not_started(argv, error)
    with process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines.append(line)
                on_line(line.rstrip("\n"))
        except KeyboardInterrupt:
            process.terminate()
            raise
    return Finished(argv=tuple(argv), code=process.returncode, stdout="".join(lines), stderr="")


def attach(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    keep: int | None = None,
    merged: bool = False,
) -> int:
    """Run a command on this terminal: its streams are ours, Ctrl-C is its own to handle.

    Args:
        argv: the program and its arguments.
        env: variables set on top of this process's own.
        cwd: the folder it runs in.
        keep: number of an open file that it inherits; a lock on it lasts until both have ended.
        merged: its standard error goes to our standard output.

    Returns:
        Its exit code; 128 + the signal's number when a signal ended it, as a shell says it.
    """
    before = signal.getsignal(signal.SIGINT)
    early: list[int] = []
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda number, _: early.append(number))
    try:
        process = subprocess.Popen(
            list(argv), env={**os.environ, **(env or {})}, cwd=cwd,
            pass_fds=() if keep is None else (keep,), stderr=subprocess.STDOUT if merged else None,
        )  # fmt: skip
        if early:  # it came before there was anybody to hear it
            process.send_signal(signal.SIGINT)
        code = process.wait()
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        raise LabError(
            (
                f"There is no program {argv[0]} on this machine."
                if missing
                else f"The program {argv[0]} cannot be run."
            ),
            why=str(error),
            next_step="run `./inv doctor` to see what is missing",
        ) from error
    finally:
        signal.signal(signal.SIGINT, before)
    return code if code >= 0 else 128 - code


def start_background(
    argv: Sequence[str], *, log: IO[bytes], env: Mapping[str, str], cwd: Path, keep: int
) -> int:
    """Start a process that outlives this one, in a session of its own; returns its number.

    Args:
        argv: the program and its arguments.
        log: takes both output streams.
        env: all of its variables, none inherited.
        cwd: the folder it runs in.
        keep: number of an open file that it inherits; a lock on it lasts as long as it lives.
    """
    process = subprocess.Popen(
        list(argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        env=dict(env), cwd=cwd, start_new_session=True, pass_fds=(keep,),
    )  # fmt: skip
    return process.pid


def start_child(
    argv: Sequence[str], *, env: Mapping[str, str], cwd: Path | None
) -> subprocess.Popen[bytes]:
    """Start a process whose life the caller watches; it writes where the caller does.

    Its standard input ends when the caller closes it, or is killed.

    Args:
        argv: the program and its arguments.
        env: variables set on top of this process's own.
        cwd: the folder it runs in.

    Raises:
        LabError: it cannot be started.
    """
    try:
        return subprocess.Popen(
            list(argv), stdin=subprocess.PIPE, env={**os.environ, **env}, cwd=cwd
        )
    except OSError as error:
        raise _unstartable(argv, error) from error


def _unstartable(argv: Sequence[str], error: OSError) -> LabError:
    return LabError(
        f"The program {argv[0]} cannot be started.",
        why=str(error),
        next_step="run `./inv doctor` to see what is missing",
    )


class Conversation:
    """A process that is told something, answers line by line, and ends when its standard input
    does.

    It has a session of its own, so Ctrl-C is ours alone; where we are killed, its input ends, and
    so does it."""

    def __init__(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        """Start it.

        Args:
            argv: the program and its arguments.
            env: variables set on top of this process's own.
            cwd: the folder it runs in.

        Raises:
            LabError: it cannot be started.
        """
        self._argv = tuple(argv)
        self._stderr = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - until end()
        try:
            self._process = subprocess.Popen(
                list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr,
                text=True, errors="replace", env={**os.environ, **(env or {})}, cwd=cwd,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            self._stderr.close()
            raise _unstartable(argv, error) from error

    def tell(self, line: str) -> None:
        """Write it a line; one that has ended already hears nothing."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def lines(self) -> Iterator[str]:
        """Its lines as they come, until it ends."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield line.rstrip("\n")

    def answer(self, timeout_s: float) -> str | None:
        """The next line of one that says a line and then waits to be told something.

        Args:
            timeout_s: how long to wait for its beginning.

        Returns:
            The line; None where none has begun by then.

        Raises:
            EOFError: it has ended.
        """
        assert self._process.stdout is not None
        return _answer(self._process.stdout, timeout_s)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def end(self, patience_s: float = 10) -> Finished:
        """Let go of it, wait until it has ended, and return how; one that does not go is killed.

        One that hangs in the kernel, as in a call to a broken driver, is left behind: it ends when
        that call returns, and its exit code is -9 until then.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.close()
        self._process.stdout.close()
        try:
            code = self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = -signal.SIGKILL
            with suppress(subprocess.TimeoutExpired):
                code = self._process.wait(patience_s)
        self._stderr.seek(0)
        words = self._stderr.read()
        self._stderr.close()
        return Finished(argv=self._argv, code=code, stdout="", stderr=words)


def _answer(stream: IO[str], timeout_s: float) -> str | None:
    """The next line of a stream, where it begins within a time.

    Raises:
        EOFError: the stream has ended.
    """
    if not select.select([stream], [], [], timeout_s)[0]:
        return None
    line = stream.readline()
    if not line.endswith("\n"):
        raise EOFError
    return line.rstrip("\n")


class Fork:
    """A part of this program in a process of its own, which has imported all that we have.

    It is spoken to as a Conversation is. Only for a process without threads: what another thread
    holds at that moment is held for ever in the copy.
    """

    def __init__(self, body: Callable[[IO[str], IO[str]], None]) -> None:
        """Start it.

        Args:
            body: what it does, with what it reads and what it writes; the process ends with it.
        """
        asked, ask = os.pipe()
        answered, answer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(ask)
            os.close(answered)
            self._be(body, asked, answer)
        os.close(asked)
        os.close(answer)
        self._in = os.fdopen(ask, "w", encoding="utf-8")
        self._out = os.fdopen(answered, encoding="utf-8")

    def _be(self, body: Callable[[IO[str], IO[str]], None], asked: int, answer: int) -> NoReturn:
        """The copy's whole life: it never returns to what the original was doing."""
        code = 1
        try:
            os.setsid()  # Ctrl-C is the original's alone
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            nothing = os.open(os.devnull, os.O_RDWR)
            for standard in (0, 1, 2):
                os.dup2(nothing, standard)
            with (
                os.fdopen(asked, encoding="utf-8") as told,
                os.fdopen(answer, "w", encoding="utf-8") as say,
            ):
                body(told, say)
            code = 0
        finally:
            os._exit(code)

    def tell(self, line: str) -> None:
        """Write it a line; one that has ended already hears nothing."""
        with suppress(BrokenPipeError):
            self._in.write(line + "\n")
            self._in.flush()

    def answer(self, timeout_s: float) -> str | None:
        """The next line, as that of a Conversation.

        Raises:
            EOFError: it has ended.
        """
        return _answer(self._out, timeout_s)

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)

    def end(self, patience_s: float = 10) -> Finished:
        """Let go of it, and return how it ended, as that of a Conversation does."""
        with suppress(OSError):
            self._in.close()
        self._out.close()
        end = time.monotonic() + patience_s
        killed = False
        while (found := os.waitpid(self._pid, os.WNOHANG))[0] == 0:
            if time.monotonic() > end:
                if killed:
                    return _not_finished((), -signal.SIGKILL, "it hangs in the kernel")
                self.kill()
                killed, end = True, time.monotonic() + patience_s
            time.sleep(0.001)
        code = os.waitstatus_to_exitcode(found[1])
        return _not_finished((), code, f"exit code {code}")
