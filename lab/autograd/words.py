"""What a student reads, in Spanish and in English: refusals, findings, the report."""

from __future__ import annotations

from typing import Any

from lab.errors import LabError

# What happened, why, what to do next.
_REFUSALS: dict[str, dict[str, tuple[str, str, str]]] = {
    "returned_none": {
        "en": ("The function returns None.", "it has no `return`{printed}", "end it with `return result`"),
        "es": ("La función devuelve None.", "no tiene `return`{printed}", "termínala con `return resultado`"),
    },
    "returned_no_tensor": {
        "en": ("The function returns no tensor.", "it returns {kind}, which autograd cannot see through",
               "return the tensor itself, without .item(), .tolist() or .numpy()"),
        "es": ("La función no devuelve ningún tensor.", "devuelve {kind}, que autograd no puede seguir",
               "devuelve el tensor mismo, sin .item(), .tolist() ni .numpy()"),
    },
    "returned_integers": {
        "en": ("The function returns whole numbers alone.", "its result has dtype {dtype}, which has no derivative",
               "return a floating tensor"),
        "es": ("La función devuelve sólo números enteros.", "su resultado tiene dtype {dtype}, que no tiene derivada",
               "devuelve un tensor de punto flotante"),
    },
    "returned_empty": {
        "en": ("The function returns an empty tensor.", "there is nothing to differentiate", "pass inputs that give it entries"),
        "es": ("La función devuelve un tensor vacío.", "no hay nada que derivar", "pasa entradas con las que tenga elementos"),
    },
    "returned_sparse": {
        "en": ("The function returns a sparse tensor.", "its entries come and go", "return it dense: .to_dense()"),
        "es": ("La función devuelve un tensor ralo.", "sus elementos aparecen y desaparecen", "devuélvelo denso: .to_dense()"),
    },
    "memory": {
        "en": ("The function needs more memory than there is.", "{words}", "check it with smaller inputs"),
        "es": ("La función necesita más memoria de la que hay.", "{words}", "pruébala con entradas más chicas"),
    },
    "raised": {
        "en": ("The function raised {kind}.", "{words}{where}", "call it once by itself with these inputs, and mend that first"),
        "es": ("La función terminó con {kind}.", "{words}{where}", "llámala una vez sola con estas entradas, y arregla eso primero"),
    },
    "not_callable": {
        "en": ("There is nothing to call.", "it is of type {kind}",
               "pass a function, a module, an autograd.Function, or a pair (function, gradient)"),
        "es": ("No hay nada que llamar.", "es de tipo {kind}",
               "pasa una función, un módulo, una autograd.Function o un par (función, gradiente)"),
    },
    "no_pair": {
        "en": ("This is no pair of a function and its gradient.", "a pair has two functions", "pass (function, gradient)"),
        "es": ("Esto no es un par de función y gradiente.", "un par tiene dos funciones", "pasa (función, gradiente)"),
    },
    "not_static": {
        "en": ("{name} is no static method.", "since torch 1.5 an autograd.Function is called by its class",
               "put @staticmethod above it, and pass the class or its `apply`"),
        "es": ("{name} no es un método estático.", "desde torch 1.5 una autograd.Function se llama por su clase",
               "pon @staticmethod encima, y pasa la clase o su `apply`"),
    },
    "no_tensor": {
        "en": ("No input is a tensor.", "only tensors have gradients", "pass one, such as torch.randn(3, dtype=torch.float64)"),
        "es": ("Ninguna entrada es un tensor.", "sólo los tensores tienen gradiente",
               "pasa uno, como torch.randn(3, dtype=torch.float64)"),
    },
    "integers": {
        "en": ("No input can be differentiated.", "the tensors hold whole numbers ({dtype})", "make one floating: x.double()"),
        "es": ("Ninguna entrada se puede derivar.", "los tensores tienen números enteros ({dtype})",
               "haz uno de punto flotante: x.double()"),
    },
    "empty": {
        "en": ("The inputs are empty.", "a tensor without entries has no gradient", "pass some with entries"),
        "es": ("Las entradas están vacías.", "un tensor sin elementos no tiene gradiente", "pasa alguna con elementos"),
    },
    "half": {
        "en": ("Inputs of dtype {dtype} cannot be checked.", "their rounding hides the derivative", "pass float64: x.double()"),
        "es": ("Las entradas de dtype {dtype} no se pueden probar.", "su redondeo tapa la derivada", "pasa float64: x.double()"),
    },
    "sparse": {
        "en": ("Inputs of layout {layout} cannot be checked.", "their entries cannot be perturbed one by one",
               "pass a dense one, and make it sparse inside the function"),
        "es": ("Las entradas de layout {layout} no se pueden probar.", "sus elementos no se pueden perturbar uno a uno",
               "pasa una densa, y hazla rala dentro de la función"),
    },
    "not_finite": {
        "en": ("An input holds nan or inf.", "there is no derivative there", "look where it comes from: torch.isfinite(x)"),
        "es": ("Una entrada tiene nan o inf.", "ahí no hay derivada", "mira de dónde viene: torch.isfinite(x)"),
    },
    "output_not_finite": {
        "en": ("The function gives nan or inf at these inputs.", "there is no derivative there",
               "pass inputs inside its domain, or mend the function"),
        "es": ("La función da nan o inf con estas entradas.", "ahí no hay derivada",
               "pasa entradas dentro de su dominio, o arregla la función"),
    },
    "slow": {
        "en": ("One call of the function takes {call:.1f} s.", "the check needs some {calls} calls, and has {budget:.0f} s",
               "check it with smaller inputs, or give it more time: budget_s={need:.0f} (--budget {need:.0f})"),
        "es": ("Una llamada de la función tarda {call:.1f} s.", "la prueba necesita unas {calls} llamadas, y tiene {budget:.0f} s",
               "pruébala con entradas más chicas, o dale más tiempo: budget_s={need:.0f} (--budget {need:.0f})"),
    },
    "order": {
        "en": ("There is no order {order}.", "first and second derivatives can be checked", "pass order=1 or order=2"),
        "es": ("No hay orden {order}.", "se pueden probar derivadas primeras y segundas", "pasa order=1 u order=2"),
    },
    "language": {
        "en": ("There is no language {name!r}.", "the reports are in Spanish and English", "pass language='es' or 'en'"),
        "es": ("There is no language {name!r}.", "the reports are in Spanish and English", "pass language='es' or 'en'"),
    },
}  # fmt: skip


