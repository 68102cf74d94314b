"""Runs what may hang or break side by side, each in a thread that can be left behind."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import TypeVar

from lab.records.doctor import Finding

T = TypeVar("T")

# What a check found: nothing where it does not apply.
Found = Finding | Sequence[Finding] | None


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check, with everything that it needs already bound to it."""

    name: str
    run: Callable[[], Found]


def start(function: Callable[[], T]) -> Future[T]:
    """Call a function in a thread of its own; its result, or what it raised, is in the future.

    The thread is a daemon: a dead network folder or a hung driver keeps neither the report nor the
    end of the program waiting, as a pool of threads would.
    """
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(function())
        except Exception as error:
            future.set_exception(error)

    Thread(target=work, daemon=True).start()
    return future


def run_checks(checks: Sequence[Check], *, deadline_s: float) -> list[Finding]:
    """Run all checks at once, and keep their order; one that breaks or hangs becomes `unknown`.

    Args:
        checks: what to run.
        deadline_s: for all of them together.
    """
    end = time.monotonic() + deadline_s
    started = [(check, start(check.run)) for check in checks]
    return [found for check, future in started for found in _settle(check, future, end, deadline_s)]


def _settle(
    check: Check, future: Future[Found], end: float, deadline_s: float
) -> Sequence[Finding]:
    try:
        found = future.result(timeout=max(0.0, end - time.monotonic()))
    except Exception as error:
        return [_unknown(check.name, error, deadline_s if not future.done() else None)]
    if found is None:
        return []
    return [found] if isinstance(found, Finding) else found


def _unknown(name: str, error: Exception, deadline_s: float | None) -> Finding:
    cause = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if deadline_s is not None:
        cause = f"no answer within {deadline_s:g} s"
    return Finding(
        name=name,
        status="unknown",
        seen=f"This could not be looked at: {cause}.",
        why="trouble of this kind, if there is any, stays unseen",
        next="run `./inv doctor` again; if it stays, report this line as a fault of the lab",
    )
