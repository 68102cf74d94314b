"""The gradient check beside torch.autograd.gradcheck, slow and fast: found, missed, time.

Run it in the lab's environment: `python benchmarks/autograd.py`; some two minutes. Bugs and correct
functions are in autograd_planted.py. Ends with 1 where ours misses what slow mode finds, or gives a
false alarm.
"""

import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

import torch
from autograd_planted import Planted, bugs, compositions, correct, randn

from lab.autograd import check

COMPOSITIONS = 600


def ours(function: Any, inputs: tuple[Any, ...], order: int) -> bool:
    """Whether our check passes."""
    return check(function, *inputs, order=order).ok


def theirs(*, fast: bool) -> Callable[[Any, tuple[Any, ...], int], bool]:
    """Whether torch's passes, which takes the inputs that ours would."""

    def run(function: Any, inputs: tuple[Any, ...], order: int) -> bool:
        if isinstance(function, type):
            function = function.apply
        floating = [t for t in inputs if isinstance(t, torch.Tensor) and t.is_floating_point()]
        marked = any(t.requires_grad for t in floating)
        ready = [
            t.detach().clone().requires_grad_()
            if isinstance(t, torch.Tensor) and (t.is_floating_point() or t.is_complex())
            and (t.requires_grad or not marked)
            else t
            for t in inputs
        ]  # fmt: skip
        test = torch.autograd.gradcheck if order == 1 else torch.autograd.gradgradcheck
        return bool(test(function, ready, fast_mode=fast, raise_exception=False))

    return run


CHECKS: dict[str, Callable[[Any, tuple[Any, ...], int], bool]] = {
    "ours": ours, "slow": theirs(fast=False), "fast": theirs(fast=True),
}  # fmt: skip


def judge(case: Planted, way: str) -> tuple[str, float]:
    """Whether a check passes the case, fails it, or cannot take it; and its seconds."""
    function, inputs = case.make()
    if way != "ours" and isinstance(function, tuple):
        return "-", 0.0
    begin = time.perf_counter()
    try:
        passed = CHECKS[way](function, inputs, case.order)
    except Exception:
        return "error", time.perf_counter() - begin
    return ("pass" if passed else "fail"), time.perf_counter() - begin


def table(cases: list[Planted], *, correct_ones: bool, what: str) -> int:
    """Print what each check says of some cases; returns how often ours is behind."""
    rows = {way: {"found": 0, "missed": 0, "cannot": 0, "s": 0.0} for way in CHECKS}
    behind = 0
    for case in cases:
        torch.manual_seed(0)
        seen = {way: judge(case, way) for way in CHECKS}
        for way, (result, seconds) in seen.items():
            right = result == ("pass" if correct_ones else "fail")
            rows[way]["s"] += seconds
            rows[way]["cannot" if result in ("-", "error") else "found" if right else "missed"] += 1
        # An error of gradcheck finds a bug as well: it stops, though without a reason.
        if seen["ours"][0] != ("pass" if correct_ones else "fail"):
            if correct_ones or seen["slow"][0] in ("fail", "error"):
                behind += 1
            print(f"  ours is wrong: {case.name}")
    print(f"{len(cases)} {what}")
    words = ("right", "false alarm") if correct_ones else ("found", "missed")
    print(f"  {'':6}{words[0]:>8}{words[1]:>13}{'raises/cannot':>15}{'seconds':>9}")
    for way, row in rows.items():
        print(f"  {way:6}{row['found']:8}{row['missed']:13}{row['cannot']:15}{row['s']:9.2f}")
    return behind


def causes(cases: list[Planted]) -> None:
    """How often the cause named first is one of the right ones."""
    named = right = 0
    for case in cases:
        if case.causes == ("unknown",):
            continue
        function, inputs = case.make()
        report = check(function, *inputs, order=case.order)
        named += 1
        right += bool(report.findings) and report.findings[0].cause in case.causes
    print(
        f"cause named: right for {right} of {named} bugs that have one, {100 * right / named:.1f} %"
    )


def speed() -> None:
    """Time beside slow mode, best of three, above 1000 inputs."""
    mlp = torch.nn.Sequential(
        torch.nn.Linear(60, 120), torch.nn.Tanh(), torch.nn.Linear(120, 10)
    ).double()
    x = randn(16, 60)
    names = [name for name, _ in mlp.named_parameters()]

    def of_parameters(*values: torch.Tensor) -> torch.Tensor:
        return (
            torch.func.functional_call(mlp, dict(zip(names, values, strict=True)), (x,))
            .square()
            .sum()
        )

    w = randn(5000)
    subjects: dict[str, tuple[Any, tuple[torch.Tensor, ...]]] = {
        "1100 -> 1, underflowing": (lambda x: x.sin().prod(), (randn(1100).abs() + 1,)),
        "1100 -> 1": (lambda x: x.square().sum(), (randn(1100),)),
        "1500 -> 1": (lambda x: (x.sin() * x.exp()).sum(), (randn(1500),)),
        "5000 -> 1": (lambda x: (x * w).tanh().sum(), (randn(5000),)),
        "MLP, 8530 parameters": (of_parameters, tuple(p.detach() for p in mlp.parameters())),
        "1200 -> 1200": (lambda x: x.tanh(), (randn(1200),)),
    }
    for name, (function, inputs) in subjects.items():
        seconds = {}
        for way in CHECKS:
            times = []
            for _ in range(3):
                begin = time.perf_counter()
                CHECKS[way](function, inputs, 1)
                times.append(time.perf_counter() - begin)
            seconds[way] = min(times)
        print(
            f"{name:24} ours {seconds['ours']:.3f} s, slow {seconds['slow']:.3f} s, fast"
            f" {seconds['fast']:.3f} s: {seconds['slow'] / seconds['ours']:.0f} times slow's speed"
        )


def single_entry() -> None:
    """One entry of 5000, off by 1e-4 of the typical size."""
    case = next(c for c in bugs((5000,)) if c.name == "cube, one entry, 5000")
    function, inputs = case.make()
    begin = time.perf_counter()
    report = check(lambda x: function.apply(x).sum(), *inputs)
    found = report.findings[0].index if report.findings else None
    print(f"one entry of 5000 off by 1e-4: at {found}, {time.perf_counter() - begin:.3f} s")


def main() -> int:
    """Print the tables."""
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    planted, hard = list(bugs()), list(correct())
    check(torch.sin, randn(3))  # what is loaded once
    behind = table(planted, correct_ones=False, what="planted bugs")
    causes(planted)
    alarms = table(hard, correct_ones=True, what="correct functions that are hard")
    random_ones = list(compositions(COMPOSITIONS, seed=0))
    table(random_ones, correct_ones=True, what="correct compositions, drawn at random")
    single_entry()
    speed()
    return int(bool(behind or alarms))


if __name__ == "__main__":
    raise SystemExit(main())