def refuse(key: str, language: str, **seen: Any) -> LabError:
    """The error that a person can mend, in their language."""
    if key == "returned_none":
        told = {"en": "; it prints its result instead", "es": "; imprime su resultado en vez de eso"}
        seen["printed"] = told[language] if seen["printed"] else ""
    if key == "raised":
        seen["where"] = f" ({seen['where']})" if seen["where"] else ""
    what, why, next_step = (part.format(**seen) for part in _REFUSALS[key][language])
    return LabError(what, why=why, next_step=next_step)


# For each cause: what is wrong; what to look at.
_CAUSES: dict[str, dict[str, tuple[str, str]]] = {
    "wrong_sign": {
        "en": ("the gradient has the opposite sign", "a minus sign, lost or one too many"),
        "es": ("el gradiente tiene el signo opuesto", "un signo menos, perdido o de más"),
    },
    "wrong_factor": {
        "en": ("the gradient is {factor:.6g} times what it should be", "a constant: a 2 of a square, a 1/2, a learning rate"),
        "es": ("el gradiente es {factor:.6g} veces lo que debe ser", "una constante: el 2 de un cuadrado, un 1/2, una tasa"),
    },
    "missing_sum": {
        "en": ("a sum is missing in the gradient{shapes}", "what was broadcast forward is summed backward: .sum(dim)"),
        "es": ("falta una suma en el gradiente{shapes}", "lo que se expandió hacia adelante se suma hacia atrás: .sum(dim)"),
    },
    "mean_instead_of_sum": {
        "en": ("the gradient is divided by {count}: it averages where it has to sum", ".mean() in place of .sum(), or a / N"),
        "es": ("el gradiente está dividido por {count}: promedia donde debe sumar", ".mean() en lugar de .sum(), o un / N"),
    },
    "transposed": {
        "en": ("the gradient is transposed{shapes}", "the order of a product: Aᵀ·G or G·Aᵀ, and .T"),
        "es": ("el gradiente está transpuesto{shapes}", "el orden de un producto: Aᵀ·G o G·Aᵀ, y .T"),
    },
    "detached": {
        "en": ("the graph is cut: {evidence}", "what autograd cannot see has no gradient; compute it with torch, outside no_grad"),
        "es": ("el grafo está cortado: {evidence}",
               "lo que autograd no ve no tiene gradiente; calcúlalo con torch, fuera de no_grad"),
    },
    "grad_output_ignored": {
        "en": ("the backward does not use grad_output as a factor", "multiply by grad_output: the chain rule"),
        "es": ("el backward no usa grad_output como factor", "multiplica por grad_output: la regla de la cadena"),
    },
    "wrong_entry": {
        "en": ("{count} of {looked} entries looked at are wrong, the others right", "an index, a slice, a border"),
        "es": ("{count} de {looked} elementos mirados están mal, los otros bien", "un índice, una rebanada, un borde"),
    },
    "branch": {
        "en": ("the gradient is wrong for some values of the input alone{place}", "the branch that these values take: if, where, clamp, mask"),
        "es": ("el gradiente está mal sólo para algunos valores de la entrada{place}",
               "la rama que toman estos valores: if, where, clamp, máscara"),
    },
    "second_order": {
        "en": ("the second derivative is wrong: {evidence}", "the backward must itself be differentiable: no .detach(), no .data in it"),
        "es": ("la derivada segunda está mal: {evidence}",
               "el backward también debe ser derivable: sin .detach() ni .data en él"),
    },
    "float32_inside": {
        "en": ("something is computed in float32: the {part} has 24 bits of 53", ".float(), torch.float32, or a tensor made without dtype"),
        "es": ("algo se calcula en float32: {part} tiene 24 bits de 53", ".float(), torch.float32, o un tensor creado sin dtype"),
    },
    "in_place": {
        "en": ("{evidence}", "operations with _ at the end, +=, and out=; use a new tensor"),
        "es": ("{evidence}", "operaciones con _ al final, += y out=; usa un tensor nuevo"),
    },
    "nondeterministic": {
        "en": ("two calls with the same inputs give different {part}", "dropout, random numbers, a counter: call eval(), or set the seed inside"),
        "es": ("dos llamadas con las mismas entradas dan {part} distintos",
               "dropout, números al azar, un contador: llama a eval(), o fija la semilla adentro"),
    },
    "wrong_shape": {
        "en": ("the gradient has the wrong shape{shapes}", "each gradient has the shape of its input, and there is one for each"),
        "es": ("el gradiente no tiene la forma correcta{shapes}", "cada gradiente tiene la forma de su entrada, y hay uno por cada una"),
    },
    "none_gradient": {
        "en": ("the backward returns None, though the result depends on this input", "return a gradient for each input that counts"),
        "es": ("el backward devuelve None, pero el resultado depende de esta entrada",
               "devuelve un gradiente por cada entrada que cuenta"),
    },
    "kink": {
        "en": ("there is a kink exactly here, with slopes {left:.6g} and {right:.6g}; the gradient is {fit}",
               "relu, abs, max, clamp at their corner"),
        "es": ("hay un quiebre exactamente aquí, con pendientes {left:.6g} y {right:.6g}; el gradiente está {fit}",
               "relu, abs, max, clamp en su esquina"),
    },
    "not_differentiable": {
        "en": ("there is no derivative here: {evidence}", "steps (round, floor, sign, comparisons), and the ends of a domain"),
        "es": ("aquí no hay derivada: {evidence}", "escalones (round, floor, sign, comparaciones), y los bordes de un dominio"),
    },
    "unknown": {
        "en": ("analytical and numerical gradient differ{evidence}", "the formula, term by term, beginning with this entry"),
        "es": ("el gradiente analítico y el numérico difieren{evidence}", "la fórmula, término por término, empezando por este elemento"),
    },
}  # fmt: skip

