"""What `inv autograd` does: read what was typed, have it checked in the chosen engine, show it."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from lab.autograd.case import choose_cases, discover
from lab.autograd.checker import BUDGET_S
from lab.autograd.declared import parse_shapes
from lab.autograd.messages import Began, Checked, Checking, CheckRequest, Message, Refused
from lab.autograd.target import is_file, split_target
from lab.engines.choose import Choice
from lab.engines.request import Mount
from lab.errors import LabError
from lab.launch import Launch, Say, Wish, chosen, prepare
from lab.paths import typed_path
from lab.process import Conversation
from lab.records.autograd import AutogradReport, CaseList, CaseResult, CaseSummary, Language
from lab.render.autograd import autograd_text, cases_text
from lab.units import parse_number, parse_whole_number, parse_words

WORKER = ("python", "-m", "lab.autograd.worker")
_FAILED = 3
_MOST_SEED = (1 << 31) - 1
# Where the folder of a target is seen in a container.
_TARGETS = "/target"
# What torch may take to load on a slow disk; and a check, beyond twice its budget.
_START_S = 120.0
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
        language=_language(language, variables),
    )  # fmt: skip
    if target:
        where, request = _with_target(where, request, target)
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


def _language(named: str, variables: dict[str, str]) -> Language:
    if named in ("es", "en"):
        return "es" if named == "es" else "en"
    if named:
        raise LabError(
            f"There is no language {named!r}.", why="reports are in Spanish and in English",
            next_step="pass --language es or --language en",
        )  # fmt: skip
    terminal = variables.get("LC_ALL") or variables.get("LC_MESSAGES") or variables.get("LANG", "")
    return "es" if terminal.startswith("es") else "en"


def _with_target(where: Wish, request: CheckRequest, target: str) -> tuple[Wish, CheckRequest]:
    """The wish that lets a container see the target's folder, for reading alone."""
    place, _ = split_target(target)
    folder = Path.cwd()
    if is_file(place):
        path = typed_path(place)
        if not path.is_file():
            raise LabError(
                f"There is no file {path}.", why="the target names one, before the colon",
                next_step="look at its name, and at the folder that this is run in",
            )  # fmt: skip
        folder = path.parent
    mount = Mount(source=folder, target=_TARGETS, read_only=True)
    return replace(where, mounts=(mount,)), msgspec.structs.replace(request, folder=str(folder))


def _seen_from(order: Order, choice: Choice, launch: Launch) -> CheckRequest:
    """The request with paths as the process sees them, and its device."""
    request = msgspec.structs.replace(order.request, device=choice.device)
    if order.target is None:
        return request
    place, name = split_target(order.target)
    folder = request.folder if launch.image is None else _TARGETS
    if is_file(place):
        place = f"{folder}/{typed_path(place).name}"
    return msgspec.structs.replace(request, target=f"{place}:{name}", folder=folder)


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
    talk.hold(Conversation(launch.argv, env=launch.env, cwd=launch.cwd))
    # A person's function is called what they called it, wherever it was seen.
    results = [
        msgspec.structs.replace(r, name=order.target) if order.target else r for r in talk.results
    ]
    report = AutogradReport(
        ok=all(result.report.ok for result in results), target=order.target,
        torch_version=talk.torch_version, engine=choice.engine, seed=order.request.seed,
        results=results, duration_s=time.monotonic() - begin,
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

    def hold(self, worker: Conversation) -> None:
        """Tell it the request, and hear it to its end.

        Raises:
            LabError: it refuses, falls silent, or dies.
        """
        worker.tell(msgspec.json.encode(self.request).decode())
        decoder = msgspec.json.Decoder(Message)
        try:
            while not self.complete:
                patience_s = 2 * self.request.budget_s + _BEYOND_S if self.total else _START_S
                line = worker.answer(patience_s)
                if line is None:
                    raise self._silent(patience_s)
                self._hear(decoder.decode(line))
        except EOFError:
            raise self._died(worker.end()) from None
        except BaseException:
            worker.kill()
            worker.end()
            raise
        worker.end()

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
            case Refused():
                raise LabError(message.what, why=message.why, next_step=message.next_step)

    def _silent(self, patience_s: float) -> LabError:
        name = self.at or "the process that checks"
        return LabError(
            f"{name} did not end.", why=f"nothing came for {patience_s:.0f} s",
            next_step="call it once by itself; check it with smaller inputs, or more --budget",
        )  # fmt: skip

    def _died(self, done: object) -> LabError:
        words = getattr(done, "last_words", "")
        code = getattr(done, "code", 0)
        if code in (-9, 137):
            words = "it was killed, as happens where memory runs out"
        return LabError(
            f"The process that checked {self.at or 'gradients'} ended.", why=words,
            next_step="check it with smaller inputs; ./inv doctor looks for other causes",
        )  # fmt: skip
