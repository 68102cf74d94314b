"""A traced graph: what was computed, its gradients, and that what the uses add is the whole."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lab.autograd import check
from lab.errors import LabError
from lab.graph import trace
from lab.graph.example import logistic_regression
from lab.records.graph import Graph, Node

UNARY: list[Callable[[Tensor], Tensor]] = [
    torch.sin, torch.tanh, torch.sigmoid, lambda x: x * 2 - 1, lambda x: x.roll(1, 0), torch.relu,
    lambda x: x.square(), lambda x: x / (1 + x.abs()), lambda x: x[:2].sum() * x,
    lambda x: x.clone().mul_(3.0), lambda x: x.detach() + x, lambda x: torch.stack([x, x]).sum(0),
]  # fmt: skip
BINARY: list[Callable[[Tensor, Tensor], Tensor]] = [
    torch.add, torch.mul, torch.sub, lambda a, b: torch.where(a > b, a, b), torch.maximum,
    lambda a, b: (a * b).sum() + a, lambda a, b: torch.outer(a, b) @ b,
]  # fmt: skip
# Each step takes one or two of the tensors so far, so that many are used more than once.
programs = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 40)), min_size=1, max_size=12
)


def run(program: list[tuple[int, int, int]], x: Tensor) -> Tensor:
    seen = [x]
    for first, second, kind in program:
        a, b = seen[first % len(seen)], seen[second % len(seen)]
        if kind % 2:
            seen.append(BINARY[kind // 2 % len(BINARY)](a, b))
        else:
            seen.append(UNARY[kind // 2 % len(UNARY)](a))
    return sum(seen[1:], start=seen[-1])


def whole(node: Node) -> Tensor:
    assert node.gradient is not None
    assert node.gradient.entries is not None
    return torch.tensor(node.gradient.entries, dtype=torch.float64)


def added(graph: Graph, node: Node) -> Tensor:
    """What all uses of a node add."""
    parts = [e.contribution for e in graph.edges if e.source == node.id and e.contribution]
    return sum(
        (torch.tensor(p.entries, dtype=torch.float64) for p in parts),
        start=torch.zeros_like(whole(node)),
    )


def assert_contributions_are_the_gradient(graph: Graph) -> None:
    for node in graph.nodes:
        if node.gradient is None or node.gradient.entries is None:
            continue
        own = torch.ones_like(whole(node)) if node.id in graph.outputs else 0
        torch.testing.assert_close(added(graph, node) + own, whole(node), rtol=1e-9, atol=1e-9)


@settings(max_examples=120, deadline=None)
@given(programs, st.integers(2, 6), st.integers(0, 99))
def test_what_the_uses_add_is_the_gradient(
    program: list[tuple[int, int, int]], n: int, seed: int
) -> None:
    x = torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    graph = trace(lambda x: run(program, x), x)
    assert_contributions_are_the_gradient(graph)
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(run(program, leaf).sum(), leaf)
    torch.testing.assert_close(whole(graph.nodes[0]), expected, rtol=1e-9, atol=1e-9)
    numbers = [node.id for node in graph.nodes]
    assert all(numbers.index(e.source) < numbers.index(e.target) for e in graph.edges)
    assert msgspec.json.decode(msgspec.json.encode(graph), type=Graph) == graph


def named(graph: Graph, name: str) -> Node:
    (found,) = [node for node in graph.nodes if node.name == name]
    return found


def test_logistic_regression_has_the_students_names_and_the_closed_form() -> None:
    function, inputs = logistic_regression()
    graph = trace(function, *inputs)
    assert {"w", "b", "X", "y", "z", "s", "ones", "zeros"} <= {n.name for n in graph.nodes}
    assert [named(graph, name).kind for name in ("w", "X", "z")] == [
        "input", "constant", "operation",
    ]  # fmt: skip
    x = torch.tensor(named(graph, "X").value.entries, dtype=torch.float64).reshape(5, 2)
    y, s = (torch.tensor(named(graph, k).value.entries, dtype=torch.float64) for k in ("y", "s"))
    torch.testing.assert_close(whole(named(graph, "w")), x.T @ (s - y))
    assert_contributions_are_the_gradient(graph)
    uses = [e for e in graph.edges if e.source == named(graph, "s").id]
    assert len(uses) == 2
    assert all(e.derivative_kind == "elementwise" for e in uses)
    steps = [n.backward_step for n in graph.nodes if n.backward_step is not None]
    assert sorted(steps) == list(range(len(steps)))
    assert graph.nodes[-1].backward_step == 0


def test_derivative_of_an_operation_is_told() -> None:
    graph = trace(lambda x: torch.sigmoid(x), torch.tensor([0.0, 40.0], dtype=torch.float64))
    (edge,) = graph.edges
    assert edge.derivative_kind == "elementwise"
    assert edge.local_derivative is not None
    assert edge.local_derivative.entries is not None
    assert edge.local_derivative.entries[0] == 0.25
    assert "saturated" in graph.nodes[1].states
    matrix = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
    (_, edge) = trace(lambda x: matrix @ x, torch.ones(2, dtype=torch.float64)).edges
    assert edge.derivative_kind == "jacobian"
    assert edge.local_derivative is not None
    assert edge.local_derivative.entries == [1, 2, 3, 4]


def cut(x: Tensor) -> Tensor:
    a = x.detach() * 2
    with torch.no_grad():
        b = x.exp()
    return x * a * b * x.sum().item()


def test_paths_that_carry_no_gradient_say_why() -> None:
    graph = trace(cut, torch.ones(3, dtype=torch.float64))
    reasons = {graph.nodes[e.target].operation: e.reason for e in graph.edges if e.source == 0}
    assert reasons["detach"] == "detach"
    assert reasons["exp"] == "no_grad"
    (total,) = [n for n in graph.nodes if n.operation == "sum"]
    assert total.gradient is None
    assert "detached" in total.states
    (lost,) = [e for e in graph.edges if e.target == total.id]
    assert not lost.carries_gradient
    assert lost.reason == "item"


def test_nan_and_infinity_are_marked_where_they_arise() -> None:
    graph = trace(lambda x: (x.log() * 0).sum(), torch.zeros(2, dtype=torch.float64))
    states = {node.operation: set(node.states) for node in graph.nodes}
    assert "inf" in states["log"]
    assert "nan" in states["mul"]
    assert graph.nodes[-1].value.entries is None
    assert graph.nodes[-1].value.text == "nan"
    json.loads(msgspec.json.encode(graph))


class Halved(torch.autograd.Function):
    """A square whose gradient lacks the 2."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        y = x * x
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return grad * x


