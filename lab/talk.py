"""Has a process in the chosen engine work, and hears what it says to its end."""

from collections.abc import Callable, Generator
from typing import Any

import msgspec

from lab.errors import LabError
from lab.launch import Launch
from lab.process import Conversation, Finished
from lab.told import Refused

# What torch may take to load on a slow disk.
START_S = 120.0
_PATIENCE_S = 5.0


def hear(
    launch: Launch, request: msgspec.Struct, messages: Any, *, patience_s: Callable[[], float],
    at: Callable[[], str],
) -> Generator[Any, None, None]:  # fmt: skip
    """Start a process, tell it a request, and yield its messages until nobody wants more.

    Args:
        launch: the process.
        request: its first line.
        messages: their type, a union of structs.
        patience_s: asked before each message: how long to wait for it.
        at: what it is at, for people.

    Raises:
        LabError: it refuses, falls silent, or dies.
    """
    worker = Conversation(launch.argv, env=launch.env, cwd=launch.cwd)
    decoder = msgspec.json.Decoder(messages)
    ended: Finished | None = None
    try:
        worker.tell(msgspec.json.encode(request).decode())
        while True:
            patience = patience_s()
            line = worker.answer(patience)
            if line is None:
                raise LabError(
                    f"{at()} did not end.", why=f"nothing came for {patience:.0f} s",
                    next_step="call it once by itself; try smaller inputs, or more --budget",
                )  # fmt: skip
            message = decoder.decode(line)
            if isinstance(message, Refused):
                raise LabError(message.what, why=message.why, next_step=message.next_step)
            yield message
    except EOFError:
        ended = worker.end()
        raise _died(ended, at()) from None
    finally:
        # Never killed at once: it ends as its input does, and so does the container that it is in.
        if ended is None:
            worker.end(_PATIENCE_S)


def _died(done: Finished, at: str) -> LabError:
    words = done.last_words
    if done.code in (-9, 137):
        words = "it was killed, as happens where memory runs out"
    return LabError(
        f"The process that ran {at} ended.", why=words,
        next_step="try smaller inputs; ./inv doctor looks for other causes",
    )  # fmt: skip
