"""Exercises of notebook 1, tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab.course.exercise import Exercise, Hint, Mistake

if TYPE_CHECKING:
    from torch import Generator, Tensor


def _rows(source: Generator) -> tuple[Any, ...]:
    import torch

    rows = 3 + int(torch.randint(4, (), generator=source))
    return (torch.randn(rows, rows + 2, generator=source),)


def _centered(x: Tensor) -> Tensor:
    return x - x.mean(dim=0)


def _centered_by_one_number(x: Tensor) -> Tensor:
    return x - x.mean()


def _centered_by_rows(x: Tensor) -> Tensor:
    return x - x.mean(dim=1, keepdim=True)


EXERCISES = (
    Exercise(
        number="1.1",
        right=_centered,
        inputs=_rows,
        mistakes=(
            Mistake(
                name="one_mean",
                answer=_centered_by_one_number,
                hint=Hint(
                    es="Restaste un solo número: la media de todo el tensor. ¿Qué dimensión recorre `mean` si no le dices ninguna?",
                    en="You took away one number, the mean of the whole tensor. Which dimension does `mean` run over when you name none?",
                ),
            ),
            Mistake(
                name="rows",
                answer=_centered_by_rows,
                hint=Hint(
                    es="Cada fila quedó con media cero, no cada columna. `dim` es la dimensión que desaparece al reducir.",
                    en="Each row now has mean zero, not each column. `dim` is the dimension that the reduction removes.",
                ),
            ),
        ),
    ),
)
