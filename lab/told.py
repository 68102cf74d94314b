"""The other end of a `process.Conversation`: a process that is told a line, answers in lines of
JSON, and ends when its standard input does, so that nothing goes on, or keeps a container alive,
when the runner has been killed."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

import msgspec


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """It cannot be done: a LabError's parts."""

    what: str
    why: str
    next_step: str


def own_output() -> Callable[[msgspec.Struct], None]:
    """Keep standard output for messages alone: what anything else prints there goes to standard
    error.

    Returns:
        What writes a message.
    """
    messages = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    encoder = msgspec.json.Encoder()

    def tell(message: msgspec.Struct) -> None:
        messages.write(encoder.encode(message) + b"\n")

    return tell


def first_line() -> bytes:
    """What it is told: the first line of standard input. Ctrl-C is the runner's from here on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the runner has heard it too, and lets us go
    line = bytearray()
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return bytes(line)


def end_with_input() -> threading.Event:
    """From now on end at once, without farewell, when nobody holds our standard input any more.

    Returns:
        What is set when all is told: the exit code is 0 from then on, and 1 before.
    """
    done = threading.Event()

    def wait() -> None:
        with suppress(OSError):
            while os.read(0, 4096):
                pass
        sys.stderr.flush()
        os._exit(0 if done.is_set() else 1)

    threading.Thread(target=wait, daemon=True).start()
    return done
