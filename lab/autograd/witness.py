"""Sees where a function leaves autograd's sight: detach, item, numpy, no_grad."""

from __future__ import annotations

import sys
from typing import Any

_CUTS = {
    "detach", "detach_", "item", "tolist", "numpy", "__array__", "__float__", "__int__",
    "__index__", "_set_grad_enabled",
}  # fmt: skip


def cuts_of(call: Any) -> list[str]:
    """Call a function once; what in it cuts the graph, each with file and line.

    Args:
        call: without arguments.
    """
    from torch.overrides import TorchFunctionMode

    seen: list[str] = []

    class Watch(TorchFunctionMode):
        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            name = getattr(function, "__name__", "")
            if name == "__get__" and "data" in str(getattr(function, "__self__", "")):
                name = "data"
            off = name != "_set_grad_enabled" or (args and args[0] is False)
            if (name in _CUTS or name == "data") and off:
                seen.append(f"{'no_grad' if name == '_set_grad_enabled' else name}{_line()}")
            return function(*args, **(kwargs or {}))

    with Watch():
        call()
    return list(dict.fromkeys(seen))


def file_name(path: str) -> str:
    """What a person calls a file of code; a notebook's cell has none."""
    cell = path.startswith("<ipython-input") or "/ipykernel_" in path
    return "cell" if cell else path.rpartition("/")[2]


def _line() -> str:
    """The line of the person's own code that is being run."""
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if "/torch/" not in file and "/lab/autograd/" not in file and "contextlib" not in file:
            return f" ({file_name(file)}:{frame.f_lineno})"
        frame = frame.f_back  # type: ignore[assignment]
    return ""