_PHRASES = {
    "inside": {"en": "between them, as it should be", "es": "entre ellas, como debe ser"},
    "outside": {"en": "outside of them", "es": "fuera de ellas"},
    "zero": {"en": "the gradient is zero, the function changes", "es": "el gradiente es cero, la función cambia"},
    "no_graph": {"en": "the result has no grad_fn", "es": "el resultado no tiene grad_fn"},
    "partly": {"en": "a part of the result is not followed", "es": "una parte del resultado no se sigue"},
    "input_changed": {"en": "the function changes its input in place", "es": "la función cambia su entrada en el lugar"},
    "saved_changed": {"en": "something that the backward needs is changed in place",
                      "es": "algo que el backward necesita se cambia en el lugar"},
    "grad_changed": {"en": "the backward changes grad_output in place", "es": "el backward cambia grad_output en el lugar"},
    "jump": {"en": "the value jumps here; the gradient is that beside the jump",
             "es": "el valor salta aquí; el gradiente es el de al lado del salto"},
    "infinite": {"en": "the gradient is {value}", "es": "el gradiente es {value}"},
    "steps": {"en": "the function goes in steps, its slope is 0 between them, and the gradient is not",
              "es": "la función va en escalones, su pendiente entre ellos es 0, y el gradiente no"},
    "no_second": {"en": "the first one cannot be differentiated", "es": "la primera no se puede derivar"},
    "second_zero": {"en": "it is zero, and should not be", "es": "es cero, y no debería"},
    "second_differs": {"en": "it differs from the numerical one", "es": "difiere de la numérica"},
    "raised": {"en": ": {error}", "es": ": {error}"},
    "noise": {"en": ": the function is too noisy or too rough to be measured here",
              "es": ": la función es demasiado ruidosa o áspera para medirla aquí"},
    "factor_place": {"en": " (seen at inputs times {times:g})", "es": " (visto con las entradas por {times:g})"},
    "near_place": {"en": " (seen at inputs nearby)", "es": " (visto con entradas cercanas)"},
    "nan_branch": {"en": " (it is {value}: 0 times inf in the branch not taken)",
                   "es": " (es {value}: 0 por inf en la rama que no se toma)"},
    "value": {"en": "value", "es": "el valor"},
    "gradient": {"en": "gradient", "es": "el gradiente"},
    "values": {"en": "values", "es": "valores"},
    "gradients": {"en": "gradients", "es": "gradientes"},
    "got": {"en": ": {got} where {want} is due", "es": ": {got} donde corresponde {want}"},
}  # fmt: skip

