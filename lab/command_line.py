"""Runs invoke, as `python -m invoke` does, in two thirds of the time.

Invoke imports unittest.mock, and asyncio behind it, for a class that its users' own tests may use
(MockContext). No task needs it, so an empty module stands in for it while invoke is imported; who
asks for it later gets the real one. A test holds invoke to that.
"""

import os
import sys
import types


def main() -> None:
    """Run the tasks with the words of the command line; ends the process."""
    stand_in = types.ModuleType("unittest.mock")
    stand_in.Mock = None  # type: ignore[attr-defined]
    sys.modules.setdefault("unittest.mock", stand_in)
    import invoke.context  # noqa: F401
    from invoke.main import program

    if sys.modules["unittest.mock"] is stand_in:
        del sys.modules["unittest.mock"]
    try:
        program.run()
    except BrokenPipeError:  # the reader has gone: `inv --help | head`
        os._exit(141)


if __name__ == "__main__":
    main()
