"""Runs invoke, as `python -m invoke` does, in two thirds of the time.

Invoke imports unittest.mock, and asyncio behind it, for a class that its users' own tests may use
(MockContext). No task needs it, so an empty module stands in for it while invoke is imported; who
asks for it later gets the real one. A test holds invoke to that.
"""

import atexit
import gc
import os
import sys
import types
from typing import NoReturn


def main() -> NoReturn:
    """Run the tasks with the words of the command line."""
    # A command is mostly imports: looking for garbage among them takes a twentieth of its time.
    gc.set_threshold(50_000)
    stand_in = types.ModuleType("unittest.mock")
    stand_in.Mock = None  # type: ignore[attr-defined]
    sys.modules.setdefault("unittest.mock", stand_in)
    import invoke.context  # noqa: F401
    from invoke.main import program

    if sys.modules["unittest.mock"] is stand_in:
        del sys.modules["unittest.mock"]
    try:
        program.run()
    except SystemExit as end:
        if isinstance(end.code, str):
            raise
        _end(end.code or 0)
    except BrokenPipeError:  # the reader has gone: `inv --help | head`
        os._exit(141)
    _end(0)


def _end(code: int) -> NoReturn:
    """End at once: to take every module apart first takes longer than many a command."""
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = code or 141
    os._exit(code)


if __name__ == "__main__":
    main()
