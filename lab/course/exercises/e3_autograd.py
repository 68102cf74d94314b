"""Exercises of notebook 3, automatic differentiation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab.course.exercise import Exercise, Hint, Mistake

if TYPE_CHECKING:
    from torch import Generator, Tensor


def _size(source: Generator, least: int) -> int:
    import torch

    return least + int(torch.randint(4, (), generator=source))


# --- 3.1: the gradient of least squares --------------------------------------------------------


def _regression(source: Generator) -> tuple[Any, ...]:
    import torch

    rows, columns = _size(source, 6), _size(source, 2)
    return (
        torch.randn(rows, columns, generator=source),
        torch.randn(rows, 1, generator=source),
        torch.randn(columns, 1, generator=source),
    )


def _squares_gradient(X: Tensor, t: Tensor, w: Tensor) -> Tensor:
    return 2 * X.T @ (X @ w - t)


def _without_the_two(X: Tensor, t: Tensor, w: Tensor) -> Tensor:
    return X.T @ (X @ w - t)


def _with_the_difference_turned(X: Tensor, t: Tensor, w: Tensor) -> Tensor:
    return 2 * X.T @ (t - X @ w)


def _of_the_mean(X: Tensor, t: Tensor, w: Tensor) -> Tensor:
    return 2 * X.T @ (X @ w - t) / len(X)


def _of_each_sample(X: Tensor, t: Tensor, w: Tensor) -> Tensor:
    return 2 * X * (X @ w - t)


_SQUARES = Exercise(
    number="3.1",
    right=_squares_gradient,
    inputs=_regression,
    mistakes=(
        Mistake(
            name="no_factor",
            answer=_without_the_two,
            hint=Hint(
                es="Tu gradiente es exactamente la mitad del correcto. ¿Cuál es la derivada de r² "
                "con respecto a r?",
                en="Your gradient is exactly half the right one. What is the derivative of r² with "
                "respect to r?",
            ),
        ),
        Mistake(
            name="sign",
            answer=_with_the_difference_turned,
            hint=Hint(
                es="Apunta al revés. En el cuadrado da igual el orden de la resta, en la derivada "
                "no: ¿qué signo lleva `w` dentro del paréntesis?",
                en="It points the other way. The order of the subtraction makes no difference to "
                "the square, but it does to the derivative: what sign has `w` inside the "
                "parentheses?",
            ),
        ),
        Mistake(
            name="mean",
            answer=_of_the_mean,
            hint=Hint(
                es="Dividiste por la cantidad de muestras: es el gradiente del promedio, y f suma.",
                en="You divided by the number of samples: that is the gradient of the mean, and "
                "f sums.",
            ),
        ),
        Mistake(
            name="no_sum",
            answer=_of_each_sample,
            hint=Hint(
                es="Tienes una fila por muestra: lo que aporta cada una, de forma (N, d). Todas "
                "usan el mismo `w`; ¿qué se hace con los aportes de varios usos? ¿Qué producto de "
                "matrices lo hace de una vez?",
                en="You have a row for each sample: what each one contributes, of shape (N, d). "
                "All of them use the same `w`; what becomes of the contributions of several uses? "
                "Which matrix product does that at once?",
            ),
        ),
    ),
)

# --- 3.2: gradients accumulate -----------------------------------------------------------------

_ACCUMULATED = Exercise(
    number="3.2",
    right=17.0,
    mistakes=(
        Mistake(
            name="overwritten",
            answer=5.0,
            hint=Hint(
                es="Esa es la derivada de la última función sola. ¿Qué hace `backward()` con lo "
                "que ya había en `x.grad`?",
                en="That is the derivative of the last function alone. What does `backward()` do "
                "with what was in `x.grad` already?",
            ),
        ),
        Mistake(
            name="once_each",
            answer=11.0,
            hint=Hint(
                es="Contaste x² una sola vez, y se llamó a `backward()` dos veces sobre él.",
                en="You counted x² only once, and `backward()` was called on it twice.",
            ),
        ),
        Mistake(
            name="values",
            answer=33.0,
            hint=Hint(
                es="Sumaste los valores de las tres funciones en x = 3. En `.grad` se suman sus "
                "derivadas.",
                en="You added the values of the three functions at x = 3. What adds up in "
                "`.grad` are their derivatives.",
            ),
        ),
        Mistake(
            name="two_calls",
            answer=12.0,
            hint=Hint(
                es="Falta el tercer `backward()`: es de otra función, pero de la misma variable.",
                en="The third `backward()` is missing: it is for another function, but the same "
                "variable.",
            ),
        ),
    ),
)

# --- 3.3: labels of both classes ---------------------------------------------------------------


def _points(source: Generator) -> tuple[Any, ...]:
    import torch

    rows, columns = _size(source, 20), _size(source, 2)
    return (
        torch.randn(rows, columns, generator=source),
        torch.randn(columns, 1, generator=source),
    )


def _labels(x: Tensor, v: Tensor) -> Tensor:
    return (x @ v > 0).float()


def _one_class(x: Tensor, v: Tensor) -> Tensor:
    import torch

    return torch.zeros(len(x), 1)


def _signs(x: Tensor, v: Tensor) -> Tensor:
    return (x @ v).sign()


def _other_way(x: Tensor, v: Tensor) -> Tensor:
    return (x @ v < 0).float()


def _flat_labels(x: Tensor, v: Tensor) -> Tensor:
    return (x @ v > 0).float().squeeze(1)


def _probabilities(x: Tensor, v: Tensor) -> Tensor:
    return (x @ v).sigmoid()


_LABELS = Exercise(
    number="3.3",
    right=_labels,
    inputs=_points,
    mistakes=(
        Mistake(
            name="one_class",
            answer=_one_class,
            hint=Hint(
                es="Todas tus etiquetas son 0, como en la celda original. Prueba "
                "`labels(x, v).unique()`: deben salir dos clases.",
                en="All your labels are 0, as in the original cell. Try `labels(x, v).unique()`: "
                "two classes should come out.",
            ),
        ),
        Mistake(
            name="minus_one",
            answer=_signs,
            hint=Hint(
                es="Tus clases son −1 y 1. La entropía cruzada usa `y` y `1 - y`: las clases "
                "son 0 y 1.",
                en="Your classes are −1 and 1. The cross-entropy uses `y` and `1 - y`: the "
                "classes are 0 and 1.",
            ),
        ),
        Mistake(
            name="swapped",
            answer=_other_way,
            hint=Hint(
                es="Las dos clases están intercambiadas. ¿De qué lado de vᵀx = 0 está la clase 1?",
                en="The two classes are swapped. On which side of vᵀx = 0 is class 1?",
            ),
        ),
        Mistake(
            name="flat",
            answer=_flat_labels,
            hint=Hint(
                es="Los valores están bien y la forma es (N,). Junto a una salida de forma "
                "(N, 1) se expandiría a (N, N), sin aviso: conserva la segunda dimensión.",
                en="The values are right and the shape is (N,). Beside an output of shape "
                "(N, 1) it would expand to (N, N), without warning: keep the second dimension.",
            ),
        ),
        Mistake(
            name="probabilities",
            answer=_probabilities,
            hint=Hint(
                es="Eso son probabilidades, entre 0 y 1. Una etiqueta es 0 o 1: falta decidir.",
                en="Those are probabilities, between 0 and 1. A label is 0 or 1: the decision is "
                "missing.",
            ),
        ),
    ),
)

# --- 3.4: the sign of the loss -----------------------------------------------------------------


def _predictions(source: Generator) -> tuple[Any, ...]:
    import torch

    rows = _size(source, 8)
    p = 0.05 + 0.9 * torch.rand(rows, 1, generator=source)
    y = torch.randint(2, (rows, 1), generator=source).float()
    y[0], y[1] = 0, 1
    return p, y


def _cross_entropy(p: Tensor, y: Tensor) -> Tensor:
    return -(y * p.log() + (1 - y) * (1 - p).log()).sum()


def _without_minus(p: Tensor, y: Tensor) -> Tensor:
    return (y * p.log() + (1 - y) * (1 - p).log()).sum()


def _minus_on_the_first_term(p: Tensor, y: Tensor) -> Tensor:
    return (-y * p.log() + (1 - y) * (1 - p).log()).sum()


def _of_ones_alone(p: Tensor, y: Tensor) -> Tensor:
    return -(y * p.log()).sum()


def _mean_cross_entropy(p: Tensor, y: Tensor) -> Tensor:
    return -(y * p.log() + (1 - y) * (1 - p).log()).mean()


def _not_summed(p: Tensor, y: Tensor) -> Tensor:
    return -(y * p.log() + (1 - y) * (1 - p).log())


_CROSS_ENTROPY = Exercise(
    number="3.4",
    right=_cross_entropy,
    inputs=_predictions,
    mistakes=(
        Mistake(
            name="no_minus",
            answer=_without_minus,
            hint=Hint(
                es="Da un número negativo, y al descender seguiría hasta −∞. El logaritmo "
                "de una probabilidad es negativo: ¿qué falta?",
                en="It gives a negative number, and descent would go on to −∞. The "
                "logarithm of a probability is negative: what is missing?",
            ),
        ),
        Mistake(
            name="minus_on_one_term",
            answer=_minus_on_the_first_term,
            hint=Hint(
                es="El signo menos solo alcanza al primer término: las muestras de clase 0 "
                "restan. ¿Dónde faltan paréntesis?",
                en="The minus sign reaches the first term only: the samples of class 0 "
                "lower the loss. Where are parentheses missing?",
            ),
        ),
        Mistake(
            name="one_term",
            answer=_of_ones_alone,
            hint=Hint(
                es="Solo cuentan las muestras de clase 1. ¿Qué pasa con una de clase 0 a la que el "
                "modelo da probabilidad 0.9?",
                en="Only the samples of class 1 count. What about one of class 0 to which the "
                "model gives probability 0.9?",
            ),
        ),
        Mistake(
            name="mean",
            answer=_mean_cross_entropy,
            hint=Hint(
                es="Eso es el promedio sobre las muestras; se pide la suma.",
                en="That is the mean over the samples; the sum is asked for.",
            ),
        ),
        Mistake(
            name="not_summed",
            answer=_not_summed,
            hint=Hint(
                es="Tienes el costo de cada muestra por separado. Para poder llamar a "
                "`backward()` hace falta un solo número.",
                en="You have the loss of each sample by itself. To call `backward()` one single "
                "number is needed.",
            ),
        ),
    ),
)

# --- 3.5: the loss from logits -----------------------------------------------------------------


def _logits(source: Generator) -> tuple[Any, ...]:
    """Far from 0 on both sides, with right and wrong labels at both ends."""
    import torch

    rows = _size(source, 8)
    u = 5 * torch.randn(rows, 1, generator=source)
    y = torch.randint(2, (rows, 1), generator=source).float()
    u[:4] = torch.tensor([[60.0], [-60.0], [60.0], [-60.0]])
    y[:4] = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
    return u, y


def _stable(u: Tensor, y: Tensor) -> Tensor:
    from torch.nn import functional

    return functional.binary_cross_entropy_with_logits(u, y, reduction="sum")


def _log_of_sigmoid(u: Tensor, y: Tensor) -> Tensor:
    return _cross_entropy(u.sigmoid(), y)


def _from_probabilities(u: Tensor, y: Tensor) -> Tensor:
    from torch.nn import functional

    return functional.binary_cross_entropy(u.sigmoid(), y, reduction="sum")


def _clamped(u: Tensor, y: Tensor) -> Tensor:
    return _cross_entropy(u.sigmoid().clamp(1e-7, 1 - 1e-7), y)


def _stable_mean(u: Tensor, y: Tensor) -> Tensor:
    return _stable(u, y) / len(u)


def _sigmoid_twice(u: Tensor, y: Tensor) -> Tensor:
    return _stable(u.sigmoid(), y)


_STABLE = Exercise(
    number="3.5",
    right=_stable,
    inputs=_logits,
    gradient=True,
    mistakes=(
        Mistake(
            name="log_of_sigmoid",
            answer=_log_of_sigmoid,
            hint=Hint(
                es="Con u = 60 da inf o nan: la sigmoide se redondea a 1, y tomas el logaritmo "
                "de 1 - 1. No pases por la probabilidad: parte de `u`.",
                en="With u = 60 it gives inf or nan: the sigmoid is rounded to 1, and you take the "
                "logarithm of 1 - 1. Do not go through the probability: start from `u`.",
            ),
        ),
        Mistake(
            name="from_probabilities",
            answer=_from_probabilities,
            hint=Hint(
                es="Es finito, pero no es correcto: una muestra mal clasificada con u = 60 "
                "cuesta 60, y aquí cuesta 100, porque `binary_cross_entropy` recorta el logaritmo "
                "de 0. Además, su gradiente es cero: no se aprende de ella.",
                en="It is finite, but not right: a misclassified sample with u = 60 costs 60, "
                "and here it costs 100, since `binary_cross_entropy` clips the logarithm of 0. "
                "And its gradient is zero: nothing is learned from it.",
            ),
        ),
        Mistake(
            name="clamped",
            answer=_clamped,
            hint=Hint(
                es="Recortar la probabilidad evita el infinito, pero cambia el costo: con u = 60 "
                "y etiqueta 0 debe ser 60, y así no llega a 17. Además, donde se recorta, el "
                "gradiente es cero. Parte de `u`.",
                en="Clamping the probability avoids the infinity but changes the loss: with u = 60 "
                "and label 0 it has to be 60, and like this it stays below 17. And where it is "
                "clamped the gradient is zero. Start from `u`.",
            ),
        ),
        Mistake(
            name="mean",
            answer=_stable_mean,
            hint=Hint(
                es="Es estable, pero es el promedio de las muestras, que PyTorch calcula si no se "
                "le dice otra cosa. Se pide la suma: mira el argumento `reduction`.",
                en="It is stable, but it is the mean over the samples, which PyTorch computes "
                "unless told otherwise. The sum is asked for: look at the argument `reduction`.",
            ),
        ),
        Mistake(
            name="sigmoid_twice",
            answer=_sigmoid_twice,
            hint=Hint(
                es="Aplicaste la sigmoide dos veces: la función que recibe logits ya la lleva "
                "adentro.",
                en="You applied the sigmoid twice: the function that takes logits has it inside "
                "already.",
            ),
        ),
    ),
)

EXERCISES = (_SQUARES, _ACCUMULATED, _LABELS, _CROSS_ENTROPY, _STABLE)
