"""What `inv bench` does: plan, measure through the chosen engine, keep, compare."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from lab.bench import results
from lab.bench.case import Case, Level, choose_cases
from lab.bench.compare import FLOOR_PROCESSES, beside, refuse_different
from lab.bench.messages import CaseRequest
from lab.bench.run import Plan, Run, Show
from lab.bench.selftest import SECONDS, judge_selftest, selftest_cases
from lab.engines.choose import Choice
from lab.errors import LabError
from lab.image.inputs import hash_file
from lab.image.sif import DIGEST, LOCK, read_labels
from lab.launch import Launch, Wish, chosen, host_lock, prepare
from lab.paths import LOCKS
from lab.process import Conversation, run
from lab.receipt.identity import own_identity
from lab.records.bench import BenchReport, Environment, Param, SelfTest
from lab.records.save import to_json

# Seconds for everything but the making of image or packages, and fresh processes: their number
# decides how narrow the interval can be, since processes differ more than the rounds of one do.
_BUDGET_S: dict[Level, float] = {"quick": 40, "default": 300, "full": 1500}
_PROCESSES: dict[Level, int] = {"quick": 1, "default": 5, "full": 8}
PRECISION_PERCENT = 5.0
_PROCESS_S = 6.0
WORKER = ("python", "-m", "lab.bench.worker")
_PAGE = ("python", "-m", "lab.render.bench.page")
_PAGES = ("python", "-m", "lab.render.bench.pages")


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a person asked `inv bench` for; None and empty leave the choice to us.

    Args:
        where: engine, device, image.
        only: names of cases.
        level: how thorough.
        sizes, dtypes: replace those of the cases that have such a parameter.
        budget_s: time for everything but the making of image or packages.
        precision_percent: half-width of the interval that `ok` stands for.
        threads: of one operator.
        seed: of data and order.
        argv: the command line, for the record.
    """

    where: Wish
    only: str = ""
    level: Level = "default"
    sizes: tuple[int, ...] = ()
    dtypes: tuple[str, ...] = ()
    budget_s: float | None = None
    precision_percent: float = PRECISION_PERCENT
    threads: int | None = None
    seed: int | None = None
    argv: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """The time that it may take."""
        return self.budget_s or _BUDGET_S[self.level]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """An order with its place to run."""

    order: Order
    choice: Choice
    launch: Launch
    show: Show

    def measure(self, earlier: BenchReport | None = None, *, force: bool = False) -> "Outcome":
        """Measure, keep the run, and compare it with an earlier one.

        Args:
            earlier: a run to compare with.
            force: compare whatever it was measured on.
        """
        plan = plan_of(self.order, self.choice.device)
        path = results.new_file()
        going = self._run(plan, None if force or earlier is None else earlier.environment)
        results.keep(going.report("running"), path)  # a full disk shows now, not after the work
        try:
            going.everything(lambda report: self._keep_quietly(report, path))
            ended = going.ended
        except KeyboardInterrupt:
            ended = "interrupted"
        except BaseException:
            if any(tally.samples_s for tally in going.tallies):
                self._keep_quietly(going.report("interrupted"), path)
            else:
                path.unlink(missing_ok=True)
            raise
        report = going.report(ended)
        refused = None
        if earlier is not None and ended != "interrupted":
            try:
                report = beside(report, earlier, force=force)
            except LabError as error:
                refused = error
        return Outcome(report=report, path=path, refused=refused)

    def selftest(self) -> tuple[SelfTest, Path]:
        """Try whether this machine can tell a difference from none."""
        order = self.order
        plan = Plan(
            cases=selftest_cases(), device=self.choice.device, level=order.level,
            processes=max(2, _processes(order, FLOOR_PROCESSES)),
            budget_s=order.budget_s or SECONDS,
            precision=order.precision_percent / 100, seed=_seed(order), threads=order.threads,
            argv=order.argv,
        )  # fmt: skip
        path = results.new_file("selftest")
        going = self._run(plan)
        try:
            going.everything(lambda report: None)
        except KeyboardInterrupt as error:
            raise LabError(
                "The self-test was interrupted.",
                why="its result needs all of its processes",
                next_step="run it again: ./inv bench --selftest",
            ) from error
        result = judge_selftest(going.report("done"))
        results.keep(result, path)
        if all(case.verdict in ("ok", "not_converged") for case in result.cases):
            machine = _machine(result.environment)
            results.keep_floor(result.floor_percent, machine, result.started_utc)
        else:
            self.show.message("this floor is not kept: its figures were disturbed")
        return result, path

    def _run(self, plan: Plan, like: Environment | None = None) -> Run:
        """A run; where it has to be `like` an earlier one, it ends as soon as it shows that it
        is not."""

        def complete(environment: Environment) -> Environment:
            environment = self._complete(environment)
            if like is not None:
                refuse_different(environment, like)
            return environment

        return Run(
            plan=plan, show=self.show, complete=complete,
            start=lambda: Conversation(self.launch.argv, env=self.launch.env, cwd=self.launch.cwd),
        )  # fmt: skip

    def _keep_quietly(self, report: BenchReport, path: Path) -> None:
        """Keep what there is so far; where that fails the end will say so, with the figures
        shown."""
        try:
            results.keep(report, path)
        except LabError as error:
            self.show.message(str(error))

    def _complete(self, environment: Environment) -> Environment:
        environment = replace(
            environment, engine=self.choice.engine, receipt=own_identity(), **_source(self)
        )
        return replace(environment, floor_percent=results.floor_of(_machine(environment)))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A run that has ended, not yet kept in its final form.

    Args:
        report: the run.
        path: where it is kept.
        refused: why it was not compared.
    """

    report: BenchReport
    path: Path
    refused: LabError | None

    def keep(self) -> None:
        """Write its file.

        Raises:
            LabError: it could not be written, was interrupted, or could not be compared.
        """
        results.keep(self.report, self.path)
        if self.report.ended == "interrupted":
            raise LabError(
                "The speed test was interrupted.",
                why=f"Ctrl-C came after {self.report.duration_s:.0f} s",
                next_step=f"what was measured until then is kept: ./inv bench --show {self.path}",
            )
        if not self.report.processes and not any(c.samples_s for c in self.report.cases):
            _refuse_empty(self.report)
        if self.refused is not None:
            raise self.refused


def _refuse_empty(report: BenchReport) -> None:
    """A run without one sample is an error, but where no case can run on the device at all."""
    if not any((case.reason or "").startswith("the time was used up") for case in report.cases):
        return
    raise LabError(
        "Nothing could be measured in the time.",
        why=f"it ended after {report.duration_s:.0f} s, before the first sample",
        next_step="give it more time, such as --budget 30",
    )


def make_ready(order: Order, show: Show) -> Bench:
    """Choose where to run, and make the image or the packages where they are missing.

    Raises:
        LabError: it cannot run there.
    """
    plan_of(order, "cpu")  # a wrong name shows before an image is built
    results.check_folder()
    choice = chosen(order.where)
    show.message(choice.why)
    launch = prepare(order.where, WORKER, show.message, piped=True, choice=choice)
    return Bench(order=order, choice=choice, launch=launch, show=show)


def plan_of(order: Order, device: str) -> Plan:
    """The cases and the time of an order.

    Raises:
        LabError: a case, size or dtype that there is none of.
    """
    cases = choose_cases(order.only)
    chosen: dict[str, tuple[Param, ...]] = {"size": order.sizes, "dtype": order.dtypes}
    chosen = {axis: values for axis, values in chosen.items() if values}
    for axis in chosen:
        _refuse_without(axis, cases)
    if chosen and not order.only:  # those that were not named have no use for it
        cases = [case for case in cases if chosen.keys() <= case.axes.keys()]
    requests = [
        CaseRequest(name=case.name, params=params)
        for case in cases
        for params in case.grid(order.level, device, chosen)
    ]
    return Plan(
        cases=requests, device=device, level=order.level,
        processes=_processes(order, _PROCESSES[order.level]), budget_s=order.seconds,
        precision=order.precision_percent / 100, seed=_seed(order), threads=order.threads,
        sizes_chosen=bool(order.sizes), argv=order.argv,
    )  # fmt: skip


def _processes(order: Order, most: int) -> int:
    """As many as the time allows: torch and the first samples take a process some seconds."""
    if order.budget_s is None:
        return most
    return max(1, min(most, int(order.budget_s / _PROCESS_S)))


def _refuse_without(axis: str, cases: list[Case]) -> None:
    if not any(axis in case.axes for case in cases):
        names = ", ".join(case.name for case in choose_cases("") if axis in case.axes)
        raise LabError(
            f"None of the speed tests {', '.join(case.name for case in cases)} has a {axis}.",
            why=f"those that have one: {names}",
            next_step=f"leave --{axis} out, or choose others: --only {names.partition(',')[0]}",
        )


def _seed(order: Order) -> int:
    return secrets.randbelow(1 << 31) if order.seed is None else order.seed


def _machine(environment: Environment) -> str:
    """What a repeatability floor holds for."""
    gpu = environment.gpu
    device = gpu.uuid or gpu.name if gpu else (environment.cpu.model if environment.cpu else "cpu")
    return f"{environment.engine}, {device}, {environment.threads} threads"


def _source(bench: Bench) -> dict[str, str | None]:
    """Where the packages came from: the image by digest, and the lock by its hash."""
    engine, image = bench.choice.engine, bench.launch.image
    if image is None:
        lock = LOCKS / f"{host_lock(bench.choice)}.txt"
        return {"lock_sha256": hash_file(lock) if lock.exists() else None}
    if engine == "apptainer":
        labels = read_labels(Path(image))
        return {
            "image": image, "image_digest": labels.get(DIGEST), "lock_sha256": labels.get(LOCK)
        }  # fmt: skip
    # Podman's Id is that of the image's settings; Docker's is the digest.
    name = "Digest" if engine == "podman" else "Id"
    form = f'{{{{.{name}}}}} {{{{index .Config.Labels "pytorch-lab.lock"}}}}'
    seen = run([engine, "image", "inspect", "--format", form, image])
    digest, _, lock_hash = seen.stdout.strip().partition(" ")
    return {"image": image, "image_digest": digest or None, "lock_sha256": lock_hash or None}


def make_page(report: BenchReport, where: Wish, say: Callable[[str], None]) -> str:
    """The run as a page of HTML; drawn in the lab's environment, which has matplotlib.

    Raises:
        LabError: it could not be drawn.
    """
    launch = prepare(where, _PAGE, say, piped=True)
    drawn = run(
        launch.argv, timeout_s=300, env=launch.env, cwd=launch.cwd,
        stdin=to_json(report, compact=True),
    )  # fmt: skip
    if not drawn.ok or not drawn.stdout.lstrip().startswith("<!"):
        raise _not_drawn(drawn.last_words)
    return drawn.stdout


def make_pages(
    reports: Sequence[BenchReport], where: Wish, say: Callable[[str], None]
) -> list[str | None]:
    """Several runs as pages of HTML, drawn by one process; None for one that could not be drawn.

    Raises:
        LabError: none could be drawn.
    """
    import msgspec

    if not reports:
        return []
    launch = prepare(where, _PAGES, say, piped=True)
    lines = "".join(f"{to_json(report, compact=True)}\n" for report in reports)
    drawn = run(launch.argv, timeout_s=300, env=launch.env, cwd=launch.cwd, stdin=lines)
    try:
        pages = [msgspec.json.decode(line, type=str | None) for line in drawn.stdout.splitlines()]
    except msgspec.DecodeError:
        pages = []
    if not drawn.ok or len(pages) != len(reports):
        raise _not_drawn(drawn.last_words)
    return pages


def _not_drawn(why: str) -> LabError:
    return LabError(
        "The page could not be drawn.",
        why=why,
        next_step="the run itself is kept; try another place to draw it: --engine host",
    )
