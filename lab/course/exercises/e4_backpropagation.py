"""Exercises of notebook 4, backpropagation by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lab.course.exercise import Exercise, Hint, Mistake

if TYPE_CHECKING:
    from torch import Generator, Tensor

# Source, target, local derivative.
Edges = Sequence[tuple[int, int, float]]


def _size(source: Generator, least: int) -> int:
    import torch

    return least + int(torch.randint(4, (), generator=source))


# --- 4.1: backward through the sigmoid ---------------------------------------------------------


def _arriving(source: Generator) -> tuple[Any, ...]:
    import torch

    count = _size(source, 4)
    return 2 * torch.randn(count, generator=source), torch.randn(count, generator=source)


def _sigmoid_backward(u: Tensor, gradient: Tensor) -> Tensor:
    return gradient * u.sigmoid() * (1 - u.sigmoid())


def _local_alone(u: Tensor, gradient: Tensor) -> Tensor:
    return u.sigmoid() * (1 - u.sigmoid())


def _value_for_derivative(u: Tensor, gradient: Tensor) -> Tensor:
    return gradient * u.sigmoid()


def _by_the_input(u: Tensor, gradient: Tensor) -> Tensor:
    return gradient * u * (1 - u)


def _falling(u: Tensor, gradient: Tensor) -> Tensor:
    return -gradient * u.sigmoid() * (1 - u.sigmoid())


def _of_the_log(u: Tensor, gradient: Tensor) -> Tensor:
    return gradient * (1 - u.sigmoid())


_SIGMOID = Exercise(
    number="4.1",
    right=_sigmoid_backward,
    inputs=_arriving,
    mistakes=(
        Mistake(
            name="local_alone",
            answer=_local_alone,
            hint=Hint(
                es="Esa es la derivada local, y está bien. ¿Qué hace el nodo con lo que recibe en "
                "`gradient`?",
                en="That is the local derivative, and it is right. What does the node do with what "
                "it receives in `gradient`?",
            ),
        ),
        Mistake(
            name="value_for_derivative",
            answer=_value_for_derivative,
            hint=Hint(
                es="Multiplicaste por el valor σ(u), no por su derivada. Donde la sigmoide "
                "vale casi 1 es plana: ¿cuánto debe pasar ahí?",
                en="You multiplied by the value σ(u), not by its derivative. Where the "
                "sigmoid is nearly 1 it is flat: how much should pass there?",
            ),
        ),
        Mistake(
            name="by_the_input",
            answer=_by_the_input,
            hint=Hint(
                es="La expresión tiene la estructura correcta, pero está en términos de la entrada "
                "`u`. ¿En términos de qué valor del nodo se escribía la derivada?",
                en="The expression has the right structure, but it is in terms of the input `u`. "
                "In terms of which of the node's values was the derivative to be written?",
            ),
        ),
        Mistake(
            name="falling",
            answer=_falling,
            hint=Hint(
                es="Está bien salvo el signo. La sigmoide crece: su derivada es positiva. Al "
                "derivar e^(-u) sale un signo menos; ¿y al derivar el exponente −1 de afuera?",
                en="All is right but the sign. The sigmoid rises: its derivative is positive. "
                "Differentiating e^(-u) gives a minus sign; what does the outer power −1 give?",
            ),
        ),
        Mistake(
            name="of_the_log",
            answer=_of_the_log,
            hint=Hint(
                es="Esa es la derivada de log σ(u). El logaritmo es otro nodo, y su "
                "factor ya viene en `gradient`.",
                en="That is the derivative of log σ(u). The logarithm is another node, "
                "and its factor comes in `gradient` already.",
            ),
        ),
    ),
)

# --- 4.2 and 4.3: the gradient by the weights and by the bias ----------------------------------


def _classified(source: Generator) -> tuple[Any, ...]:
    import torch

    rows, columns = _size(source, 6), _size(source, 2)
    return (
        torch.randn(rows, columns, generator=source),
        torch.randint(2, (rows, 1), generator=source).float(),
        torch.randn(columns, 1, generator=source),
        torch.randn(1, 1, generator=source),
    )


def _errors(X: Tensor, y: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return (X @ w + b).sigmoid() - y


def _by_weights(X: Tensor, y: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return X.T @ _errors(X, y, w, b)


def _by_weights_turned(X: Tensor, y: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return -_by_weights(X, y, w, b)


def _by_weights_averaged(X: Tensor, y: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return _by_weights(X, y, w, b) / len(X)


def _by_weights_of_each_sample(X: Tensor, y: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return X * _errors(X, y, w, b)


def _by_weights_without_sigmoid(X: Tensor, y: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return X.T @ (X @ w + b - y)


def _by_weights_with_slope(X: Tensor, y: Tensor, w: Tensor, b: Tensor) -> Tensor:
    p = (X @ w + b).sigmoid()
    return X.T @ ((p - y) * p * (1 - p))


_WEIGHTS = Exercise(
    number="4.2",
    right=_by_weights,
    inputs=_classified,
    mistakes=(
        Mistake(
            name="sign",
            answer=_by_weights_turned,
            hint=Hint(
                es="Apunta al revés: usaste y - σ. ¿Qué signo tiene ∂L/∂u_1 "
                "en una muestra con y = 1?",
                en="It points the other way: you used y - σ. Which sign does ∂L/∂u_1 "
                "have for a sample with y = 1?",
            ),
        ),
        Mistake(
            name="mean",
            answer=_by_weights_averaged,
            hint=Hint(
                es="Está dividido por N: es el gradiente del promedio, y este costo es la suma.",
                en="It is divided by N: that is the gradient of the mean, and this loss is the "
                "sum.",
            ),
        ),
        Mistake(
            name="no_sum",
            answer=_by_weights_of_each_sample,
            hint=Hint(
                es="Tienes el aporte de cada muestra, δ_i x_ij, con forma (N, d). "
                "Falta la suma sobre i: ¿qué producto de matrices la contiene?",
                en="You have the contribution of each sample, δ_i x_ij, of shape (N, d). "
                "The sum over i is missing: which matrix product holds it?",
            ),
        ),
        Mistake(
            name="no_sigmoid",
            answer=_by_weights_without_sigmoid,
            hint=Hint(
                es="Ese es el residuo de mínimos cuadrados, u_1 - y. Aquí la salida del modelo "
                "es una probabilidad: ¿qué función falta?",
                en="That is the residual of least squares, u_1 - y. Here the output of the model "
                "is a probability: which function is missing?",
            ),
        ),
        Mistake(
            name="slope_left",
            answer=_by_weights_with_slope,
            hint=Hint(
                es="Quedó un factor u_2 (1 - u_2) de más. ¿Con qué se cancelaba al multiplicar "
                "los dos primeros factores?",
                en="A factor u_2 (1 - u_2) is left over. What did it cancel with in the product "
                "of the first two factors?",
            ),
        ),
    ),
)


def _by_bias(X: Tensor, y: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return _errors(X, y, w, b).sum(dim=0, keepdim=True)


def _by_bias_of_each_sample(X: Tensor, y: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return _errors(X, y, w, b)


def _by_bias_averaged(X: Tensor, y: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return _by_bias(X, y, w, b) / len(X)


def _by_bias_as_number(X: Tensor, y: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return _errors(X, y, w, b).sum()


def _by_bias_flat(X: Tensor, y: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return _errors(X, y, w, b).sum(dim=0)


_BIAS = Exercise(
    number="4.3",
    right=_by_bias,
    inputs=_classified,
    mistakes=(
        Mistake(
            name="no_sum",
            answer=_by_bias_of_each_sample,
            hint=Hint(
                es="Devuelves un número por muestra. Todas usan el mismo `b`, que se expandió "
                "hacia adelante: ¿qué se hace hacia atrás con los aportes?",
                en="You return a number for each sample. All of them use the same `b`, which was "
                "broadcast on the way forward: what becomes of the contributions on the way back?",
            ),
        ),
        Mistake(
            name="mean",
            answer=_by_bias_averaged,
            hint=Hint(
                es="Promediaste los errores. Los aportes de los usos de `b` no se promedian.",
                en="You averaged the errors. The contributions of the uses of `b` are not "
                "averaged.",
            ),
        ),
        Mistake(
            name="no_dimension",
            answer=_by_bias_as_number,
            hint=Hint(
                es="El valor está bien, pero es un número sin dimensiones, y `b` tiene forma "
                "(1, 1). ¿Qué argumento de `sum` conserva la dimensión que reduce?",
                en="The value is right, but it is a number without dimensions, and `b` has shape "
                "(1, 1). Which argument of `sum` keeps the dimension that it reduces?",
            ),
        ),
        Mistake(
            name="one_dimension",
            answer=_by_bias_flat,
            hint=Hint(
                es="El valor está bien, pero al sumar desapareció la primera dimensión: quedó "
                "(1,) en lugar de (1, 1).",
                en="The value is right, but the sum took away the first dimension: (1,) is left "
                "in place of (1, 1).",
            ),
        ),
    ),
)

# --- 4.4: the order ----------------------------------------------------------------------------

_ORDER = Exercise(
    number="4.4",
    right=["r", "q", "p", "x"],
    mistakes=(
        Mistake(
            name="forward",
            answer=["x", "p", "q", "r"],
            hint=Hint(
                es="Ese es el orden en que se calculan los valores. El gradiente se conoce primero "
                "en el otro extremo.",
                en="That is the order in which the values are computed. The gradient is known "
                "first at the other end.",
            ),
        ),
        Mistake(
            name="by_distance",
            answer=["r", "x", "q", "p"],
            hint=Hint(
                es="Pusiste `x` en cuanto le llega el primer aporte, el de la suma. ¿Cuántos usos "
                "tiene `x`? Solo con el último está completo su gradiente.",
                en="You put `x` as soon as the first contribution reaches it, the sum's. How many "
                "uses does `x` have? Its gradient is complete only with the last of them.",
            ),
        ),
        Mistake(
            name="one_use_missing",
            answer=["r", "q", "x", "p"],
            hint=Hint(
                es="Con `r` y `q` llegaron dos aportes a `x`. Falta uno: ¿qué otro nodo se calcula "
                "con `x`?",
                en="With `r` and `q` two contributions have reached `x`. One is missing: which "
                "other node is computed from `x`?",
            ),
        ),
        Mistake(
            name="no_leaf",
            answer=["r", "q", "p"],
            hint=Hint(
                es="Son cuatro nodos: `x` también tiene gradiente, y es el que buscamos.",
                en="There are four nodes: `x` has a gradient too, and it is the one we are after.",
            ),
        ),
    ),
)

# --- 4.5: the engine ---------------------------------------------------------------------------


def _graph(source: Generator) -> tuple[Any, ...]:
    """A chain, so that every node counts, and as many arrows across it."""
    import torch

    n = _size(source, 5)
    pairs = [(i, i + 1) for i in range(n - 1)]
    for _ in range(n):
        first = int(torch.randint(n - 1, (), generator=source))
        second = int(torch.randint(first + 1, n, (), generator=source))
        pairs.append((first, second))
    pairs.sort(key=lambda pair: pair[1])
    local = (1 + torch.rand(len(pairs), generator=source)).tolist()
    edges = [(*pair, value) for pair, value in zip(pairs, local, strict=True)]
    return n, edges


def _gradients(n: int, edges: Edges) -> Tensor:
    import torch

    found = torch.zeros(n)
    found[n - 1] = 1
    for source, target, local in reversed(edges):
        found[source] += local * found[target]
    return found


def _overwritten(n: int, edges: Edges) -> Tensor:
    import torch

    found = torch.zeros(n)
    found[n - 1] = 1
    for source, target, local in reversed(edges):
        found[source] = local * found[target]
    return found


def _without_a_beginning(n: int, edges: Edges) -> Tensor:
    import torch

    return torch.zeros(n)


def _in_forward_order(n: int, edges: Edges) -> Tensor:
    import torch

    found = torch.zeros(n)
    found[n - 1] = 1
    for source, target, local in edges:
        found[source] += local * found[target]
    return found


def _without_local(n: int, edges: Edges) -> Tensor:
    import torch

    found = torch.zeros(n)
    found[n - 1] = 1
    for source, target, _ in reversed(edges):
        found[source] += found[target]
    return found


def _local_derivatives_alone(n: int, edges: Edges) -> Tensor:
    import torch

    found = torch.zeros(n)
    found[n - 1] = 1
    for source, _, local in reversed(edges):
        found[source] += local
    return found


_ENGINE = Exercise(
    number="4.5",
    right=_gradients,
    inputs=_graph,
    mistakes=(
        Mistake(
            name="overwritten",
            answer=_overwritten,
            hint=Hint(
                es="Donde un nodo se usa varias veces queda el aporte de un solo uso. ¿Reemplazas "
                "el gradiente, o le sumas?",
                en="Where a node is used several times the contribution of only one use is left. "
                "Do you replace the gradient, or add to it?",
            ),
        ),
        Mistake(
            name="no_beginning",
            answer=_without_a_beginning,
            hint=Hint(
                es="Todo da cero: nada empezó a propagarse. ¿Cuánto vale la derivada del resultado "
                "con respecto a sí mismo?",
                en="Everything is zero: nothing began to spread. What is the derivative of the "
                "result with respect to itself?",
            ),
        ),
        Mistake(
            name="forward_order",
            answer=_in_forward_order,
            hint=Hint(
                es="Solo los nodos que llegan directo al resultado tienen gradiente. Recorres las "
                "flechas de la entrada a la salida: cuando un nodo reparte, todavía no recibió.",
                en="Only the nodes that lead straight to the result have a gradient. You go "
                "through the arrows from input to output: when a node hands out, it has not yet "
                "received.",
            ),
        ),
        Mistake(
            name="no_local",
            answer=_without_local,
            hint=Hint(
                es="Cuentas los caminos hasta el resultado, sin las derivadas locales. ¿Qué dice "
                "la regla de la cadena que se multiplica?",
                en="You count the paths to the result, without the local derivatives. What does "
                "the chain rule say is multiplied?",
            ),
        ),
        Mistake(
            name="no_chain",
            answer=_local_derivatives_alone,
            hint=Hint(
                es="Sumas las derivadas locales, pero no las multiplicas por lo que llega desde el "
                "resultado: el gradiente de `target`.",
                en="You add up the local derivatives but do not multiply them by what arrives from "
                "the result: the gradient of `target`.",
            ),
        ),
    ),
)

EXERCISES = (_SIGMOID, _WEIGHTS, _BIAS, _ORDER, _ENGINE)
