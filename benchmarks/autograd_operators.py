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
# Findings that are true of one operator, by name, and why.
KNOWN = {
    "as_strided_scatter": "entries overlap: the last one written counts, torch gives each its gradient",
    "nn.functional.max_unpool1d": "an index comes twice: the last one counts, torch gives each its gradient",
    "nn.functional.max_unpool2d": "an index comes twice: the last one counts, torch gives each its gradient",
    "nn.functional.max_unpool3d": "an index comes twice: the last one counts, torch gives each its gradient",
    "special.ndtr": "its values go in waves of 2e-11, which bend its slope by 1e-7",
    "round.decimals_3": "its steps of 0.001 are closer together than the first steps of the check",
    "nn.functional.hardsigmoid": "its slope is 1/6 in float32, 4e-8 off",
}


class TooLong(Exception):
    """The deadline came."""


def ring(*_: object) -> None:
    raise TooLong


def tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, list | tuple):
        return [t for item in value for t in tensors(item)]
    return []


def one(op: Any, sample: Any) -> Any:
    def function(first: Any, *rest: Any) -> Any:
        result = op.op(first, *rest, **sample.kwargs)
        return sample.output_process_fn_grad(result)

    if op.gradcheck_wrapper is not None:
        wrapped = op.gradcheck_wrapper
        def function(first: Any, *rest: Any) -> Any:  # noqa: F811
            result = wrapped(op.op, first, *rest, **sample.kwargs)
            return sample.output_process_fn_grad(result)

    return check(function, sample.input, *sample.args, language="en")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    only = parser.parse_args().only
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, ring)
    torch.manual_seed(0)
    counts: Counter[str] = Counter()
    out: dict[str, list[str]] = {}
    begin = time.monotonic()
    for op in op_db:
        name = op.name + (f".{op.variant_test_name}" if op.variant_test_name else "")
        if only and only != op.name:
            continue
        reason = LEFT_OUT.get(op.name)
        if not op.supports_autograd or torch.float64 not in op.supported_dtypes("cpu"):
            reason = "torch says that it has no gradient in float64"
        if reason:
            out.setdefault(reason, []).append(name)
            continue
        try:
            samples = list(op.sample_inputs("cpu", torch.float64, requires_grad=True))
        except Exception as error:
            out.setdefault(f"no samples: {type(error).__name__}", []).append(name)
            continue
        small = [
            s for s in samples
            if 0 < sum(t.numel() for t in tensors([s.input, *s.args])) <= MOST_NUMBERS
        ][:SAMPLES] or sorted(samples, key=lambda s: len(tensors(s.input)))[:1]
        if not small:
            out.setdefault("no small sample", []).append(name)
        for number, sample in enumerate(small):
            signal.alarm(DEADLINE_S)
            try:
                report = one(op, sample)
            except LabError as error:
                counts["refused"] += 1
                out.setdefault(f"refused: {error.what} {error.why[:80]}", []).append(name)
                continue
            except TooLong:
                counts["hang"] += 1
                print(f"HANG  {name} sample {number}")
                continue
            except Exception as error:
                counts["crash"] += 1
                print(f"CRASH {name} sample {number}: {type(error).__name__}: {error}")
                continue
            finally:
                signal.alarm(0)
            counts["checked"] += 1
            if report.ok:
                counts["ok"] += 1
                continue
            for finding in report.findings:
                known = TRUE.get(finding.cause) or KNOWN.get(name)
                key = "explained" if known else "unexplained"
                counts[key] += 1
                if key == "unexplained":
                    print(f"{key} {name} sample {number}: {finding.cause}\n{finding.message}")
                else:
                    out.setdefault(f"found {finding.cause}: {known}", []).append(name)
    print(f"\n{dict(counts)}, {time.monotonic() - begin:.0f} s")
    for reason, names in sorted(out.items()):
        print(f"{reason}:\n    {', '.join(dict.fromkeys(names))}")
    return int(bool(counts["unexplained"] + counts["crash"] + counts["hang"]))


if __name__ == "__main__":
    raise SystemExit(main())
