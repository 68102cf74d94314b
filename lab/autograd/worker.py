"""The process that checks: `python -m lab.autograd.worker` reads a CheckRequest, then writes
messages.

A function under test may take all memory, or never return: here it does so by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from lab import told
from lab.autograd.case import Case, choose_cases
from lab.autograd.checker import check
from lab.autograd.declared import inputs_of
from lab.autograd.limits import limit_memory
from lab.autograd.messages import Began, Checked, Checking, CheckRequest, Message
from lab.autograd.modes import check_mode
from lab.autograd.target import load_target, split_target
from lab.errors import LabError
from lab.records.autograd import CaseResult, CheckReport, Mode

Tell = Callable[[Message], None]


def run(request: CheckRequest, tell: Tell) -> None:
    """Check what is asked for, one after the other."""
    import torch

    torch.manual_seed(request.seed)
    limit_memory(request.device)
    if request.target is not None:
        tell(Began(torch_version=str(torch.__version__), total=1))
        mode: Mode = "second" if request.order == 2 else "first"
        _one(request.target, mode, request.device, tell, lambda: _of_target(request))
        return
    todo = [(case, mode) for case in choose_cases(request.only) for mode in case.modes]
    devices = ["cpu"] if request.device == "cpu" else ["cpu", request.device]
    tell(Began(torch_version=str(torch.__version__), total=len(todo) * len(devices)))
    for device in devices:
        for case, mode in todo:
            _one(case.name, mode, device, tell, lambda c=case, m=mode, d=device: (  # type: ignore[misc]
                _of_case(c, m, d, request)))  # fmt: skip


def _one(name: str, mode: Mode, device: str, tell: Tell, body: Callable[[], CheckReport]) -> None:
    tell(Checking(name=name, mode=mode))
    tell(Checked(result=CaseResult(name=name, mode=mode, device=device, report=body())))


def _of_case(case: Case, mode: Mode, device: str, request: CheckRequest) -> CheckReport:
    import torch

    source = torch.Generator().manual_seed(request.seed)

    def random(*shape: int) -> torch.Tensor:
        """The same numbers on every device."""
        return torch.randn(*shape, generator=source, dtype=torch.float64).to(device)

    checked = case.prepare(random)
    return check_mode(checked, mode, seed=request.seed, language=request.language)


def _of_target(request: CheckRequest) -> CheckReport:
    import torch

    place, name = split_target(request.target or "")
    function = load_target(place, name, request.folder)
    inputs = inputs_of(function, request.shapes, request.seed)
    if request.device != "cpu":
        if isinstance(function, torch.nn.Module):
            function = function.to(request.device)
        inputs = [x.to(request.device) if isinstance(x, torch.Tensor) else x for x in inputs]
    return check(
        function, *inputs, order=request.order, seed=request.seed, language=request.language,
        budget_s=request.budget_s,
    )  # fmt: skip


def main() -> None:
    """Read the request, check, and tell."""
    tell: Any = told.own_output()
    request = msgspec.json.decode(told.first_line(), type=CheckRequest)
    done = told.end_with_input()
    try:
        run(request, tell)
    except LabError as error:
        tell(told.Refused(what=error.what, why=error.why, next_step=error.next_step))
    done.set()


if __name__ == "__main__":
    main()
