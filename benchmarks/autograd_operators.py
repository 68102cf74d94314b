"""The gradient check over torch's own operator samples: no crash, no hang, nothing unexplained.

Run it in the lab's environment for tests: `python benchmarks/autograd_operators.py [--only NAME]`.
It prints what was checked, what was found, and each operator that is left out, with the reason; it
ends with 1 if anything is left unexplained.
"""

import argparse
import signal
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from torch.testing._internal.common_methods_invocations import op_db

from lab.autograd import check
from lab.errors import LabError
from lab.records.autograd import CheckReport, Finding

SAMPLES = 4
MOST_NUMBERS = 2000
DEADLINE_S = 20

# What is no function of its inputs' values alone, or has no gradient by its definition.
LEFT_OUT = {
    "empty": "its values are whatever lies in memory",
    "empty_like": "its values are whatever lies in memory",
    "empty_permuted": "its values are whatever lies in memory",
    "empty_strided": "its values are whatever lies in memory",
    "new_empty": "its values are whatever lies in memory",
    "new_empty_strided": "its values are whatever lies in memory",
}
# Findings that are true of an operator as it is.
TRUE = {
    "float32_inside": "the operator gives or computes float32 by its definition",
    "nondeterministic": "the operator draws random numbers",
    "in_place": "the operator writes into its input by its definition",
    "not_differentiable": "an infinite gradient at the end of its domain, or steps",
    "detached": "torch defines no gradient for this argument, or takes it for a constant",
}
LAST = "the last one written counts, torch gives each its gradient"
# Findings that are true of one operator, by name, and why.
KNOWN = {
    "as_strided_scatter": f"entries overlap: {LAST}",
    "nn.functional.max_unpool1d": f"an index comes twice: {LAST}",
    "nn.functional.max_unpool2d": f"an index comes twice: {LAST}",
    "nn.functional.max_unpool3d": f"an index comes twice: {LAST}",
    "linalg.cholesky_ex": "beside its inputs, matrices are not definite: its values are unfinished",
    "special.ndtr": "its values go in waves of 2e-11, which bend its slope by 1e-7",
    "round.decimals_3": "its steps of 0.001 are closer together than the first steps of the check",
    "nn.functional.hardsigmoid": "its slope is 1/6 in float32, 4e-8 off",
}


class TooLong(Exception):
    """The deadline came."""


def ring(*_: object) -> None:
    """End what takes too long."""
    raise TooLong


def tensors(value: Any) -> list[torch.Tensor]:
    """What nested arguments hold."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, list | tuple):
        return [t for item in value for t in tensors(item)]
    return []


def check_sample(op: Any, sample: Any) -> CheckReport:
    """Check an operator at one of torch's samples."""

    def function(first: Any, *rest: Any) -> Any:
        if op.gradcheck_wrapper is None:
            result = op.op(first, *rest, **sample.kwargs)
        else:
            result = op.gradcheck_wrapper(op.op, first, *rest, **sample.kwargs)
        return sample.output_process_fn_grad(result)

    return check(function, sample.input, *sample.args, language="en")


def name_of(op: Any) -> str:
    """What torch's tests call an operator."""
    return op.name + (f".{op.variant_test_name}" if op.variant_test_name else "")


def left_out(op: Any) -> str | None:
    """Why an operator cannot be checked at all."""
    if not op.supports_autograd or torch.float64 not in op.supported_dtypes("cpu"):
        return "torch says that it has no gradient in float64"
    return LEFT_OUT.get(op.name)


def small_samples(op: Any) -> list[Any]:
    """A few of an operator's samples, small ones."""
    samples = list(op.sample_inputs("cpu", torch.float64, requires_grad=True))
    sizes = [sum(t.numel() for t in tensors([s.input, *s.args])) for s in samples]
    small = [s for s, n in zip(samples, sizes, strict=True) if 0 < n <= MOST_NUMBERS]
    return small[:SAMPLES] or samples[:1]


class Sweep:
    """What checking the operators gave so far."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.counts: Counter[str] = Counter()
        self.out: dict[str, list[str]] = {}

    def note(self, reason: str, name: str) -> None:
        """List an operator under a reason."""
        names = self.out.setdefault(reason, [])
        if name not in names:
            names.append(name)

    def operator(self, op: Any) -> None:
        """Check one operator, or list it with the reason why not."""
        reason, name = left_out(op), name_of(op)
        if reason:
            self.note(reason, name)
            return
        try:
            samples = small_samples(op)
        except Exception as error:
            self.note(f"no samples: {type(error).__name__}", name)
            return
        if not samples:
            self.note("no sample", name)
        for number, sample in enumerate(samples):
            signal.alarm(DEADLINE_S)
            try:
                self.sample(op, sample, f"{name} sample {number}")
            finally:
                signal.alarm(0)

    def sample(self, op: Any, sample: Any, place: str) -> None:
        """Check one sample."""
        try:
            report = check_sample(op, sample)
        except LabError as error:
            self.counts["refused"] += 1
            self.note(f"refused: {error.what} {error.why[:80]}", name_of(op))
        except TooLong:
            self.counts["hang"] += 1
            print(f"HANG  {place}")
        except Exception as error:
            self.counts["crash"] += 1
            print(f"CRASH {place}: {type(error).__name__}: {error}")
        else:
            self.counts["checked"] += 1
            self.counts["ok"] += report.ok
            for finding in () if report.ok else report.findings:
                self.finding(finding, name_of(op), place)

    def finding(self, finding: Finding, name: str, place: str) -> None:
        """Say what a finding is, where the operator does not explain it."""
        known = TRUE.get(finding.cause) or KNOWN.get(name)
        if known:
            self.counts["explained"] += 1
            self.note(f"found {finding.cause}: {known}", name)
        else:
            self.counts["unexplained"] += 1
            print(f"unexplained {place}: {finding.cause}\n{finding.message}")

    @property
    def failed(self) -> bool:
        """Whether anything is left unexplained, crashed, or hung."""
        return bool(self.counts["unexplained"] + self.counts["crash"] + self.counts["hang"])


def sweep(only: str = "") -> Sweep:
    """Check all operators, or one."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, ring)
    torch.manual_seed(0)
    done = Sweep()
    for op in op_db:
        if not only or only == op.name:
            done.operator(op)
    return done


def main() -> int:
    """Print what was checked, found and left out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="the name of one operator")
    begin = time.monotonic()
    done = sweep(parser.parse_args().only)
    print(f"{dict(done.counts)}, {time.monotonic() - begin:.0f} s")
    for reason, names in sorted(done.out.items()):
        print(f"{reason}:\n    {', '.join(names)}")
    return int(done.failed)


if __name__ == "__main__":
    raise SystemExit(main())
