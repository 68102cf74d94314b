"""Exercises of notebook 1, tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab.course.exercise import Exercise, Hint, Mistake

if TYPE_CHECKING:
    from torch import Generator, Tensor


def _between(least: int, most: int, source: Generator) -> int:
    """A whole number, both ends included."""
    import torch

    return int(torch.randint(least, most + 1, (), generator=source))


# 1.1: labels of two classes.


def _count(source: Generator) -> tuple[Any, ...]:
    return (_between(20, 40, source),)


def _labels(n: int) -> Tensor:
    import torch

    return torch.randint(2, (n, 1))


def _labels_all_zero(n: int) -> Tensor:
    import torch

    return torch.randint(1, (n, 1))


def _labels_one_and_two(n: int) -> Tensor:
    import torch

    return torch.randint(1, 3, (n, 1))


def _labels_flat(n: int) -> Tensor:
    import torch

    return torch.randint(2, (n,))


def _labels_between(n: int) -> Tensor:
    import torch

    return torch.rand(n, 1)


# 1.2: the share of rows whose largest score is that of their label.


def _scores(source: Generator) -> tuple[Any, ...]:
    """Scores of which about two thirds are right, never exactly half of them."""
    import torch

    classes = _between(3, 5, source)
    rows = 2 * _between(8, 15, source) + 1
    scores = torch.randn(rows, classes, generator=source)
    labels = scores.argmax(dim=1)
    wrong = torch.rand(rows, generator=source) < 0.35
    wrong[0], wrong[1] = True, False
    return scores, torch.where(wrong, (labels + 1) % classes, labels)


def _accuracy(scores: Tensor, labels: Tensor) -> Tensor:
    return (scores.argmax(dim=1) == labels).float().mean()


def _accuracy_count(scores: Tensor, labels: Tensor) -> Tensor:
    return (scores.argmax(dim=1) == labels).sum()


def _accuracy_errors(scores: Tensor, labels: Tensor) -> Tensor:
    return (scores.argmax(dim=1) != labels).float().mean()


def _accuracy_one_argmax(scores: Tensor, labels: Tensor) -> Tensor:
    return (scores.argmax() == labels).float().mean()


def _accuracy_not_reduced(scores: Tensor, labels: Tensor) -> Tensor:
    return scores.argmax(dim=1) == labels


# 1.3: logsumexp by hand.


def _large(source: Generator) -> tuple[Any, ...]:
    """Rows so far apart that no one number serves them all, some far beyond float32's exp."""
    import torch

    rows = _between(3, 6, source)
    far = torch.linspace(-400, 400, rows).unsqueeze(1)
    return (torch.randn(rows, rows + 2, generator=source) + far,)


def _log_sum_exp(u: Tensor) -> Tensor:
    m = u.max(dim=1, keepdim=True).values
    return m.squeeze(1) + (u - m).exp().sum(dim=1).log()


def _log_sum_exp_naive(u: Tensor) -> Tensor:
    return u.exp().sum(dim=1).log()


def _log_sum_exp_shifted(u: Tensor) -> Tensor:
    m = u.max(dim=1, keepdim=True).values
    return (u - m).exp().sum(dim=1).log()


def _log_sum_exp_one_maximum(u: Tensor) -> Tensor:
    return u.max() + (u - u.max()).exp().sum(dim=1).log()


def _log_sum_exp_columns(u: Tensor) -> Tensor:
    return u.logsumexp(dim=0)


# 1.4: squared distances between two sets of points.


def _points(source: Generator) -> tuple[Any, ...]:
    """More rows than columns, and as many again: no two sizes are the same."""
    import torch

    size = _between(2, 4, source)
    x = torch.randn(size + 1, size, generator=source)
    return x, torch.randn(size + 3, size, generator=source)


def _distances(x: Tensor, y: Tensor) -> Tensor:
    return (x.unsqueeze(1) - y.unsqueeze(0)).square().sum(dim=2)


def _distances_no_sum(x: Tensor, y: Tensor) -> Tensor:
    return (x.unsqueeze(1) - y.unsqueeze(0)).square()


def _distances_root(x: Tensor, y: Tensor) -> Tensor:
    return _distances(x, y).sqrt()


def _distances_transposed(x: Tensor, y: Tensor) -> Tensor:
    return _distances(y, x)


def _distances_sum_first(x: Tensor, y: Tensor) -> Tensor:
    return (x.unsqueeze(1) - y.unsqueeze(0)).sum(dim=2).square()


