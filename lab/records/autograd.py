"""What a gradient check found, as a record."""

from typing import Literal

from msgspec import Struct

from lab.language import Language

Cause = Literal[
    "wrong_sign",
    "wrong_factor",
    "missing_sum",
    "mean_instead_of_sum",
    "transposed",
    "detached",
    "grad_output_ignored",
    "wrong_entry",
    "branch",
    "second_order",
    "float32_inside",
    "in_place",
    "nondeterministic",
    "wrong_shape",
    "none_gradient",
    "kink",
    "not_differentiable",
    "unknown",
]
Mode = Literal["first", "second", "forward", "vmap", "closed_form"]


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a gradient, or worth knowing of it."""

    cause: Cause
    input: int
    """Number of the input, from 0; a module's parameters follow its inputs."""
    index: tuple[int, ...] | None = None
    """Entry of the input; null where the finding is not about one."""
    analytical: float | None = None
    """Derivative of one entry of the output by that entry, as the gradient under test says."""
    numerical: float | None = None
    """The same by perturbing the input."""
    uncertainty: float | None = None
    """Of `numerical`; measured, an upper estimate."""
    message: str
    """For people: what is wrong, where, the likely cause, and what to look at."""
    harmless: bool = False
    """It is no fault: a kink, say, where the gradient lies between the two slopes."""


class CheckReport(Struct, frozen=True, kw_only=True):
    """What checking one function's gradient gave; as text it is what a student reads."""

    ok: bool
    findings: tuple[Finding, ...]
    evaluations: int
    """How often the function was called."""
    duration_s: float
    seed: int
    language: Language = "es"
    text: str = ""
    """The whole report for people, 15 lines at most."""

    def __str__(self) -> str:
        """The report for people."""
        return self.text

    def _repr_pretty_(self, printer: object, cycle: bool) -> None:
        """What a notebook shows where it shows no HTML."""
        printer.text(self.text)  # type: ignore[attr-defined]


class CaseResult(Struct, frozen=True, kw_only=True):
    """One function, checked in one way on one device."""

    name: str
    mode: Mode
    """First or second derivatives in reverse mode, forward mode, under vmap, against a formula."""
    device: str
    report: CheckReport


class CaseSummary(Struct, frozen=True, kw_only=True):
    """One of the lab's own checks, as `--cases` lists it."""

    name: str
    modes: list[Mode]
    summary: str


class CaseList(Struct, frozen=True, kw_only=True):
    """What there is to check. Version 1 of the schema is the first."""

    schema: str = "lab/autograd-cases/1"
    cases: list[CaseSummary]


class AutogradReport(Struct, frozen=True, kw_only=True):
    """What `inv autograd` found. Version 1 of the schema is the first."""

    schema: str = "lab/autograd/1"
    ok: bool
    target: str | None = None
    """The function that a person named; null for the lab's own checks."""
    torch_version: str
    engine: str = "host"
    receipt: str | None = None
    """SHA-256 of the clone's receipt, which `inv verify` compares with."""
    seed: int
    results: list[CaseResult]
    duration_s: float
