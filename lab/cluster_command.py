"""What `inv bench --nodes` does, and `--collect` and `--retry` of its runs."""

import secrets
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from pathlib import Path

from lab.bench_command import Tell, check_folders
from lab.cluster.batch import BatchRequest, batch_script, submission
from lab.cluster.choose import Chosen, choose_nodes
from lab.cluster.folder import Purpose, RunFolder, make_folder, new_name, open_folder, path_of
from lab.cluster.follow import Follower
from lab.cluster.look import last_attempts, look_at, look_at_jobs
from lab.cluster.merge import merge, suspects
from lab.cluster.site import Site, read_site
from lab.cluster.slurm import read_nodes
from lab.cluster.states import phase_of
from lab.cluster.submit import submit_nodes
from lab.engines.choose import check_words, choose
from lab.errors import LabError
from lab.launch import Wish
from lab.locks.install import ensure_environment
from lab.measure import Order, plan_of
from lab.paths import ROOT, state
from lab.records.cluster import ClusterPlan, ClusterReport, Submitted
from lab.records.save import save, to_json
from lab.render.bench.progress import Progress
from lab.render.cluster import cluster_text, plan_text
from lab.units import parse_whole_number

_FAILED = 3
_MOST_NODES = 100_000
# Beyond its budget: torch's start on a busy file system, a case's own set-up.
_ALLOWANCE_S = 900
_SEEDS = 1 << 31


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was typed for the cluster, over the site's defaults.

    Args:
        nodes: a number, `all` or a list; None where no new run is asked for.
        collect, retry: a run's name or folder.
        site: partition and the rest.
        wait: stay until it has ended.
        argv: the command line, for the record.
    """

    nodes: str | None
    collect: str | None
    retry: str | None
    site: Site
    wait: bool
    argv: tuple[str, ...]

    @property
    def any(self) -> bool:
        """Whether it is about a cluster at all."""
        return (self.nodes, self.collect, self.retry) != (None, None, None)


def parse_asked(
    *,
    nodes: str | None,
    collect: str | None,
    retry: str | None,
    partition: str,
    account: str,
    time: str,
    constraint: str,
    exclusive: bool,
    parallel: str,
    no_wait: bool,
    argv: Sequence[str],
    variables: Mapping[str, str],
) -> Asked:
    """Read what was typed.

    Raises:
        LabError: something of it makes no sense, or the site's file does not.
    """
    from msgspec.structs import replace

    for option, value in (("--nodes", nodes), ("--collect", collect), ("--retry", retry)):
        if value is not None and not value.strip():
            raise LabError(
                f"{option} is given nothing.",
                why="what follows it is empty",
                next_step="./inv bench --nodes 4, ./inv bench --collect RUN",
            )
    options = {
        "--partition": partition, "--account": account, "--time": time,
        "--constraint": constraint, "--exclusive": exclusive, "--parallel": parallel,
        "--no-wait": no_wait,
    }  # fmt: skip
    given = [name for name, value in options.items() if value]
    if (nodes, collect, retry) == (None, None, None):
        if given:
            raise LabError(
                f"{given[0]} is for the nodes of a cluster.",
                why="neither --nodes nor --collect nor --retry is given",
                next_step=f"./inv bench --nodes all {given[0]} …, or leave it out",
            )
        return Asked(nodes=None, collect=None, retry=None, site=Site(), wait=True, argv=())
    site = read_site(variables)
    site = replace(
        site, partition=partition or site.partition, account=account or site.account,
        time=time or site.time, constraint=constraint or site.constraint,
        exclusive=exclusive or site.exclusive,
        parallel=parse_whole_number(parallel, "--parallel", least=1, most=_MOST_NODES)
        if parallel else site.parallel,
    )  # fmt: skip
    return Asked(
        nodes=nodes, collect=collect, retry=retry, site=site, wait=not no_wait, argv=tuple(argv)
    )


def plan(order: Order, asked: Asked) -> ClusterPlan:
    """The script and the submissions, of which nothing is done.

    Raises:
        LabError: it could not be done so.
    """
    chosen = _chosen(order, asked)
    request = _request(order, asked, new_name())
    return ClusterPlan(
        script=batch_script(request), nodes=list(chosen.nodes),
        submissions=_submissions(request, chosen.to_submit, asked.site.parallel),
    )  # fmt: skip


def _submissions(
    request: BatchRequest, nodes: Sequence[str], parallel: int | None
) -> list[list[str]]:
    """The command lines; one that is to wait for another job names that one's node for it."""
    rows = parallel or len(nodes)
    return [
        submission(
            request.name, request.folder, node, 1, f"JOB_OF_{nodes[i - rows]}" if i >= rows else ""
        )
        for i, node in enumerate(nodes)
    ]


