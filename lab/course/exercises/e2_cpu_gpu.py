"""Exercises of notebook 2, CPU and GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab.course.exercise import Exercise, Hint, Mistake

if TYPE_CHECKING:
    from torch import Generator


def _sizes(source: Generator) -> tuple[Any, ...]:
    """Three sizes, no two of them the same, as a mistake could not be told from none then."""
    import torch

    n, m, p = (int(x) for x in torch.randperm(90, generator=source)[:3] + 10)
    return n, m, p


def _uniform(least: float, most: float, source: Generator) -> float:
    import torch

    return least + (most - least) * float(torch.rand((), generator=source))


# 2.1: floating-point operations of a product (n, m) @ (m, p).


def _flop(n: int, m: int, p: int) -> int:
    return 2 * n * m * p


def _flop_products_only(n: int, m: int, p: int) -> int:
    return n * m * p


def _flop_result_only(n: int, m: int, p: int) -> int:
    return 2 * n * p


def _flop_square(n: int, m: int, p: int) -> int:
    return 2 * n**3


# 2.2: bytes that it moves.


def _bytes(n: int, m: int, p: int) -> int:
    return 4 * (n * m + m * p + n * p)


def _bytes_numbers(n: int, m: int, p: int) -> int:
    return n * m + m * p + n * p


def _bytes_read_only(n: int, m: int, p: int) -> int:
    return 4 * (n * m + m * p)


def _bytes_double(n: int, m: int, p: int) -> int:
    return 8 * (n * m + m * p + n * p)


def _bytes_each_use(n: int, m: int, p: int) -> int:
    return 4 * (2 * n * m * p + n * p)


# 2.3: arithmetic intensity of a x + y.


def _item(source: Generator) -> tuple[Any, ...]:
    import torch

    return (int(2 ** torch.randint(1, 4, (), generator=source)),)


def _intensity(item_bytes: int) -> float:
    return 2 / (3 * item_bytes)


def _intensity_one_operation(item_bytes: int) -> float:
    return 1 / (3 * item_bytes)


def _intensity_not_written(item_bytes: int) -> float:
    return 2 / (2 * item_bytes)


def _intensity_inverse(item_bytes: int) -> float:
    return 3 * item_bytes / 2


def _intensity_per_number(item_bytes: int) -> float:
    return 2 / 3


# 2.4: the roofline.


def _roof(source: Generator) -> tuple[Any, ...]:
    """Left and right of the ridge in turn, by the trial's seed, so that both parts count."""
    flop_per_s = 1e12 * _uniform(0.1, 50, source)
    bytes_per_s = 1e9 * _uniform(20, 3000, source)
    right = source.initial_seed() % 2
    share = _uniform(2, 20, source) if right else _uniform(0.05, 0.5, source)
    return share * flop_per_s / bytes_per_s, flop_per_s, bytes_per_s


def _roofline(intensity: float, peak_flop_per_s: float, peak_bytes_per_s: float) -> float:
    return min(intensity * peak_bytes_per_s, peak_flop_per_s)


def _roofline_largest(intensity: float, peak_flop_per_s: float, peak_bytes_per_s: float) -> float:
    return max(intensity * peak_bytes_per_s, peak_flop_per_s)


def _roofline_divided(intensity: float, peak_flop_per_s: float, peak_bytes_per_s: float) -> float:
    return min(peak_bytes_per_s / intensity, peak_flop_per_s)


def _roofline_no_ridge(intensity: float, peak_flop_per_s: float, peak_bytes_per_s: float) -> float:
    return intensity * peak_bytes_per_s


# 2.5: what a GPU gains, with the transfer.


def _times(source: Generator) -> tuple[Any, ...]:
    return _uniform(1, 3, source), _uniform(0.01, 0.1, source), _uniform(0.2, 2, source)


def _speedup(cpu_s: float, gpu_s: float, transfer_s: float) -> float:
    return cpu_s / (gpu_s + transfer_s)


def _speedup_no_transfer(cpu_s: float, gpu_s: float, transfer_s: float) -> float:
    return cpu_s / gpu_s


def _speedup_inverse(cpu_s: float, gpu_s: float, transfer_s: float) -> float:
    return (gpu_s + transfer_s) / cpu_s


def _speedup_difference(cpu_s: float, gpu_s: float, transfer_s: float) -> float:
    return cpu_s - (gpu_s + transfer_s)


def _speedup_precedence(cpu_s: float, gpu_s: float, transfer_s: float) -> float:
    return cpu_s / gpu_s + transfer_s


