"""Makes the record of a run from the files of its nodes; it can be made anew at any time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import expm1
from statistics import median

from lab.cluster.figures import Figure, Figures, Key, figures_of
from lab.cluster.folder import Attempt, RunFolder
from lab.cluster.judge import LEAST_NODES, Standing, Usual, likely_cause, scale_of, standings
from lab.cluster.look import Jobs, last_attempts, look_at, main_attempt, recheck_of
from lab.cluster.odd import odd_ones_out
from lab.cluster.states import phase_of, state_of
from lab.records.cluster import Cause, ClusterReport, Node, NodeCase, Spread, State, Verdict


@dataclass(frozen=True, kw_only=True)
class _Gathered:
    """One node, read from its files."""

    attempts: list[Attempt]
    state: State
    reasons: list[str]
    figures: Figures | None
    recheck: Figures | None
    rechecked: str
    """Why its second run has no figures; empty where it has, or was not made or has not ended."""


@dataclass(frozen=True, kw_only=True)
class _Ground:
    """What a node is compared with."""

    gathered: Mapping[str, _Gathered]
    standing: Mapping[str, Mapping[Key, Standing]]
    measured: frozenset[Key]
    """The cases that at least one node has a figure of."""


def merge(run: RunFolder, jobs: Jobs) -> ClusterReport:
    """Gather, compare and judge all nodes of a run.

    Args:
        run: the run.
        jobs: as Slurm knows them.
    """
    attempts = run.attempts()
    gathered = {node: _gather(node, run, attempts[node], jobs) for node in run.submitted.nodes}
    figures = {node: g.figures for node, g in gathered.items() if g.figures is not None}
    floor = run.submitted.floor_percent / 100
    usual = Usual(figures)
    standing = {
        node: standings(node, own, gathered[node].recheck, usual, floor)
        for node, own in figures.items()
    }
    measured = frozenset(
        key for own in figures.values() for key, f in own.cases.items() if f.time_s is not None
    )
    ground = _Ground(gathered=gathered, standing=standing, measured=measured)
    phases = [phase_of(look_at(a, jobs, read=False)) for a in last_attempts(run)]
    environments = {node: own.environment for node, own in figures.items()}
    return ClusterReport(
        run=run.name, folder=str(run.path), argv=run.submitted.argv,
        submitted_utc=run.submitted.submitted_utc,
        collected_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        complete=not {"pending", "running"} & set(phases),
        floor_percent=run.submitted.floor_percent,
        nodes=[_node(node, run, ground) for node in run.submitted.nodes],
        cases=_spreads(figures), odd_ones_out=odd_ones_out(environments),
    )  # fmt: skip


def suspects(report: ClusterReport) -> list[str]:
    """The nodes that were slow once, to be run again before they are named."""
    return [node.name for node in report.nodes if node.verdict == "suspect"]


def _gather(node: str, run: RunFolder, attempts: list[Attempt], jobs: Jobs) -> _Gathered:
    main, again = main_attempt(attempts), recheck_of(attempts)
    if main is None:
        why = run.submitted.unavailable.get(node, "it was not submitted: the command ended before")
        return _Gathered(
            attempts=attempts, state="never_started", reasons=[why], figures=None, recheck=None,
            rechecked="",
        )  # fmt: skip
    seen = look_at(main, jobs, read=True)
    state, reasons = state_of(seen)
    figures = figures_of(seen.report) if seen.report is not None else None
    recheck, rechecked = None, ""
    if again is not None:
        second = look_at(again, jobs, read=True)
        if second.whole and second.report is not None:
            recheck = figures_of(second.report)
        if phase_of(second) == "lost" or (second.whole and not _any(recheck)):
            rechecked = "; ".join(state_of(second)[1])
    return _Gathered(
        attempts=attempts, state=state, reasons=reasons,
        figures=figures if _any(figures) else None, recheck=recheck if _any(recheck) else None,
        rechecked=rechecked,
    )  # fmt: skip


def _any(figures: Figures | None) -> bool:
    """Whether there is a single figure."""
    return figures is not None and any(f.time_s is not None for f in figures.cases.values())


def _node(name: str, run: RunFolder, ground: _Ground) -> Node:
    own = ground.gathered[name]
    state, lacking = _complete(name, ground)
    verdict, cause, words = _verdict(name, ground)
    main, again = main_attempt(own.attempts), recheck_of(own.attempts)
    return Node(
        name=name, state=state, verdict=verdict, cause=cause,
        reasons=[*own.reasons, *lacking, *words], cases=_cases(name, ground),
        jobs=[number for a in own.attempts if (number := a.entry.job or a.begun())],
        file=_relative(main, run), recheck_file=_relative(again, run),
    )  # fmt: skip


def _relative(attempt: Attempt | None, run: RunFolder) -> str | None:
    path = attempt.result_file() if attempt is not None else None
    return str(path.relative_to(run.path)) if path is not None else None


def _complete(name: str, ground: _Ground) -> tuple[State, list[str]]:
    """A node's state, beside what the others measured: what one alone lacks makes it partial."""
    own = ground.gathered[name]
    if own.state != "ok" or own.figures is None:
        return own.state, []
    lacking = [
        f"{figure.case.name} has no figure: {figure.case.reason}"
        for key, figure in own.figures.cases.items()
        if figure.time_s is None and key in ground.measured
    ]
    return ("partial" if lacking else "ok"), lacking