# 1.5: a linear model.


def _model(source: Generator) -> tuple[Any, ...]:
    import torch

    size = _between(2, 5, source)
    x = torch.randn(size + 3, size, generator=source)
    w = torch.randn(size, generator=source)
    return x, w, 1 + torch.rand((), generator=source)


def _predict(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return x @ w + b


def _predict_by_component(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return x * w + b


def _predict_no_bias(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return x @ w


def _predict_many_biases(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return (x * w + b).sum(dim=1)


def _predict_column(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return x @ w.unsqueeze(1) + b


EXERCISES = (
    Exercise(
        number="1.1",
        right=_labels,
        inputs=_count,
        mistakes=(
            Mistake(
                name="all_zero",
                answer=_labels_all_zero,
                hint=Hint(
                    es="Todas las etiquetas son 0: hay una sola clase. El límite superior de"
                    " `randint` queda fuera. ¿Qué enteros hay en [0, 1)?",
                    en="All labels are 0: there is one class only. The upper bound of `randint`"
                    " is excluded. Which integers are there in [0, 1)?",
                ),
            ),
            Mistake(
                name="one_and_two",
                answer=_labels_one_and_two,
                hint=Hint(
                    es="Tus etiquetas son 1 y 2. Hay dos clases, pero empiezan en 1: ¿cuál es el"
                    " límite inferior de `randint` si no le das ninguno?",
                    en="Your labels are 1 and 2. There are two classes, but they start at 1: what"
                    " is the lower bound of `randint` when you give none?",
                ),
            ),
            Mistake(
                name="flat",
                answer=_labels_flat,
                hint=Hint(
                    es="Los valores son correctos, pero el tensor tiene una sola dimensión. Una"
                    " columna tiene dos: mira cómo se escribe su tamaño.",
                    en="The values are right, but the tensor has one dimension. A column has two:"
                    " look at how its size is written.",
                ),
            ),
            Mistake(
                name="not_whole",
                answer=_labels_between,
                hint=Hint(
                    es="Son números reales entre 0 y 1. Una etiqueta es un entero: ¿qué operación"
                    " de muestreo da enteros?",
                    en="These are real numbers between 0 and 1. A label is an integer: which"
                    " sampling operation gives integers?",
                ),
            ),
        ),
    ),
    Exercise(
        number="1.2",
        right=_accuracy,
        inputs=_scores,
        mistakes=(
            Mistake(
                name="count",
                answer=_accuracy_count,
                hint=Hint(
                    es="Contaste los aciertos. Se pide qué fracción de las N filas son.",
                    en="You counted the correct rows. What is asked for is their share of the"
                    " N rows.",
                ),
            ),
            Mistake(
                name="errors",
                answer=_accuracy_errors,
                hint=Hint(
                    es="Es la fracción de errores. Mira la comparación: ¿qué filas da por buenas?",
                    en="This is the share of errors. Look at the comparison: which rows does it"
                    " count?",
                ),
            ),
            Mistake(
                name="one_argmax",
                answer=_accuracy_one_argmax,
                hint=Hint(
                    es="Tu `argmax` da un solo índice, el del tensor aplanado, y lo comparas con"
                    " todas las etiquetas. Hace falta un índice por fila.",
                    en="Your `argmax` gives a single index, into the flattened tensor, and you"
                    " compare it with every label. One index for each row is needed.",
                ),
            ),
            Mistake(
                name="not_reduced",
                answer=_accuracy_not_reduced,
                hint=Hint(
                    es="Tienes un verdadero o falso por fila: falta reducirlos a un solo número."
                    " Ten en cuenta que `mean` no acepta booleanos.",
                    en="You have one true or false for each row: they still have to be reduced to"
                    " one number. Note that `mean` takes no booleans.",
                ),
            ),
        ),
    ),
    Exercise(
        number="1.3",
        right=_log_sum_exp,
        inputs=_large,
        mistakes=(
            Mistake(
                name="overflow",
                answer=_log_sum_exp_naive,
                hint=Hint(
                    es="Con entradas grandes tu resultado es inf, y con entradas muy negativas,"
                    " -inf: `exp` desborda o da 0 antes de llegar al logaritmo. Resta algo antes.",
                    en="For large inputs your result is inf, and for very negative ones -inf:"
                    " `exp` overflows or gives 0 before the logarithm is reached. Subtract"
                    " something first.",
                ),
            ),
            Mistake(
                name="maximum_not_added",
                answer=_log_sum_exp_shifted,
                hint=Hint(
                    es="Restaste el máximo dentro de la exponencial, y el resultado quedó corrido"
                    " justo en esa cantidad. La igualdad tiene un término más.",
                    en="You subtracted the maximum inside the exponential, and the result is off by"
                    " just that amount. The identity has one more term.",
                ),
            ),
            Mistake(
                name="one_maximum",
                answer=_log_sum_exp_one_maximum,
                hint=Hint(
                    es="Restaste el mismo máximo a todas las filas. Una fila muy por debajo de él"
                    " termina en `log(0)`: ¿sobre qué dimensión hay que tomar el máximo?",
                    en="You subtracted the same maximum from all rows. A row far below it ends in"
                    " `log(0)`: over which dimension does the maximum have to be taken?",
                ),
            ),
            Mistake(
                name="columns",
                answer=_log_sum_exp_columns,
                hint=Hint(
                    es="Tu resultado tiene un número por columna. `dim` es la dimensión que"
                    " desaparece: para un número por fila, ¿cuál debe desaparecer?",
                    en="Your result has one number for each column. `dim` is the dimension that"
                    " disappears: for one number in each row, which one has to?",
                ),
            ),
        ),
    ),
    Exercise(
        number="1.4",
        right=_distances,
        inputs=_points,
        mistakes=(
            Mistake(
                name="no_sum",
                answer=_distances_no_sum,
                hint=Hint(
                    es="La forma es (N, M, d): tienes el cuadrado de cada componente. Falta la"
                    " suma sobre las d componentes.",
                    en="The shape is (N, M, d): you have the square of each component. The sum"
                    " over the d components is missing.",
                ),
            ),
            Mistake(
                name="root",
                answer=_distances_root,
                hint=Hint(
                    es="Es la distancia. Se pide la distancia al cuadrado: te sobra la última"
                    " operación.",
                    en="This is the distance. The squared distance is asked for: your last"
                    " operation is one too many.",
                ),
            ),
            Mistake(
                name="transposed",
                answer=_distances_transposed,
                hint=Hint(
                    es="La forma es (M, N): está transpuesta. Las filas del resultado son los"
                    " puntos de `x`; ¿en qué dimensión dejaste cada conjunto?",
                    en="The shape is (M, N): it is transposed. The rows of the result are the"
                    " points of `x`; in which dimension did you leave each set?",
                ),
            ),
            Mistake(
                name="sum_before_square",
                answer=_distances_sum_first,
                hint=Hint(
                    es="Sumaste las diferencias y después elevaste al cuadrado, así que las"
                    " diferencias de signo opuesto se cancelan. Mira el orden en la fórmula.",
                    en="You summed the differences and squared afterwards, so differences of"
                    " opposite sign cancel. Look at the order in the formula.",
                ),
            ),
        ),
    ),
    Exercise(
        number="1.5",
        right=_predict,
        inputs=_model,
        mistakes=(
            Mistake(
                name="by_component",
                answer=_predict_by_component,
                hint=Hint(
                    es="La forma es (N, d): `*` multiplica componente a componente y no suma."
                    " ¿Qué operador hace el producto y la suma?",
                    en="The shape is (N, d): `*` multiplies component by component and does not"
                    " sum. Which operator multiplies and sums?",
                ),
            ),
            Mistake(
                name="no_bias",
                answer=_predict_no_bias,
                hint=Hint(
                    es="Todas las predicciones están corridas en la misma cantidad. ¿Usaste todos"
                    " los argumentos?",
                    en="All predictions are off by the same amount. Did you use every argument?",
                ),
            ),
            Mistake(
                name="many_biases",
                answer=_predict_many_biases,
                hint=Hint(
                    es="Sumaste b una vez por componente, d veces en total. En la fórmula está"
                    " fuera de la suma.",
                    en="You added b once for each component, d times in all. In the formula it"
                    " is outside the sum.",
                ),
            ),
            Mistake(
                name="column",
                answer=_predict_column,
                hint=Hint(
                    es="Los valores son correctos, pero la forma es (N, 1) y se pide (N,)."
                    " ¿Qué operación quita una dimensión de tamaño 1?",
                    en="The values are right, but the shape is (N, 1) and (N,) is asked for."
                    " Which operation removes a dimension of size 1?",
                ),
            ),
        ),
    ),
)
