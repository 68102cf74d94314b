"""The lab's own checks: all right, and each way of taking a derivative can fail."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from lab.autograd.case import Case, Checked, choose_cases, discover
from lab.autograd.modes import check_mode
from lab.errors import LabError
from lab.records.autograd import Mode

CASES = discover()
COURSE = {
    "logistic_loss", "logistic_scores", "logistic_sigmoid", "logistic_cross_entropy",
    "matmul_chain", "softmax", "cross_entropy", "mlp", "convolution", "attention", "layer_norm",
    "custom_function",
}  # fmt: skip


def random(seed: int = 0) -> Callable[..., Tensor]:
    source = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randn(*shape, generator=source, dtype=torch.float64)


def test_every_function_of_the_course_has_a_case() -> None:
    assert CASES.keys() >= COURSE
    assert all(case.summary.endswith(".") for case in CASES.values())


@pytest.mark.parametrize(
    ("case", "mode"), [(case, mode) for case in CASES.values() for mode in case.modes],
    ids=lambda value: value if isinstance(value, str) else value.name,
)  # fmt: skip
def test_case_is_right(case: Case, mode: Mode) -> None:
    report = check_mode(case.prepare(random()), mode, seed=0, language="en")
    assert report.ok, str(report)


class Wrong(torch.autograd.Function):
    """A cube, right in reverse mode alone."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:  # type: ignore[override]
        return x**3

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return 3 * grad * x.detach() ** 2

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return 2 * tangent * x**2

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor) -> tuple[Tensor, int]:
        return x**4, 0


@pytest.mark.parametrize(
    ("mode", "right"),
    [("first", True), ("second", False), ("forward", False), ("vmap", False),
     ("closed_form", False)],
)  # fmt: skip
def test_each_mode_sees_what_is_wrong_in_it(mode: Mode, right: bool) -> None:
    checked = Checked(
        function=Wrong.apply, inputs=(random()(5),), closed_form=lambda x, v: 2 * v * x**2
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert check_mode(checked, mode, seed=0, language="en").ok is right


def test_case_that_there_is_none_of_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(LabError, match="no gradient check 'softmx'") as caught:
        choose_cases(("softmx",))
    assert "softmax" in caught.value.why