EXERCISES = (
    Exercise(
        number="2.1",
        right=_flop,
        inputs=_sizes,
        mistakes=(
            Mistake(
                name="products_only",
                answer=_flop_products_only,
                hint=Hint(
                    es="Contaste las multiplicaciones. Para llegar a cada número del resultado,"
                    " esos productos también se suman.",
                    en="You counted the multiplications. To arrive at each number of the result,"
                    " those products are added up as well.",
                ),
            ),
            Mistake(
                name="result_only",
                answer=_flop_result_only,
                hint=Hint(
                    es="Contaste dos operaciones por cada número del resultado. ¿Cuántos productos"
                    " tiene la suma que da uno de esos números?",
                    en="You counted two operations for each number of the result. How many products"
                    " are in the sum that gives one of those numbers?",
                ),
            ),
            Mistake(
                name="square",
                answer=_flop_square,
                hint=Hint(
                    es="Eso vale para matrices cuadradas de tamaño n. Aquí hay tres tamaños,"
                    " y los tres cuentan.",
                    en="That holds for square matrices of size n. Here there are three sizes,"
                    " and all three count.",
                ),
            ),
        ),
    ),
    Exercise(
        number="2.2",
        right=_bytes,
        inputs=_sizes,
        mistakes=(
            Mistake(
                name="numbers",
                answer=_bytes_numbers,
                hint=Hint(
                    es="Contaste números, no bytes. ¿Cuántos bytes ocupa un float32?",
                    en="You counted numbers, not bytes. How many bytes does a float32 take?",
                ),
            ),
            Mistake(
                name="read_only",
                answer=_bytes_read_only,
                hint=Hint(
                    es="Contaste las dos matrices que se leen. El resultado también pasa por la"
                    " memoria.",
                    en="You counted the two matrices that are read. The result goes through"
                    " memory as well.",
                ),
            ),
            Mistake(
                name="double",
                answer=_bytes_double,
                hint=Hint(
                    es="Contaste 8 bytes por número: así son los float64. ¿Cuántos bits tiene un"
                    " float32?",
                    en="You counted 8 bytes for each number: those are float64. How many bits does"
                    " a float32 have?",
                ),
            ),
            Mistake(
                name="each_use",
                answer=_bytes_each_use,
                hint=Hint(
                    es="Contaste una lectura por cada operación. Aquí se cuenta el mínimo: cada"
                    " número de una matriz se lee o se escribe una sola vez.",
                    en="You counted a read for each operation. Here the minimum is counted: each"
                    " number of a matrix is read or written just once.",
                ),
            ),
        ),
    ),
    Exercise(
        number="2.3",
        right=_intensity,
        inputs=_item,
        mistakes=(
            Mistake(
                name="one_operation",
                answer=_intensity_one_operation,
                hint=Hint(
                    es="Contaste una operación por componente, como en `x + y`. Aquí además se"
                    " multiplica por a.",
                    en="You counted one operation for each component, as in `x + y`. Here there is"
                    " a multiplication by a as well.",
                ),
            ),
            Mistake(
                name="not_written",
                answer=_intensity_not_written,
                hint=Hint(
                    es="Contaste lo que se lee, `x` e `y`. El resultado hay que escribirlo.",
                    en="You counted what is read, `x` and `y`. The result has to be written.",
                ),
            ),
            Mistake(
                name="inverse",
                answer=_intensity_inverse,
                hint=Hint(
                    es="Son bytes por operación. La intensidad es al revés: operaciones por byte.",
                    en="These are bytes per operation. Intensity is the other way round:"
                    " operations per byte.",
                ),
            ),
            Mistake(
                name="per_number",
                answer=_intensity_per_number,
                hint=Hint(
                    es="Son operaciones por número que se mueve. Falta pasar de números a bytes.",
                    en="These are operations for each number that is moved. Numbers still have to"
                    " become bytes.",
                ),
            ),
        ),
    ),
    Exercise(
        number="2.4",
        right=_roofline,
        inputs=_roof,
        mistakes=(
            Mistake(
                name="largest",
                answer=_roofline_largest,
                hint=Hint(
                    es="Tomaste el mayor de los dos límites. Una operación no puede superar ninguno"
                    " de los dos: ¿cuál la frena?",
                    en="You took the larger of the two limits. An operation can exceed neither of"
                    " them: which one holds it back?",
                ),
            ),
            Mistake(
                name="divided",
                answer=_roofline_divided,
                hint=Hint(
                    es="Dividiste por la intensidad, así que el techo baja cuando ella sube. Mira"
                    " las unidades: ¿byte/s multiplicado por qué da FLOP/s?",
                    en="You divided by the intensity, so the roof falls as it grows. Look at the"
                    " units: byte/s times what gives FLOP/s?",
                ),
            ),
            Mistake(
                name="no_ridge",
                answer=_roofline_no_ridge,
                hint=Hint(
                    es="La recta de la memoria crece sin fin. A la derecha del codo el techo es"
                    " otro.",
                    en="The line of the memory grows without end. To the right of the ridge"
                    " there is another roof.",
                ),
            ),
        ),
    ),
    Exercise(
        number="2.5",
        right=_speedup,
        inputs=_times,
        mistakes=(
            Mistake(
                name="no_transfer",
                answer=_speedup_no_transfer,
                hint=Hint(
                    es="Comparaste solo las cuentas. Para usar la GPU, los datos primero tienen"
                    " que llegar a ella.",
                    en="You compared the computations alone. To use the GPU, the data have to get"
                    " there first.",
                ),
            ),
            Mistake(
                name="inverse",
                answer=_speedup_inverse,
                hint=Hint(
                    es="Es el cociente inverso: tu resultado es menor cuanto más rápida es la GPU.",
                    en="This is the inverse ratio: the faster the GPU, the smaller your result.",
                ),
            ),
            Mistake(
                name="difference",
                answer=_speedup_difference,
                hint=Hint(
                    es="Son los segundos que se ahorran. Se pide cuántas veces más rápido es.",
                    en="These are the seconds saved. What is asked for is how many"
                    " times as fast it is.",
                ),
            ),
            Mistake(
                name="precedence",
                answer=_speedup_precedence,
                hint=Hint(
                    es="La división se hace antes que la suma, y sumaste segundos a un cociente."
                    " ¿Dónde hacen falta paréntesis?",
                    en="The division comes before the sum, so you added seconds to a ratio. Where"
                    " are parentheses needed?",
                ),
            ),
        ),
    ),
)
