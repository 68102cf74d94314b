"""The process that traces: `python -m lab.graph.worker` reads a TraceRequest, then writes one
message."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import msgspec

from lab import told
from lab.autograd.checker import check
from lab.autograd.declared import inputs_of
from lab.autograd.limits import limit_memory
from lab.autograd.target import load_target, split_target
from lab.errors import LabError
from lab.graph.example import logistic_regression
from lab.graph.messages import Traced, TraceRequest
from lab.graph.trace import trace
from lab.records.autograd import Finding
from lab.records.graph import Graph


def graph_of(request: TraceRequest) -> Graph:
    """The graph that is asked for.

    Raises:
        LabError: there is no such function, or it cannot be traced.
    """
    import torch

    torch.manual_seed(request.seed)
    limit_memory(request.device)
    function, inputs = _function(request)
    if request.device != "cpu":
        if isinstance(function, torch.nn.Module):
            function = function.to(request.device)
        inputs = [x.to(request.device) if isinstance(x, torch.Tensor) else x for x in inputs]
    findings = _findings(function, inputs, request) if request.check else ()
    if isinstance(function, type) and issubclass(function, torch.autograd.Function):
        function = function.apply
    with contextlib.redirect_stdout(sys.stderr):
        return trace(function, *inputs, findings=findings)


def _function(request: TraceRequest) -> tuple[Any, list[Any]]:
    if request.target is None:
        function, inputs = logistic_regression()
        return function, list(inputs)
    place, name = split_target(request.target)
    function = load_target(place, name, request.folder)
    return function, inputs_of(function, request.shapes, request.seed)


def _findings(function: Any, inputs: list[Any], request: TraceRequest) -> tuple[Finding, ...]:
    """What a check of the gradient finds; nothing for a function that can be drawn alone."""
    try:
        report = check(
            function, *inputs, seed=request.seed, language=request.language,
            budget_s=request.budget_s,
        )  # fmt: skip
    except LabError:
        return ()
    return report.findings


def main() -> None:
    """Read the request, trace, and tell."""
    tell: Any = told.own_output()
    request = msgspec.json.decode(told.first_line(), type=TraceRequest)
    done = told.end_with_input()
    try:
        tell(Traced(graph=graph_of(request)))
    except LabError as error:
        tell(told.Refused(what=error.what, why=error.why, next_step=error.next_step))
    done.set()


if __name__ == "__main__":
    main()
