"""Exercises of notebook 6, a torch.autograd.Function of one's own."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from lab.course.exercise import Exercise, Hint, Mistake

if TYPE_CHECKING:
    from torch import Generator, Tensor

Formula = Callable[..., Any]


def _operation(forward: Formula, backward: Formula) -> Callable[..., Any]:
    """What a student's class does, as a function: its Function is made when first called.

    Args:
        forward: takes the arguments; returns one tensor.
        backward: takes grad_output and the arguments; returns their gradients.
    """

    @cache
    def made() -> Any:
        import torch

        class Operation(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *inputs: Any) -> Any:
                ctx.save_for_backward(*(x for x in inputs if isinstance(x, torch.Tensor)))
                ctx.numbers = [x for x in inputs if not isinstance(x, torch.Tensor)]
                return forward(*inputs)

            @staticmethod
            def backward(ctx: Any, grad_output: Any) -> Any:
                return backward(grad_output, *ctx.saved_tensors, *ctx.numbers)

        return Operation

    return lambda *inputs: made().apply(*inputs)


def _between(low: int, high: int, source: Generator) -> int:
    """A whole number from `low` to `high`."""
    import torch

    return low + int(torch.randint(high - low + 1, (), generator=source))


# 6.1: the logarithm of the sigmoid.


def _far_and_near(source: Generator) -> tuple[Any, ...]:
    import torch

    x = 4 * torch.randn(_between(2, 4, source), 2, generator=source)
    x[0, 0], x[1, 1] = -150.0, 150.0
    return (x,)


def _log_sigmoid(x: Tensor) -> Tensor:
    import torch

    return x.clamp(max=0) - torch.log1p(torch.exp(-x.abs()))


def _log_of_sigmoid(x: Tensor) -> Tensor:
    import torch

    return torch.log(torch.sigmoid(x))


def _softplus(x: Tensor) -> Tensor:
    return -_log_sigmoid(-x)


def _slope(grad: Tensor, x: Tensor) -> Tensor:
    import torch

    return grad * torch.sigmoid(-x)


def _opposite_slope(grad: Tensor, x: Tensor) -> Tensor:
    return -_slope(grad, x)


def _slope_alone(grad: Tensor, x: Tensor) -> Tensor:
    import torch

    return torch.sigmoid(-x)


def _slope_of_softplus(grad: Tensor, x: Tensor) -> Tensor:
    import torch

    return grad * torch.sigmoid(x)


def _nothing_yet(grad: Tensor, x: Tensor) -> Any:
    return ...


_LOG_SIGMOID = Exercise(
    number="6.1",
    right=_operation(_log_sigmoid, _slope),
    inputs=_far_and_near,
    gradient=True,
    mistakes=(
        Mistake(
            name="overflow",
            answer=_operation(_log_of_sigmoid, _slope),
            hint=Hint(
                es="El valor es -inf donde x es muy negativo: ahí σ(x) ya se redondeó a 0"
                " antes de llegar al logaritmo. Escribe la función de modo que ninguna exponencial"
                " reciba un número grande.",
                en="The value is -inf where x is very negative: there σ(x) has been"
                " rounded to 0 before it reaches the logarithm. Write the function so that no"
                " exponential is given a large number.",
            ),
        ),
        Mistake(
            name="softplus",
            answer=_operation(_softplus, _slope_of_softplus),
            hint=Hint(
                es="Tu función es positiva y crece sin límite: es softplus. El logaritmo de un"
                " número entre 0 y 1, ¿qué signo tiene?",
                en="Your function is positive and grows without limit: it is softplus. What sign"
                " does the logarithm of a number between 0 and 1 have?",
            ),
        ),
        Mistake(
            name="wrong_sign",
            answer=_operation(_log_sigmoid, _opposite_slope),
            hint=Hint(
                es="El valor está bien y la pendiente tiene el signo cambiado. El logaritmo de la"
                " sigmoide crece con x: cuenta los signos menos al derivar por dentro.",
                en="The value is right and the slope has the opposite sign. The logarithm of the"
                " sigmoid grows with x: count the minus signs of the inner derivative.",
            ),
        ),
        Mistake(
            name="grad_output_ignored",
            answer=_operation(_log_sigmoid, _slope_alone),
            hint=Hint(
                es="Devolviste la derivada de la función, pero el backward debe dar la derivada del"
                " resultado final. ¿Qué trae `grad_output`?",
                en="You returned the derivative of the function, but the backward has to give that"
                " of the final result. What does `grad_output` bring?",
            ),
        ),
        Mistake(
            name="wrong_shape",
            answer=_operation(_log_sigmoid, _nothing_yet),
            hint=Hint(
                es="El valor está bien; falta la otra mitad. `backward` debe devolver un tensor con"
                " la forma de `x`: ¿ya reemplazaste sus tres puntos?",
                en="The value is right; the other half is missing. `backward` must return a tensor"
                " of the shape of `x`: have you replaced its three points?",
            ),
        ),
        Mistake(
            name="unknown",
            answer=_operation(_log_sigmoid, _slope_of_softplus),
            hint=Hint(
                es="El valor está bien y la fórmula de la derivada no. Piensa en el gráfico: la"
                " pendiente debe ser casi 0 a la derecha, donde la función es plana, y casi 1 a la"
                " izquierda.",
                en="The value is right and the formula of the derivative is not. Think of the"
                " graph: the slope must be nearly 0 on the right, where the function is flat, and"
                " nearly 1 on the left.",
            ),
        ),
    ),
)


# 6.2: how many gradients, and of which shape.

_SHAPES = Exercise(
    number="6.2",
    right=[(32, 4), (4,), (32, 1), None],
    mistakes=(
        Mistake(
            name="shape_of_output",
            answer=[(32, 4), (32, 4), (32, 4), None],
            hint=Hint(
                es="Todas son la forma de la salida. Cada gradiente tiene la forma de su entrada:"
                " lo que se expandió hacia adelante hay que sumarlo.",
                en="All of them are the shape of the output. Each gradient has the shape of its own"
                " input: what was broadcast forward has to be summed.",
            ),
        ),
        Mistake(
            name="no_none",
            answer=[(32, 4), (4,), (32, 1)],
            hint=Hint(
                es="Las tres formas están bien, pero `backward` devuelve una cosa por cada"
                " argumento de `forward`, también por los que no son tensores.",
                en="The three shapes are right, but `backward` returns one thing for each argument"
                " of `forward`, also for those that are not tensors.",
            ),
        ),
        Mistake(
            name="column_flattened",
            answer=[(32, 4), (4,), (32,), None],
            hint=Hint(
                es="El gradiente de la columna perdió una dimensión: (32,) no es (32, 1). Una suma"
                " puede conservar la dimensión que recorre.",
                en="The column's gradient has lost a dimension: (32,) is not (32, 1). A sum can"
                " keep the dimension that it runs over.",
            ),
        ),
        Mistake(
            name="number_as_tensor",
            answer=[(32, 4), (4,), (32, 1), ()],
            hint=Hint(
                es="El último argumento es un número de Python, no un tensor: no tiene gradiente."
                " ¿Qué se devuelve en su lugar?",
                en="The last argument is a Python number, not a tensor: it has no gradient. What is"
                " returned in its place?",
            ),
        ),
    ),
)


# 6.3: a layer of a network.


def _samples_weights_bias(source: Generator) -> tuple[Any, ...]:
    import torch

    rows, width = _between(4, 6, source), 3
    x = torch.randn(rows, width, generator=source)
    # No two sizes are the same, so that a wrong shape shows.
    return x, torch.randn(width, 2, generator=source), torch.randn(2, generator=source)


def _affine(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return x @ w + b


def _affine_gradients(grad: Tensor, x: Tensor, w: Tensor, b: Tensor) -> Any:
    return grad @ w.T, x.T @ grad, grad.sum(dim=0)


def _bias_not_summed(grad: Tensor, x: Tensor, w: Tensor, b: Tensor) -> Any:
    return grad @ w.T, x.T @ grad, grad


def _bias_averaged(grad: Tensor, x: Tensor, w: Tensor, b: Tensor) -> Any:
    return grad @ w.T, x.T @ grad, grad.mean(dim=0)


def _weights_transposed(grad: Tensor, x: Tensor, w: Tensor, b: Tensor) -> Any:
    return grad @ w.T, grad.T @ x, grad.sum(dim=0)


def _no_gradient_of_samples(grad: Tensor, x: Tensor, w: Tensor, b: Tensor) -> Any:
    return None, x.T @ grad, grad.sum(dim=0)


def _gradients_out_of_order(grad: Tensor, x: Tensor, w: Tensor, b: Tensor) -> Any:
    return x.T @ grad, grad @ w.T, grad.sum(dim=0)


_AFFINE = Exercise(
    number="6.3",
    right=_operation(_affine, _affine_gradients),
    inputs=_samples_weights_bias,
    gradient=True,
    mistakes=(
        Mistake(
            name="missing_sum",
            answer=_operation(_affine, _bias_not_summed),
            hint=Hint(
                es="`b` se sumó a cada fila, así que influye en el resultado por todas ellas. ¿Qué"
                " se hace con lo que llega por varios caminos?",
                en="`b` was added to each row, and so acts on the result through all of them. What"
                " is done with what arrives along several paths?",
            ),
        ),
        Mistake(
            name="mean_instead_of_sum",
            answer=_operation(_affine, _bias_averaged),
            hint=Hint(
                es="Lo que llega por varios caminos se suma, no se promedia. Si el costo es una"
                " media, la división ya viene en `grad_output`.",
                en="What arrives along several paths is summed, not averaged. Where the loss is a"
                " mean, the division already comes with `grad_output`.",
            ),
        ),
        Mistake(
            name="transposed",
            answer=_operation(_affine, _weights_transposed),
            hint=Hint(
                es="El gradiente de `w` está transpuesto. Escribe las formas de los dos"
                " factores: solo un orden del producto da la forma de `w`.",
                en="The gradient of `w` is transposed. Write down the shapes of both"
                " factors: only one order of the product gives the shape of `w`.",
            ),
        ),
        Mistake(
            name="none_gradient",
            answer=_operation(_affine, _no_gradient_of_samples),
            hint=Hint(
                es="Para entrenar esta capa sola `x` son datos, pero en medio de una red `x` es la"
                " salida de otra capa, que se queda sin gradiente.",
                en="To train this layer alone, `x` is data; but within a network `x` is the output"
                " of another layer, which is left without a gradient.",
            ),
        ),
        Mistake(
            name="wrong_shape",
            answer=_operation(_affine, _gradients_out_of_order),
            hint=Hint(
                es="Algún gradiente no tiene la forma de su entrada. Se devuelven en el orden de"
                " los argumentos de `forward`, uno por cada uno: compara las formas una por una.",
                en="One of the gradients does not have the shape of its input. They are returned in"
                " the order of the arguments of `forward`, one for each: compare the shapes one by"
                " one.",
            ),
        ),
    ),
)


# 6.4: a function in pieces.


def _residuals_and_threshold(source: Generator) -> tuple[Any, ...]:
    import torch

    threshold = 0.6 + 0.8 * float(torch.rand((), generator=source))
    inside = threshold * (1.8 * torch.rand(4, generator=source) - 0.9)
    outside = threshold * (1.2 + 2 * torch.rand(4, generator=source))
    signs = torch.tensor([1.0, -1.0]).repeat(2)
    return torch.cat([inside, outside * signs]), threshold


def _huber(r: Tensor, delta: float) -> Tensor:
    import torch

    return torch.where(r.abs() <= delta, r * r / 2, delta * (r.abs() - delta / 2))


def _huber_with_a_jump(r: Tensor, delta: float) -> Tensor:
    import torch

    return torch.where(r.abs() <= delta, r * r / 2, delta * r.abs())


def _huber_gradient(grad: Tensor, r: Tensor, delta: float) -> Any:
    return grad * r.clamp(-delta, delta), None


def _gradient_of_the_square(grad: Tensor, r: Tensor, delta: float) -> Any:
    return grad * r, None


def _huber_slope_alone(grad: Tensor, r: Tensor, delta: float) -> Any:
    return r.clamp(-delta, delta), None


def _opposite_huber_gradient(grad: Tensor, r: Tensor, delta: float) -> Any:
    return -grad * r.clamp(-delta, delta), None


def _one_huber_gradient(grad: Tensor, r: Tensor, delta: float) -> Any:
    return grad * r.clamp(-delta, delta)


_HUBER = Exercise(
    number="6.4",
    right=_operation(_huber, _huber_gradient),
    inputs=_residuals_and_threshold,
    gradient=True,
    mistakes=(
        Mistake(
            name="jump",
            answer=_operation(_huber_with_a_jump, _huber_gradient),
            hint=Hint(
                es="Tu función salta en |r| = δ: las dos piezas deben valer lo mismo ahí."
                " Evalúa cada una en ese punto y mira cuánto le sobra a la lineal.",
                en="Your function jumps at |r| = δ: both pieces must have the same value"
                " there. Evaluate each at that point and see by how much the linear one is too"
                " large.",
            ),
        ),
        Mistake(
            name="branch",
            answer=_operation(_huber, _gradient_of_the_square),
            hint=Hint(
                es="Una de las piezas está bien derivada y otra no. Deriva cada una por separado, y"
                " mira la cola izquierda y la derecha: sus pendientes tienen signos distintos.",
                en="One of the pieces is differentiated well and another is not. Differentiate each"
                " by itself, and look at the left tail and the right: their slopes have different"
                " signs.",
            ),
        ),
        Mistake(
            name="grad_output_ignored",
            answer=_operation(_huber, _huber_slope_alone),
            hint=Hint(
                es="La pendiente es correcta, pero es solo el último eslabón de la cadena: falta lo"
                " que viene de lo que se hizo después con la salida.",
                en="The slope is correct, but it is only one link of the chain: what comes from"
                " whatever was done to the output afterwards is missing.",
            ),
        ),
        Mistake(
            name="wrong_sign",
            answer=_operation(_huber, _opposite_huber_gradient),
            hint=Hint(
                es="El signo está cambiado. El costo crece cuando r se aleja del 0: ¿qué signo"
                " tiene la pendiente donde r es positivo?",
                en="The sign is the opposite one. The loss grows as r moves away from 0: what"
                " sign does the slope have where r is positive?",
            ),
        ),
        Mistake(
            name="wrong_shape",
            answer=_operation(_huber, _one_huber_gradient),
            hint=Hint(
                es="`forward` recibe dos argumentos además de `ctx`. ¿Cuántas cosas devuelve tu"
                " `backward`, y qué forma tienen?",
                en="`forward` takes two arguments besides `ctx`. How many things does your"
                " `backward` return, and of which shapes?",
            ),
        ),
    ),
)

EXERCISES = (_LOG_SIGMOID, _SHAPES, _AFFINE, _HUBER)