def run(order: Order, asked: Asked, tell: Tell, *, dry_run: bool) -> int:
    """Do what was asked for; returns the exit code.

    Raises:
        LabError: it could not be done.
    """
    check_folders(tell)
    if dry_run:
        planned = plan(order, asked)
        tell.publish(planned, plan_text(planned))
        return 0
    if asked.collect is not None:
        return _go_on(open_folder(asked.collect), asked, tell)
    if asked.retry is not None:
        return _retry(open_folder(asked.retry), asked, tell)
    chosen = _chosen(order, asked)
    folder = _begin(order, asked, chosen, tell)
    return _submit_and_go_on(folder, chosen.to_submit, "first", asked, tell)


def _chosen(order: Order, asked: Asked) -> Chosen:
    """The nodes of a new run; whatever is wrong with the speed tests shows first."""
    assert asked.nodes is not None
    plan_of(order, "cpu")
    if order.where.engine not in ("auto", "host"):
        check_words(order.where.engine, order.where.device)
        raise LabError(
            f"The engine {order.where.engine} is not used on the nodes of a cluster yet.",
            why="their jobs run in the locked environment, which is on the shared folder",
            next_step="leave --engine out, or pass --engine host",
        )
    return choose_nodes(
        asked.nodes, read_nodes(asked.site.partition), asked.site.partition, asked.site.constraint
    )


def _request(order: Order, asked: Asked, name: str) -> BatchRequest:
    site = asked.site
    return BatchRequest(
        name=name, folder=path_of(name), clone=ROOT, state=state().absolute(),
        words=node_words(order, _device(order.where), secrets.randbelow(_SEEDS)),
        partition=site.partition, account=site.account, constraint=site.constraint,
        time=site.time or str(ceil((order.seconds + _ALLOWANCE_S) / 60)),
        exclusive=site.exclusive, options=tuple(site.options),
    )  # fmt: skip


def node_words(order: Order, device: str, seed: int) -> tuple[str, ...]:
    """What the job of each node has ./inv do; data and order are the same on all of them."""
    valued = {
        "--only": order.only,
        "--size": ",".join(map(str, order.sizes)),
        "--dtype": ",".join(order.dtypes),
        "--budget": f"{order.budget_s:g}" if order.budget_s else "",
        "--precision": f"{order.precision_percent:g}",
        "--threads": str(order.threads or ""),
        "--seed": str(seed if order.seed is None else order.seed),
    }
    level = [] if order.level == "default" else [f"--{order.level}"]
    given = [word for name, value in valued.items() if value for word in (name, value)]
    return ("bench", "--engine", "host", "--device", device, *level, *given)


def _device(where: Wish) -> str:
    """The one device of all nodes: what was asked for, else what this machine has."""
    check_words("host", where.device)
    if where.device == "mps":
        raise LabError(
            "Slurm's nodes have no device mps.",
            why="it is Apple's GPU",
            next_step="pass --device cpu or --device cuda",
        )
    return choose("host").device if where.device == "auto" else where.device


