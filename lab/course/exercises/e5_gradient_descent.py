"""Exercises of notebook 5, gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab.course.exercise import Exercise, Hint, Mistake

if TYPE_CHECKING:
    from torch import Generator, Tensor


def _between(low: int, high: int, source: Generator) -> int:
    """A whole number from `low` to `high`."""
    import torch

    return low + int(torch.randint(high - low + 1, (), generator=source))


# 5.1: one step of descent.


def _weights_gradient_rate(source: Generator) -> tuple[Any, ...]:
    import torch

    shape = (_between(2, 5, source), 1)
    rate = 0.05 + 0.4 * float(torch.rand((), generator=source))
    return torch.randn(shape, generator=source), torch.randn(shape, generator=source), rate


def _step(w: Tensor, grad: Tensor, lr: float) -> Tensor:
    return w - lr * grad


def _step_upwards(w: Tensor, grad: Tensor, lr: float) -> Tensor:
    return w + lr * grad


def _step_without_rate(w: Tensor, grad: Tensor, lr: float) -> Tensor:
    return w - grad


def _only_the_change(w: Tensor, grad: Tensor, lr: float) -> Tensor:
    return -lr * grad


def _rate_of_both(w: Tensor, grad: Tensor, lr: float) -> Tensor:
    return lr * (w - grad)


_STEP = Exercise(
    number="5.1",
    right=_step,
    inputs=_weights_gradient_rate,
    mistakes=(
        Mistake(
            name="upwards",
            answer=_step_upwards,
            hint=Hint(
                es="Con este paso el costo sube. El gradiente apunta hacia donde la función crece:"
                " ¿hacia qué lado hay que moverse?",
                en="This step makes the loss go up. The gradient points to where the function"
                " grows: which way do we have to move?",
            ),
        ),
        Mistake(
            name="no_rate",
            answer=_step_without_rate,
            hint=Hint(
                es="El paso no depende de `lr`: restaste el gradiente entero. La tasa de"
                " aprendizaje dice cuánto de él se usa.",
                en="The step does not depend on `lr`: you took away the whole gradient. The"
                " learning rate says how much of it is used.",
            ),
        ),
        Mistake(
            name="only_change",
            answer=_only_the_change,
            hint=Hint(
                es="Devolviste el cambio, no los pesos nuevos. ¿Desde dónde se da el paso?",
                en="You returned the change, not the new weights. Where does the step start from?",
            ),
        ),
        Mistake(
            name="rate_of_both",
            answer=_rate_of_both,
            hint=Hint(
                es="`lr` quedó multiplicando también a `w`, de modo que los pesos se encogen aunque"
                " el gradiente sea cero. Revisa los paréntesis.",
                en="`lr` multiplies `w` as well, so that the weights shrink even where the gradient"
                " is zero. Look at the parentheses.",
            ),
        ),
    ),
)


# 5.2: the loop.


def _samples_targets_rate_steps(source: Generator) -> tuple[Any, ...]:
    import torch

    count, width = _between(8, 14, source), _between(2, 4, source)
    x = torch.randn(count, width, generator=source)
    y = x.sum(dim=1, keepdim=True) + torch.randn(count, 1, generator=source)
    rate = 0.05 + 0.1 * float(torch.rand((), generator=source))
    return x, y, rate, _between(3, 6, source)


def _descend(x: Tensor, y: Tensor, lr: float, steps: int) -> Tensor:
    return _run(x, y, lr, steps)


def _descend_accumulating(x: Tensor, y: Tensor, lr: float, steps: int) -> Tensor:
    return _run(x, y, lr, steps, keep=True)


def _ascend(x: Tensor, y: Tensor, lr: float, steps: int) -> Tensor:
    return _run(x, y, -lr, steps)


def _descend_the_sum(x: Tensor, y: Tensor, lr: float, steps: int) -> Tensor:
    return _run(x, y, lr * len(x), steps)


def _descend_the_half(x: Tensor, y: Tensor, lr: float, steps: int) -> Tensor:
    return _run(x, y, lr / 2, steps)


def _descend_once(x: Tensor, y: Tensor, lr: float, steps: int) -> Tensor:
    return _run(x, y, lr, 1)


def _run(x: Tensor, y: Tensor, lr: float, steps: int, *, keep: bool = False) -> Tensor:
    """Descent of the mean squared error from zero; `keep` adds each gradient to those before."""
    import torch

    w = torch.zeros(x.shape[1], 1)
    gradient = torch.zeros_like(w)
    for _ in range(steps):
        new = 2 * x.T @ (x @ w - y) / len(x)
        gradient = gradient + new if keep else new
        w = w - lr * gradient
    return w


_LOOP = Exercise(
    number="5.2",
    right=_descend,
    inputs=_samples_targets_rate_steps,
    tolerance=1e-4,
    mistakes=(
        Mistake(
            name="accumulated",
            answer=_descend_accumulating,
            hint=Hint(
                es="El primer paso está bien y los siguientes no: cada `backward()` suma su"
                " gradiente al que ya estaba en `w.grad`. ¿Qué falta entre un paso y otro?",
                en="The first step is right and the later ones are not: each `backward()` adds its"
                " gradient to what `w.grad` already holds. What is missing between two steps?",
            ),
        ),
        Mistake(
            name="upwards",
            answer=_ascend,
            hint=Hint(
                es="Los pesos se alejan del mínimo: el costo sube en cada paso. Revisa el signo del"
                " paso, y que el costo no lleve un menos adelante.",
                en="The weights move away from the minimum: the loss goes up at each step. Look at"
                " the sign of the step, and that the loss has no minus in front.",
            ),
        ),
        Mistake(
            name="sum",
            answer=_descend_the_sum,
            hint=Hint(
                es="Cada paso es N veces demasiado largo: sumaste los errores de las muestras. Aquí"
                " se pide su media.",
                en="Each step is N times too long: you summed the errors of the samples. What is"
                " asked for here is their mean.",
            ),
        ),
        Mistake(
            name="half",
            answer=_descend_the_half,
            hint=Hint(
                es="Cada paso es la mitad de lo que debe ser. El costo de este ejercicio no lleva"
                " un 1/2; si escribiste el gradiente a mano, ¿qué pone adelante el cuadrado?",
                en="Each step is half of what it must be. The loss of this exercise has no 1/2; if"
                " you wrote the gradient by hand, what does the square put in front of it?",
            ),
        ),
        Mistake(
            name="one_step",
            answer=_descend_once,
            hint=Hint(
                es="Se dio un solo paso. ¿Está el `return` dentro del `for`? Mira su sangría.",
                en="Only one step was taken. Is the `return` inside the `for`? Look at its"
                " indentation.",
            ),
        ),
    ),
)


# 5.3: the largest learning rate of a quadratic.


def _hessian(source: Generator) -> tuple[Any, ...]:
    import torch

    width = _between(2, 5, source)
    x = torch.randn(4 * width, width, generator=source, dtype=torch.float64)
    scales = torch.linspace(0.5, 3.0, width, dtype=torch.float64)
    x = x * scales
    return (x.T @ x / len(x),)


def _curvatures(H: Tensor) -> Tensor:
    import torch

    curvatures: Tensor = torch.linalg.eigvalsh(H)
    return curvatures


def _largest_rate(H: Tensor) -> Tensor:
    return 2 / _curvatures(H).max()


def _rate_of_one_step(H: Tensor) -> Tensor:
    return _largest_rate(H) / 2


def _rate_of_the_smallest(H: Tensor) -> Tensor:
    return 2 / _curvatures(H).min()


def _rate_of_the_largest_entry(H: Tensor) -> Tensor:
    return 2 / H.max()


def _inverse_rate(H: Tensor) -> Tensor:
    return 1 / _largest_rate(H)


_RATE = Exercise(
    number="5.3",
    right=_largest_rate,
    inputs=_hessian,
    mistakes=(
        Mistake(
            name="half",
            answer=_rate_of_one_step,
            hint=Hint(
                es="Con esa tasa la dirección más empinada llega al mínimo en un solo paso, y"
                " todavía se puede pasar de largo sin divergir. ¿Hasta dónde, si |1 − ηλ|"
                " debe quedar por debajo de 1?",
                en="At that rate the steepest direction reaches the minimum in a single step, and"
                " it may still overshoot without diverging. How far, if |1 − ηλ|"
                " must stay below 1?",
            ),
        ),
        Mistake(
            name="smallest",
            answer=_rate_of_the_smallest,
            hint=Hint(
                es="Usaste el menor de los autovalores: esa tasa vale para la dirección más plana."
                " La condición se tiene que cumplir en todas, ¿cuál es la primera que falla?",
                en="You used the smallest eigenvalue: that rate is good for the flattest"
                " direction. The condition has to hold in all of them; which one fails first?",
            ),
        ),
        Mistake(
            name="largest_entry",
            answer=_rate_of_the_largest_entry,
            hint=Hint(
                es="Usaste el mayor elemento de la matriz. La curvatura de una dirección que"
                " combina varias coordenadas puede ser mayor: búscala entre los autovalores.",
                en="You used the largest entry of the matrix. The curvature along a direction that"
                " mixes several coordinates can be larger: look for it among the eigenvalues.",
            ),
        ),
        Mistake(
            name="inverted",
            answer=_inverse_rate,
            hint=Hint(
                es="Tu tasa crece con la curvatura. Cuanto más empinado es el valle, más cortos"
                " deben ser los pasos: está invertida.",
                en="Your rate grows with the curvature. The steeper the valley, the shorter the"
                " steps must be: it is upside down.",
            ),
        ),
    ),
)


# 5.4: standardizing with what the training set says.


def _two_sets(source: Generator) -> tuple[Any, ...]:
    import torch

    width = _between(2, 4, source)
    scales = 1 + 9 * torch.rand(width, generator=source)
    centers = 20 * torch.randn(width, generator=source)
    sets = [torch.randn(n, width, generator=source) for n in (_between(6, 9, source), 4)]
    train, new = (x * scales + centers for x in sets)
    return train, new


def _standardized(train: Tensor, new: Tensor) -> Tensor:
    return (new - train.mean(dim=0)) / train.std(dim=0)


def _standardized_by_itself(train: Tensor, new: Tensor) -> Tensor:
    return (new - new.mean(dim=0)) / new.std(dim=0)


def _standardized_by_one_number(train: Tensor, new: Tensor) -> Tensor:
    return (new - train.mean()) / train.std()


def _divided_by_variance(train: Tensor, new: Tensor) -> Tensor:
    return (new - train.mean(dim=0)) / train.var(dim=0)


def _only_centered(train: Tensor, new: Tensor) -> Tensor:
    return new - train.mean(dim=0)


_STANDARDIZE = Exercise(
    number="5.4",
    right=_standardized,
    inputs=_two_sets,
    tolerance=1e-4,
    mistakes=(
        Mistake(
            name="own_statistics",
            answer=_standardized_by_itself,
            hint=Hint(
                es="Usaste la media y la desviación estándar de `new`. El modelo se entrenó con las"
                " unidades de `train`: el mismo pingüino debe dar los mismos números esté con quien"
                " esté.",
                en="You used the mean and the standard deviation of `new`. The model was trained in"
                " the units of `train`: the same penguin must give the same numbers whoever is"
                " with it.",
            ),
        ),
        Mistake(
            name="one_number",
            answer=_standardized_by_one_number,
            hint=Hint(
                es="Restaste y dividiste por un solo número para todas las columnas, y cada una"
                " tiene sus unidades. ¿Qué dimensión deben recorrer `mean` y `std`?",
                en="You subtracted and divided by a single number for all columns, and each has"
                " units of its own. Which dimension must `mean` and `std` run over?",
            ),
        ),
        Mistake(
            name="variance",
            answer=_divided_by_variance,
            hint=Hint(
                es="Dividiste por la varianza. Comprueba las unidades: milímetros sobre milímetros"
                " al cuadrado no dan un número sin unidades.",
                en="You divided by the variance. Check the units: millimetres over square"
                " millimetres do not give a number without units.",
            ),
        ),
        Mistake(
            name="only_centered",
            answer=_only_centered,
            hint=Hint(
                es="Las columnas quedaron centradas, pero cada una conserva su escala: falta la"
                " segunda mitad.",
                en="The columns are centred, but each keeps its scale: the second half is missing.",
            ),
        ),
    ),
)


# 5.5: accuracy.


def _logits_and_labels(source: Generator) -> tuple[Any, ...]:
    import torch

    count = _between(15, 25, source)
    y = torch.randint(2, (count, 1), generator=source).float()
    logits = 1.5 * torch.randn(count, 1, generator=source) + 1.6 * (y - 0.5)
    return logits, y


def _accuracy(logits: Tensor, y: Tensor) -> Tensor:
    return ((logits > 0) == (y == 1)).float().mean()


def _accuracy_at_one_half(logits: Tensor, y: Tensor) -> Tensor:
    return ((logits > 0.5) == (y == 1)).float().mean()


def _number_of_hits(logits: Tensor, y: Tensor) -> Tensor:
    return ((logits > 0) == (y == 1)).sum()


def _share_of_errors(logits: Tensor, y: Tensor) -> Tensor:
    return 1 - _accuracy(logits, y)


def _accuracy_of_all_pairs(logits: Tensor, y: Tensor) -> Tensor:
    return ((logits > 0) == (y == 1).flatten()).float().mean()


def _share_of_predicted_ones(logits: Tensor, y: Tensor) -> Tensor:
    return (logits > 0).float().mean()


_ACCURACY = Exercise(
    number="5.5",
    right=_accuracy,
    inputs=_logits_and_labels,
    mistakes=(
        Mistake(
            name="one_half",
            answer=_accuracy_at_one_half,
            hint=Hint(
                es="Comparaste los logits con 1/2, que es el umbral de la probabilidad. ¿Para qué"
                " valor de u es σ(u) = 1/2?",
                en="You compared the logits with 1/2, which is the threshold of the probability."
                " For which u is σ(u) = 1/2?",
            ),
        ),
        Mistake(
            name="count",
            answer=_number_of_hits,
            hint=Hint(
                es="Es la cantidad de aciertos. La exactitud es una fracción entre 0 y 1: ¿de"
                " cuántas muestras?",
                en="That is the number of hits. Accuracy is a share between 0 and 1: of how many"
                " samples?",
            ),
        ),
        Mistake(
            name="errors",
            answer=_share_of_errors,
            hint=Hint(
                es="Es la fracción de errores, el complemento de lo que se pide. ¿Comparaste con"
                " `!=`, o predijiste la clase 1 donde el logit es negativo?",
                en="That is the share of errors, the complement of what is asked for. Did you"
                " compare with `!=`, or predict class 1 where the logit is negative?",
            ),
        ),
        Mistake(
            name="all_pairs",
            answer=_accuracy_of_all_pairs,
            hint=Hint(
                es="Comparaste cada predicción con las etiquetas de todas las muestras: una columna"
                " (N, 1) contra un vector (N,) se expande a (N, N). Mira las formas.",
                en="You compared each prediction with the labels of all samples: a column (N, 1)"
                " against a vector (N,) broadcasts to (N, N). Look at the shapes.",
            ),
        ),
        Mistake(
            name="predicted_ones",
            answer=_share_of_predicted_ones,
            hint=Hint(
                es="Es la fracción de muestras que el modelo asigna a la clase 1: las etiquetas `y`"
                " no intervienen.",
                en="That is the share of samples that the model puts into class 1: the labels `y`"
                " play no part in it.",
            ),
        ),
    ),
)

EXERCISES = (_STEP, _LOOP, _RATE, _STANDARDIZE, _ACCURACY)