def test_written_function_is_one_node_and_takes_the_findings() -> None:
    alias = Halved.apply

    def function(x: Tensor) -> Tensor:
        return (alias(x + 1) * 3).sum()

    x = torch.ones(3, dtype=torch.float64)
    graph = trace(function, x, findings=check(function, x).findings)
    (node,) = [n for n in graph.nodes if n.operation == "Halved"]
    assert [f.cause for f in node.findings] == ["wrong_factor"]
    assert not any(n.operation == "mul" and not n.arguments for n in graph.nodes)
    assert_contributions_are_the_gradient(graph)


def test_finding_of_a_cut_is_put_on_the_line_that_cuts() -> None:
    x = torch.ones(3, dtype=torch.float64)
    graph = trace(cut, x, findings=check(cut, x).findings)
    (node,) = [n for n in graph.nodes if n.findings]
    assert node.operation == "detach"


def test_module_is_traced_with_its_parameters_and_left_as_it_is() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    graph = trace(module, torch.randn(2, 3))
    names = {node.name for node in graph.nodes if node.kind == "parameter"}
    assert names == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert [n.module for n in graph.nodes if n.kind == "operation"] == ["0", "1", "2"]
    assert all(p.grad is None for p in module.parameters())
    assert not any(p._backward_hooks for p in module.parameters())


def test_inputs_may_be_nested_and_findings_know_their_number() -> None:
    def function(k: int, values: dict[str, list[Tensor]]) -> Tensor:
        return values["a"][0] * values["a"][1] ** k

    def gradient(k: int, values: dict[str, list[Tensor]]) -> list[Tensor]:
        first, second = values["a"]
        return [second**k, first * second]

    inputs = (2, {"a": [torch.ones(2).double(), torch.full((2,), 3.0).double()]})
    findings = check((function, gradient), *inputs).findings
    graph = trace(function, *inputs, findings=findings)
    names = [n.name for n in graph.nodes if n.kind == "input"]
    assert names == ["values['a'][0]", "values['a'][1]"]
    assert all(n.gradient is not None for n in graph.nodes if n.kind == "input")
    assert [n.name for n in graph.nodes if n.findings] == names[:1]


def test_inputs_stay_as_they_are() -> None:
    x = torch.ones(3, requires_grad=True)
    trace(lambda x: x.mul_(2), x)
    assert x.tolist() == [1, 1, 1]
    assert x.grad is None


@pytest.mark.parametrize(
    ("function", "words"),
    [(3, "nothing to call"), (lambda x: None, "returns no tensor"), (lambda x: x @ x.T @ [1],
      "raised TypeError")],
)  # fmt: skip
def test_what_cannot_be_traced_is_refused(function: Any, words: str) -> None:
    with pytest.raises(LabError, match=words) as caught:
        trace(function, torch.ones(2, 2))
    assert caught.value.next_step
