"""What `inv autograd` does: read what was typed, have it checked in the chosen engine, show it."""

import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from lab.aim import device_of, seen_from, with_folder
from lab.autograd.case import choose_cases, discover
from lab.autograd.checker import BUDGET_S
from lab.autograd.declared import parse_shapes
from lab.autograd.messages import Began, Checked, Checking, CheckRequest, Message
from lab.engines.choose import Choice
from lab.errors import LabError
from lab.language import parse_language
from lab.launch import Launch, Say, Wish, chosen, prepare
from lab.receipt.identity import own_identity
from lab.records.autograd import AutogradReport, CaseList, CaseResult, CaseSummary
from lab.render.autograd import autograd_text, cases_text
from lab.talk import START_S, hear
from lab.units import parse_number, parse_whole_number, parse_words

WORKER = ("python", "-m", "lab.autograd.worker")
_FAILED = 3
_MOST_SEED = (1 << 31) - 1
# What a check may take beyond twice its budget.
_BEYOND_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a person asked for.

    Args:
        where: engine, device, image.
        request: for the process that checks; paths in it are this side's.
        target: the person's function; None: the lab's own cases.
    """

    where: Wish
    request: CheckRequest
    target: str | None


@dataclass(frozen=True, kw_only=True)
class Tell:
    """Where results go.

    Args:
        publish: shows a record, given with its text.
        say: takes lines for people.
    """

    publish: Callable[[msgspec.Struct, str], None]
    say: Say


def parse_order(
    where: Wish, *, only: str, target: str, shapes: str, order: str, budget: str, seed: str,
    language: str, variables: dict[str, str],
) -> Order:  # fmt: skip
    """Read what was typed.

    Args:
        variables: of the environment, which say what language the terminal has.

    Raises:
        LabError: something of it makes no sense.
    """
    _refuse_senseless(only, target, {"--shapes": shapes, "--order": order, "--budget": budget})
    choose_cases(parse_words(only))  # a wrong name shows before an image is built
    request = CheckRequest(
        device="cpu", only=parse_words(only), target=target or None,
        shapes=parse_shapes(shapes) if shapes else (),
        order=parse_whole_number(order, "--order", least=1, most=2) if order else 1,
        budget_s=parse_number(budget, "--budget", least=1, most=86400) if budget else BUDGET_S,
        seed=parse_whole_number(seed, "--seed", least=0, most=_MOST_SEED) if seed else 0,
        language=parse_language(language, variables),
    )  # fmt: skip
    if target:
        where = with_folder(where, target)
    return Order(where=where, request=request, target=target or None)


def _refuse_senseless(only: str, target: str, of_target: dict[str, str]) -> None:
    if target and only:
        raise LabError(
            "--target and --only exclude each other.",
            why="one names a function of yours, the other checks of the lab's own",
            next_step="leave one of them out",
        )
    for option, text in of_target.items():
        if text and not target:
            raise LabError(
                f"{option} is for a function of yours.",
                why="the lab's own checks bring their inputs, orders and time",
                next_step=f"name it: --target FILE.py:NAME {option} {text}",
            )


def _seen_from(order: Order, choice: Choice, launch: Launch) -> CheckRequest:
    """The request with paths as the process sees them, and its device."""
    request = msgspec.structs.replace(order.request, device=device_of(choice))
    if order.target is None:
        return request
    target, folder = seen_from(launch, order.target)
    return msgspec.structs.replace(request, target=target, folder=folder)


def plan(order: Order, say: Say) -> list[str]:
    """The command line that would check; starts nothing."""
    return prepare(order.where, WORKER, say, dry_run=True, piped=True).argv


def list_cases(tell: Tell) -> None:
    """Show the lab's own cases."""
    cases = [
        CaseSummary(name=c.name, modes=list(c.modes), summary=c.summary)
        for c in discover().values()
    ]
    tell.publish(CaseList(cases=cases), cases_text(cases))


def run(order: Order, tell: Tell) -> int:
    """Check, and show; returns the exit code.

    Raises:
        LabError: it cannot be checked.
    """
    choice = chosen(order.where)
    tell.say(choice.why)
    launch = prepare(order.where, WORKER, tell.say, piped=True, choice=choice)
    begin = time.monotonic()
    talk = _Talk(request=_seen_from(order, choice, launch), say=tell.say)
    talk.hold(launch)
    # A person's function is called what they called it, wherever it was seen.
    results = [
        msgspec.structs.replace(r, name=order.target) if order.target else r for r in talk.results
    ]
    report = AutogradReport(
        ok=all(result.report.ok for result in results), target=order.target,
        torch_version=talk.torch_version, engine=choice.engine, seed=order.request.seed,
        receipt=own_identity(), results=results, duration_s=time.monotonic() - begin,
    )  # fmt: skip
    tell.publish(report, autograd_text(report, stream=sys.stdout))
    return 0 if report.ok else _FAILED


@dataclass(kw_only=True)
class _Talk:
    """What the process that checks has said so far."""

    request: CheckRequest
    say: Say
    torch_version: str = ""
    total: int = 0
    at: str = ""
    results: list[CaseResult] = field(default_factory=list)

    def hold(self, launch: Launch) -> None:
        """Tell it the request, and hear it to its end.

        Raises:
            LabError: it refuses, falls silent, or dies.
        """
        heard = hear(
            launch, self.request, Message, patience_s=self._patience_s,
            at=lambda: self.at or "the check",
        )  # fmt: skip
        with contextlib.closing(heard):
            for message in heard:
                self._hear(message)
                if self.complete:
                    break

    def _patience_s(self) -> float:
        return 2 * self.request.budget_s + _BEYOND_S if self.total else START_S

    @property
    def complete(self) -> bool:
        """Whether all checks are done."""
        return self.total > 0 and len(self.results) == self.total

    def _hear(self, message: Message) -> None:
        match message:
            case Began():
                self.torch_version, self.total = message.torch_version, message.total
            case Checking():
                self.at = message.name
                if self.total > 1:
                    number = len(self.results) + 1
                    self.say(f"{number}/{self.total} {message.name}, {message.mode}")
            case Checked():
                self.results.append(message.result)
