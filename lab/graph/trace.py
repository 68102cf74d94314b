"""`trace`: the graph of one call, forward and backward."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from lab.errors import LabError
from lab.graph.derivative import local_derivative
from lab.graph.recorder import Recorder, Step, Tensor, Use
from lab.graph.values import values_of
from lab.records.autograd import Finding
from lab.records.graph import Edge, Graph, Node

_SATURATING = {
    "sigmoid", "tanh", "softmax", "log_softmax", "softplus", "hardtanh", "hardsigmoid", "erf",
    "logsigmoid",
}  # fmt: skip
_FLAT = 1e-6


def trace(function: Any, *inputs: Any, findings: Sequence[Finding] = ()) -> Graph:
    """Run a function once, forward and backward, and return its graph.

    Args:
        function: a function of tensors, or an `nn.Module`.
        inputs: what it is called with. Floating tensors get gradients; where any requires one,
            those alone. They stay as they are, and so do a module's own gradients.
        findings: of a gradient check of the same call; each is put on its node.

    Returns:
        The graph. Gradients are those of the sum of all outputs' entries.

    Raises:
        LabError: the function raises, returns no tensor, or nothing in it has a gradient.
    """
    import torch

    recorder = Recorder()
    given, leaves = _prepare(recorder, function, inputs)
    name = getattr(function, "__name__", type(function).__name__)
    with torch.enable_grad(), recorder.running():
        try:
            returned = function(*given)
        except Exception as error:
            raise LabError(
                f"{name} raised {type(error).__name__}.", why=str(error).partition("\n")[0],
                next_step="call it once by itself with these inputs, and mend that first",
            ) from error  # fmt: skip
    outputs = [recorder.step_of(t) for t in _tensors(returned)]
    if not outputs:
        raise LabError(
            f"{name} returns no tensor.", why=f"it returns {type(returned).__name__}",
            next_step="return the tensor itself, without .item(), .tolist() or .numpy()",
        )  # fmt: skip
    _backward(outputs, [*leaves, *_parameters(recorder)])
    for step in outputs:
        step.states.add("output")
    return _graph(recorder, name, outputs, findings)


def _tensors(value: Any) -> list[Tensor]:
    import torch

    if isinstance(value, dict):
        return [t for item in value.values() for t in _tensors(item)]
    if isinstance(value, list | tuple):
        return [t for item in value for t in _tensors(item)]
    return [value] if isinstance(value, torch.Tensor) else []


def _prepare(
    recorder: Recorder, function: Any, inputs: Sequence[Any]
) -> tuple[list[Any], list[Tensor]]:
    """Copies of the inputs that require gradients, named as the function names them."""
    import torch

    if not callable(function):
        raise LabError(
            "There is nothing to call.", why=f"it is of type {type(function).__name__}",
            next_step="pass a function or a module, then its inputs",
        )  # fmt: skip
    if isinstance(function, torch.nn.Module):
        recorder.paths(function)
    marked = any(t.requires_grad for t in _tensors(list(inputs)))
    leaves: list[Tensor] = []

    def copied(value: Any, name: str, number: int) -> Any:
        if isinstance(value, dict):
            return {k: copied(v, f"{name}[{k!r}]", number) for k, v in value.items()}
        if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
            parts = (copied(v, f"{name}[{i}]", number) for i, v in enumerate(value))
            return type(value)(parts)
        if not isinstance(value, torch.Tensor):
            return value
        copy = value.detach().clone()
        floating = value.is_floating_point() or value.is_complex()
        if floating and (value.requires_grad or not marked):
            leaves.append(copy.requires_grad_())
            copy = copy.clone()  # a leaf may not be changed in place, and the function may do so
        recorder.leaf(copy, "input", name).argument = number
        return copy

    names = _names(function, len(inputs))
    given = [copied(x, name, i) for i, (x, name) in enumerate(zip(inputs, names, strict=True))]
    parameters = [s for s in recorder.steps if s.kind == "parameter"]
    for number, step in enumerate(parameters, start=len(inputs)):
        step.argument = number
    return given, leaves


def _names(function: Any, count: int) -> list[str]:
    called = getattr(function, "forward", function)
    try:
        parameters = list(inspect.signature(called).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [p.name for p in parameters if p.kind is not p.VAR_POSITIONAL]
    return [names[i] if i < len(names) else f"input {i}" for i in range(count)]


def _parameters(recorder: Recorder) -> list[Tensor]:
    steps = [s for s in recorder.steps if s.kind == "parameter" and s.tensor.requires_grad]
    return [s.tensor for s in steps]


def _backward(outputs: Sequence[Step], leaves: Sequence[Tensor]) -> None:
    """Let gradients flow; hooks hear them. Nothing is added to any `.grad`."""
    import torch

    ends = [s.tensor for s in outputs if s.tensor.requires_grad]
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    if not ends or not wanted:
        return
    ones = [torch.ones_like(t) for t in ends]
    torch.autograd.grad(ends, wanted, ones, allow_unused=True, retain_graph=True)


def _graph(
    recorder: Recorder, name: str, outputs: Sequence[Step], findings: Sequence[Finding]
) -> Graph:
    import torch

    _complete(recorder)
    recorder.stop()  # from here on operations are asked one by one
    edges = [_edge(recorder, use) for use in recorder.uses]
    flat = {e.target for e, u in zip(edges, recorder.uses, strict=True) if _is_flat(recorder, u, e)}
    for number in flat:
        recorder.steps[number].states.add("saturated")
    order = {
        step.number: rank
        for rank, step in enumerate(
            sorted((s for s in recorder.steps if s.order is not None), key=lambda s: s.order or 0)
        )
    }
    placed = place_findings(recorder, findings)
    nodes = [_node(step, order.get(step.number), placed.get(step.number, []))
             for step in recorder.steps]  # fmt: skip
    return Graph(
        function=name, nodes=nodes, edges=edges, outputs=[s.number for s in outputs],
        torch_version=str(torch.__version__),
    )  # fmt: skip


def _complete(recorder: Recorder) -> None:
    """What passed to a tensor that was changed in place: what is left of the whole."""
    for step in recorder.steps:
        own = [u for u in recorder.uses if u.source == step.number]
        silent = [u for u in own if step.frozen and u.alias is None and not u.reason]
        if silent and step.heard is not None:
            known = [u.heard for u in own if u.heard is not None]
            rest = step.heard.clone()
            for gradient in known:
                rest = rest - gradient
            silent[0].heard = rest


def _edge(recorder: Recorder, use: Use) -> Edge:
    kind, values = local_derivative(recorder, use)
    carries = use.heard is not None
    reason = "" if carries else use.reason or "nothing came back"
    return Edge(
        source=use.source, target=use.target, carries_gradient=carries, reason=reason,
        contribution=None if use.heard is None else values_of(use.heard),
        local_derivative=None if values is None else values_of(values), derivative_kind=kind,
    )  # fmt: skip


def _is_flat(recorder: Recorder, use: Use, edge: Edge) -> bool:
    """Whether an entry sits where a function that saturates is flat: it learns nothing there."""
    if recorder.steps[use.target].operation not in _SATURATING or edge.local_derivative is None:
        return False
    entries = edge.local_derivative.entries
    if edge.derivative_kind != "elementwise" or entries is None:
        return False
    return any(abs(entry) < _FLAT for entry in entries)


def _node(step: Step, order: int | None, findings: list[Finding]) -> Node:
    import torch

    states = set(step.states)
    for tensor in (step.value, step.heard):
        if tensor is not None and (tensor.is_floating_point() or tensor.is_complex()):
            states |= {"nan"} if bool(torch.isnan(tensor).any()) else set()
            states |= {"inf"} if bool(torch.isinf(tensor).any()) else set()
    return Node(
        id=step.number, kind=step.kind, name=step.name, operation=step.operation,
        arguments=step.arguments, module=step.module, line=step.line,
        dtype=str(step.value.dtype).removeprefix("torch."), value=values_of(step.value),
        gradient=None if step.heard is None else values_of(step.heard),
        states=sorted(states), forward_step=step.number, backward_step=order, findings=findings,
    )  # fmt: skip


def place_findings(recorder: Recorder, findings: Sequence[Finding]) -> dict[int, list[Finding]]:
    """Which node each finding of the gradient check is about.

    The line that cuts the graph; else a Function that a person wrote, since torch's own are right;
    else the input.
    """
    written = [s for s in recorder.steps if _is_written(s)]
    found: dict[int, list[Finding]] = {}
    for finding in findings:
        at = [s for s in recorder.steps if "detached" in s.states and _names_line(finding, s)]
        at = at or written or [s for s in recorder.steps if s.argument == finding.input][:1]
        for step in at or recorder.steps[-1:]:
            found.setdefault(step.number, []).append(finding)
    return found


def _names_line(finding: Finding, step: Step) -> bool:
    return bool(step.line) and f"({step.line})" in finding.message


def _is_written(step: Step) -> bool:
    import torch

    return isinstance(step.tensor.grad_fn, torch.autograd.function.BackwardCFunction)
