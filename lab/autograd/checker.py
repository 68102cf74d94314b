"""`check`: is the gradient of a function right, and if not, what is wrong with it?"""

from __future__ import annotations

import contextlib
import io
import time
import warnings
from typing import Any

from lab.autograd.job import Job
from lab.autograd.overhear import bits
from lab.autograd.prepare import prepare
from lab.autograd.subject import leaves_of
from lab.autograd.words import refuse, report_text
from lab.errors import LabError
from lab.records.autograd import CheckReport, Language

BUDGET_S = 60.0


def check(
    function: Any, *inputs: Any, order: int = 1, seed: int = 0, language: Language = "es",
    budget_s: float = BUDGET_S,
) -> CheckReport:  # fmt: skip
    """Check the gradient of a function against numerical derivatives whose error is measured.

    Args:
        function: a function of tensors, an `nn.Module` (its parameters are checked too), a
            `torch.autograd.Function` class or its `apply`, or a pair of a function and its
            hand-written gradient. That takes the same inputs and returns, for each tensor that is
            checked, a gradient of its shape (of the output's sum), or its Jacobian; or it takes the
            output's gradient as well, last or as `grad_output=`, and returns the products with it.
        inputs: what it is called with. Floating and complex tensors are checked; where any requires
            a gradient, those alone. float32 is checked in float64 where the function can do that.
        order: 1, or 2 for the derivatives of the gradient as well.
        seed: of the random directions; the global generator stays as it is.
        language: of the report: `es` or `en`.
        budget_s: seconds that it may take; a function too slow for that is refused.

    Returns:
        The report. `ok` is false as long as anything is left unexplained.

    Raises:
        LabError: it cannot be checked: no floating tensor, the function raises or returns none, it
            is too slow or needs too much memory.
    """
    import torch

    if language not in ("es", "en"):
        raise refuse("language", "en", name=language)
    if order not in (1, 2):
        raise refuse("order", language, order=order)
    begin = time.perf_counter()
    said = io.StringIO()
    with (
        torch.random.fork_rng(devices=[]),
        contextlib.redirect_stdout(said),
        warnings.catch_warnings(),
    ):
        # What torch itself says of vmap, and of what it loads for forward mode.
        warnings.filterwarnings("ignore", message="There is a performance drop")
        warnings.filterwarnings("ignore", message=".*torch.jit.script.* is deprecated")
        job = _job(function, inputs, seed, language, budget_s, said)
        drafts = job.first()
        if order == 2 and not any(not d.harmless for d in drafts):
            drafts += job.second()
    findings = tuple(draft.finding(language) for draft in drafts)
    ok = all(finding.harmless for finding in findings)
    duration = time.perf_counter() - begin
    text = report_text(
        ok=ok, messages=[f.message for f in findings], language=language,
        evaluations=job.subject.evaluations, duration_s=duration, seed=seed,
        printed=said.getvalue(),
    )  # fmt: skip
    return CheckReport(
        ok=ok, findings=findings, evaluations=job.subject.evaluations, duration_s=duration,
        seed=seed, language=language, text=text,
    )  # fmt: skip


def _job(
    function: Any, arguments: tuple[Any, ...], seed: int, language: Language, budget_s: float,
    said: io.StringIO,
) -> Job:  # fmt: skip
    """Prepare in float64, or in float32 where the function holds float32 tensors of its own."""
    import torch

    def make(*, native: bool) -> Job:
        subject, inputs = prepare(function, arguments, language, native=native)
        subject.said = said
        return Job(
            subject=subject, inputs=inputs, random=torch.Generator().manual_seed(seed),
            language=language, native=native, budget_s=budget_s,
        )  # fmt: skip

    job = make(native=False)
    if not any(_is_narrow(leaf) for leaf in leaves_of(list(arguments))):
        job.try_out()
        return job
    with contextlib.suppress(LabError):
        if all(bits(y.dtype) == 64 for y in job.try_out()):
            return job
    job = make(native=True)
    job.try_out()
    return job


def _is_narrow(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor) and value.dtype in (torch.float32, torch.complex64)
