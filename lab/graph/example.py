"""The first graph that a student sees: logistic regression with cross-entropy, as it is written."""

from typing import Any


def logistic_regression() -> tuple[Any, tuple[Any, ...]]:
    """The loss of five points with two columns, by weights and bias; and where to look at it."""
    import torch

    columns = [[0.5, -1.2], [1.5, 0.3], [-0.7, 0.8], [2.0, -0.4], [-1.1, -0.9]]
    X = torch.tensor(columns, dtype=torch.float64)
    y = torch.tensor([1.0, 1, 0, 1, 0], dtype=torch.float64)

    def loss(w: Any, b: Any) -> Any:
        z = X @ w + b
        s = torch.sigmoid(z)
        ones = y * torch.log(s)
        zeros = (1 - y) * torch.log(1 - s)
        return -(ones + zeros).sum()

    w = torch.tensor([0.3, -0.6], dtype=torch.float64)
    return loss, (w, torch.tensor(0.1, dtype=torch.float64))