def _begin(order: Order, asked: Asked, chosen: Chosen, tell: Tell) -> RunFolder:
    """Make ready what the nodes need, and write down who is asked."""
    name = new_name()
    request = _request(order, asked, name)
    script = batch_script(request)
    # Made once, here, rather than by all nodes at once.
    ensure_environment("cuda" if "cuda" in request.words else "cpu", say=tell.say)
    submitted = Submitted(
        run=name, argv=list(asked.argv), nodes=list(chosen.nodes), unavailable=chosen.unavailable,
        submitted_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        parallel=asked.site.parallel, floor_percent=asked.site.floor_percent,
    )  # fmt: skip
    return make_folder(submitted, script)


def _submit_and_go_on(
    folder: RunFolder, nodes: Sequence[str], purpose: Purpose, asked: Asked, tell: Tell
) -> int:
    parallel = asked.site.parallel or folder.submitted.parallel
    with _leaving(folder), Progress() as progress:
        progress.begin(len(nodes))
        submit_nodes(folder, nodes, purpose, parallel, progress.step)
    if not asked.wait:
        tell.publish(folder.submitted, folder.name)
        tell.say(f"submitted; ./inv bench --collect {folder.name} shows what came of it")
        return 0
    return _go_on(folder, asked, tell)


def _retry(folder: RunFolder, asked: Asked, tell: Tell) -> int:
    """Run again what is missing, but what still waits or runs, or is not there."""
    jobs = look_at_jobs(folder, thorough=True)
    going = {
        attempt.entry.node
        for attempt in last_attempts(folder)
        if phase_of(look_at(attempt, jobs, read=False)) in ("pending", "running")
    }
    down = {node.name for node in read_nodes() if not node.available}
    missing = [node.name for node in merge(folder, jobs).nodes if node.state != "ok"]
    again = [node for node in missing if node not in going | down]
    for node in sorted(down & set(missing)):
        tell.say(f"{node} is still down or drained")
    if not again:
        tell.say("nothing is to be run again")
        return _go_on(folder, asked, tell)
    return _submit_and_go_on(folder, again, "retry", asked, tell)


def _go_on(folder: RunFolder, asked: Asked, tell: Tell) -> int:
    """Wait for a run unless told not to, and show what came of it."""
    if not asked.wait:
        return _show(folder, merge(folder, look_at_jobs(folder, thorough=True)), tell)
    with _leaving(folder), Progress() as progress:
        progress.begin(len(folder.submitted.nodes))
        follower = Follower(run=folder, step=progress.step, say=progress.message)
        follower.wait()
        report = merge(folder, look_at_jobs(folder, thorough=True))
        slow = suspects(report)
        if slow:
            progress.message(f"slow, and run once more before it is said: {', '.join(slow)}")
            with suppress(LabError):  # that Slurm took none of them shows in the report
                parallel = asked.site.parallel or folder.submitted.parallel
                submit_nodes(folder, slow, "recheck", parallel, progress.step)
            follower.wait()
            report = merge(folder, look_at_jobs(folder, thorough=True))
    return _show(folder, report, tell)


class _leaving:
    """Ctrl-C leaves the jobs alone, and says how to come back."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is KeyboardInterrupt:
            raise LabError(
                f"You left the run {self._folder.name}; its jobs go on.",
                why="Ctrl-C ends what watches them, not the jobs",
                next_step=(
                    f"./inv bench --collect {self._folder.name}; scancel"
                    f" --name={self._folder.name} ends them"
                ),
            )


def _show(folder: RunFolder, report: ClusterReport, tell: Tell) -> int:
    path: Path = folder.path / "cluster.json"
    save(to_json(report), path)
    tell.publish(report, cluster_text(report, sys.stdout))
    tell.say(f"kept in {path}")
    well = all(n.state == "ok" and n.verdict in ("ok", "unknown") for n in report.nodes)
    return 0 if well else _FAILED