def _verdict(name: str, ground: _Ground) -> tuple[Verdict, Cause | None, list[str]]:
    own = ground.gathered[name]
    if own.figures is None:
        return "unknown", None, []
    standing = ground.standing[name]
    if not standing:
        few = f"fewer than {LEAST_NODES} nodes have figures to compare"
        return "unknown", None, [few]
    slow = [key for key, where in standing.items() if where.slow]
    if not slow:
        return "ok", None, []
    seen = [_slowness(own.figures, key, standing[key]) for key in slow]
    if own.recheck is None and not own.rechecked:
        return "suspect", None, [*seen, "it was not run again yet"]
    if own.rechecked:
        seen.append(f"its second run has no figures: {own.rechecked}")
    others = [
        g.figures for node, g in ground.gathered.items()
        if g.figures is not None and not any(w.slow for w in ground.standing[node].values())
    ]  # fmt: skip
    cause, words = likely_cause(own.figures, others, slow)
    return "straggler", cause, [*seen, words]


def _slowness(figures: Figures, key: Key, where: Standing) -> str:
    case = figures.cases[key].case
    params = " ".join(str(value) for value in case.params.values())
    return f"{case.name} {params} takes {where.ratio:.2f} times as long as on the others".replace(
        "  ", " "
    )


def _cases(name: str, ground: _Ground) -> list[NodeCase]:
    own = ground.gathered[name]
    if own.figures is None:
        return []
    cases = []
    for key, figure in own.figures.cases.items():
        again = own.recheck.cases.get(key) if own.recheck is not None else None
        where = ground.standing[name].get(key)
        cases.append(
            NodeCase(
                name=figure.case.name, params=figure.case.params, device=figure.case.device,
                time_s=figure.time_s, recheck_time_s=again.time_s if again else None,
                median_s=figure.case.median_s, case_verdict=figure.case.verdict,
                clean_percent=None if figure.clean_share is None else 100 * figure.clean_share,
                ratio=where.ratio if where else None, score=where.score if where else None,
                slow=where.slow if where else False,
            )
        )  # fmt: skip
    return cases


def _spreads(figures: Mapping[str, Figures]) -> list[Spread]:
    """What is usual for each case, in the order in which the nodes measured them."""
    found: dict[Key, list[Figure]] = {}
    for own in figures.values():
        for key, figure in own.cases.items():
            if figure.time_s is not None:
                found.setdefault(key, []).append(figure)
    return [_spread(cases, key[2]) for key, cases in found.items()]


def _spread(cases: list[Figure], device: str) -> Spread:
    times = [figure.time_s for figure in cases if figure.time_s is not None]
    deviation = None
    if len(times) >= LEAST_NODES:
        deviation = 100 * expm1(min(scale_of(times).deviation, 700))  # beyond that a float ends
    first = cases[0].case
    return Spread(
        name=first.name, params=first.params, device=device, nodes=len(times),
        median_s=median(times), deviation_percent=deviation,
    )  # fmt: skip
