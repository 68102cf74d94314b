"""The ways of `inv bench`: measure, compare, test itself, show an earlier run, list the cases."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct

from lab import paths
from lab.bench import results
from lab.bench.case import Level, discover
from lab.bench.compare import beside
from lab.bench.dtypes import ITEM_BYTES
from lab.errors import LabError
from lab.launch import Say, Wish, prepare
from lab.measure import PRECISION_PERCENT, WORKER, Order, Outcome, make_page, make_ready
from lab.records.bench import BenchReport, CaseDescription, CaseList
from lab.records.save import save
from lab.render.bench.progress import Progress
from lab.render.bench.text import bench_text, selftest_text
from lab.units import parse_number, parse_whole_number, parse_words

_FAILED = 3
# torch and the first workloads take some seconds by themselves.
_LEAST_BUDGET_S = 5
_MOST_SEED = (1 << 31) - 1


@dataclass(frozen=True, kw_only=True)
class Tell:
    """Where results go.

    Args:
        publish: shows a record, given with its text.
        say: takes lines for people.
        report: the page of HTML to write; None writes none.
        output: where `publish` writes the record as well; None: nowhere.
    """

    publish: Callable[[Struct, str], None]
    say: Say
    report: Path | None = None
    output: Path | None = None


def parse_order(
    where: Wish,
    *,
    only: str,
    quick: bool,
    full: bool,
    size: str,
    dtype: str,
    budget: str,
    precision: str,
    threads: str,
    seed: str,
    argv: list[str],
) -> Order:
    """Read what was typed.

    Raises:
        LabError: something of it makes no sense.
    """
    if quick and full:
        raise LabError(
            "--quick and --full exclude each other.",
            why="one is a first look, the other takes half an hour",
            next_step="pass one of them, or neither",
        )
    level: Level = "quick" if quick else "full" if full else "default"
    sizes = [parse_whole_number(s, "--size", least=1, most=1 << 24) for s in parse_words(size)]
    return Order(
        where=where, only=only, level=level, sizes=tuple(sizes), dtypes=_dtypes(dtype),
        budget_s=_number(budget, "--budget", _LEAST_BUDGET_S, 86400),
        precision_percent=_number(precision, "--precision", 0.1, 50) or PRECISION_PERCENT,
        threads=_whole(threads, "--threads", 1, 4096), seed=_whole(seed, "--seed", 0, _MOST_SEED),
        argv=tuple(argv),
    )  # fmt: skip


def _number(text: str, name: str, least: float, most: float) -> float | None:
    return parse_number(text, name, least=least, most=most) if text else None


def _whole(text: str, name: str, least: int, most: int) -> int | None:
    return parse_whole_number(text, name, least=least, most=most) if text else None


def _dtypes(text: str) -> tuple[str, ...]:
    words = parse_words(text)
    for word in words:
        if word not in ITEM_BYTES:
            raise LabError(
                f"There is no dtype {word!r}.",
                why=f"the speed tests know {', '.join(ITEM_BYTES)}",
                next_step="pass some of them: --dtype float32,bfloat16",
            )
    return words


def named_file(text: str | None, option: str) -> Path | None:
    """The file that an option names; None where the option was not given.

    Raises:
        LabError: it was given nothing, as by a variable that is not set.
    """
    if text == "":
        raise LabError(
            f"{option} names no file.",
            why="what follows it is empty",
            next_step=f"name one: {option} FILE; `inv bench` keeps its runs in {paths.results()}",
        )
    return None if text is None else paths.typed_path(text)


def case_list() -> tuple[CaseList, str]:
    """All speed tests, as a record and as text, a line each."""
    cases = discover().values()
    width = max(len(case.name) for case in cases)
    lines = [f"{case.name:<{width}}  {case.summary} ({', '.join(case.axes)})" for case in cases]
    described = [
        CaseDescription(
            name=case.name, summary=case.summary,
            parameters={name: list(axis.default) for name, axis in case.axes.items()},
        )
        for case in cases
    ]  # fmt: skip
    return CaseList(cases=described), "\n".join(lines)


def plan(order: Order, say: Say) -> list[str]:
    """The command line of one process that measures; its cases come in on standard input."""
    return prepare(order.where, WORKER, say, dry_run=True, piped=True).argv


def measure(order: Order, compare_with: Path | None, tell: Tell, *, force: bool) -> int:
    """Measure, show, keep; returns the exit code: 2 where it was interrupted or could not be kept.

    Raises:
        LabError: it could not be measured.
    """
    earlier = results.load(compare_with) if compare_with else None
    check_folders(tell)
    with Progress() as progress:
        bench = make_ready(order, progress)
        progress.begin(round(order.seconds))
        outcome = bench.measure(earlier, force=force)
    trouble = _trouble(outcome)
    tell.publish(outcome.report, bench_text(outcome.report, sys.stdout))
    if trouble is not None:  # the figures have been shown: standard output is theirs alone
        tell.say(str(trouble))
        return trouble.exit_code
    tell.say(f"kept in {short_path(outcome.path)}")
    _page(outcome.report, order.where, tell)
    return _code(outcome.report)


def _trouble(outcome: Outcome) -> LabError | None:
    """Keep the run, before anything else can go wrong; returns why it is not what was asked for."""
    try:
        outcome.keep()
    except LabError as error:
        return error
    return None


def selftest(order: Order, tell: Tell) -> int:
    """Test the measuring itself; returns the exit code."""
    check_folders(tell)
    with Progress() as progress:
        bench = make_ready(order, progress)
        progress.begin(round(order.seconds))
        result, path = bench.selftest()
    tell.publish(result, selftest_text(result, sys.stdout))
    tell.say(f"kept in {short_path(path)}")
    return 0 if result.green else _FAILED


def show(
    order: Order, path: Path | None, compare_with: Path | None, tell: Tell, *, force: bool
) -> int:
    """Show an earlier run, beside another one where that was asked for; returns the exit code."""
    assert path is not None
    check_folders(tell)
    report = results.load(path)
    if compare_with is not None:
        report = beside(report, results.load(compare_with), force=force)
    tell.publish(report, bench_text(report, sys.stdout))
    _page(report, order.where, tell)
    return _code(report)


def _code(report: BenchReport) -> int:
    return _FAILED if any(c.verdict == "SLOWER" for c in report.comparisons) else 0


def _page(report: BenchReport, where: Wish, tell: Tell) -> None:
    if tell.report is not None:
        save(make_page(report, where, tell.say), tell.report)
        tell.say(f"the page is {short_path(tell.report)}")


def check_folders(tell: Tell) -> None:
    """See that the files that were named can be written, before minutes are spent.

    Raises:
        LabError: there is no such folder.
    """
    for option, path in (("--report", tell.report), ("--output", tell.output)):
        if path is not None and not path.parent.is_dir():
            raise LabError(
                f"Nothing can be written to {path}.",
                why=f"there is no folder {path.parent}",
                next_step=f"make the folder first, or name another file: {option} FILE",
            )


def short_path(path: Path) -> str:
    """A path from here where that is shorter."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
