"""Over torch's own operator samples: no crash, no hang, nothing unexplained."""

import pytest
import torch
from torch.testing._internal.common_methods_invocations import op_db

from benchmarks.autograd_operators import KNOWN, LEFT_OUT, name_of, sweep


def test_every_operator_is_explained_or_listed_with_the_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = sweep()
    assert not done.failed, capsys.readouterr().out
    assert done.counts["ok"] > 1500
    assert done.counts["checked"] >= done.counts["ok"]
    listed = {name for names in done.out.values() for name in names}
    checkable = {
        name_of(op) for op in op_db
        if op.supports_autograd and torch.float64 in op.supported_dtypes("cpu")
    }  # fmt: skip
    assert len(listed - checkable) > 50  # those without a gradient, each under that reason
    assert all(done.out)


def test_exceptions_name_operators_that_exist() -> None:
    names = {name_of(op) for op in op_db} | {op.name for op in op_db}
    assert KNOWN.keys() | LEFT_OUT.keys() <= names