_LABELS = {
    "en": {"input": "input", "entry": "entry", "output": "output", "analytical": "analytical",
           "numerical": "numerical", "look": "look at", "good": "The gradient is right.",
           "bad": "The gradient is WRONG.", "calls": "{n} calls, {s:.2f} s, seed {seed}",
           "more": "... and {n} more", "printed": "what the function printed was left out"},
    "es": {"input": "entrada", "entry": "elemento", "output": "salida", "analytical": "analítico",
           "numerical": "numérico", "look": "mira", "good": "El gradiente está bien.",
           "bad": "El gradiente está MAL.", "calls": "{n} llamadas, {s:.2f} s, semilla {seed}",
           "more": "... y {n} más", "printed": "lo que imprimió la función se dejó afuera"},
}  # fmt: skip


def phrase(key: str, language: str, **seen: Any) -> str:
    """A part of a message."""
    return _PHRASES[key][language].format(**seen)


def message(
    cause: str, language: str, *, number: int, name: str, index: tuple[int, ...] | None,
    analytical: float | None, numerical: float | None, uncertainty: float | None, output: int | None,
    **seen: Any,
) -> str:  # fmt: skip
    """What a finding says: where and what, both values, what to look at; up to three lines."""
    labels = _LABELS[language]
    what, look = _CAUSES[cause][language]
    seen = {"evidence": "", "shapes": "", "place": "", **seen}
    where = f"{labels['input']} {number}" + (f" ({name})" if name else "")
    if index is not None:
        where += f", {labels['entry']} {_index(index)}"
    if output is not None:
        where += f", {labels['output']} {output}"
    lines = [f"{where}: {what.format(**seen)}."]
    if analytical is not None and numerical is not None:
        lines.append(
            f"  {labels['analytical']} {analytical:.9g}, {labels['numerical']} {numerical:.9g}"
            + (f" ± {uncertainty:.1g}" if uncertainty is not None else "")
        )
    lines.append(f"  {labels['look']}: {look}")
    return "\n".join(lines)


def _index(index: tuple[int, ...]) -> str:
    return "(" + ", ".join(map(str, index)) + ")"


def report_text(
    *, ok: bool, messages: list[str], language: str, evaluations: int, duration_s: float, seed: int,
    printed: bool,
) -> str:  # fmt: skip
    """The whole report, 15 lines at most."""
    labels = _LABELS[language]
    head = labels["good" if ok else "bad"]
    foot = [labels["calls"].format(n=evaluations, s=duration_s, seed=seed)]
    if printed:
        foot.append(labels["printed"])
    body: list[str] = []
    for number, text in enumerate(messages):
        lines = text.splitlines()
        if len(body) + len(lines) > 12 - len(foot):
            body.append(labels["more"].format(n=len(messages) - number))
            break
        body += lines
    return "\n".join([head, *body, *foot])
