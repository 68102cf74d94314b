"""What a task does with `--nodes`, and with `--collect` and `--retry` of its runs."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from msgspec.structs import replace

from lab.bench_command import Tell, check_folders, short_path
from lab.cluster.batch import batch_script
from lab.cluster.choose import Chosen
from lab.cluster.folder import RunFolder, make_folder, new_name, open_folder
from lab.cluster.follow import Follower
from lab.cluster.look import Jobs, last_attempts, look_at, look_at_jobs
from lab.cluster.merge import merge, suspects
from lab.cluster.network_folder import plan_network
from lab.cluster.network_merge import network_is_well
from lab.cluster.reference import compare_with, read_reference
from lab.cluster.site import Site
from lab.cluster.slurm import read_nodes
from lab.cluster.states import phase_of
from lab.cluster.submit import submit_wanted
from lab.cluster_network import measure_between, network_record
from lab.cluster_order import chosen_nodes, gpus_of, network_job, plan, request_of
from lab.cluster_place import make_ready
from lab.cluster_report import write_report
from lab.cluster_work import Work
from lab.errors import LabError
from lab.on_nodes import Asked
from lab.records.cluster import ClusterReport, Submitted
from lab.records.save import save, to_json
from lab.render.bench.progress import Progress
from lab.render.cluster import cluster_text, plan_text
from lab.render.cluster_live import ClusterProgress

_FAILED = 3
# A warning alone is no failure, as of one machine's GPUs.
_WELL = ("ok", "warn", "unknown")


def run(work: Callable[[Site], Work], asked: Asked, tell: Tell, *, dry_run: bool) -> int:
    """Do what was asked for; returns the exit code.

    Args:
        work: makes what every node is to do, with the site's defaults; called for a new run alone.
        asked: what was typed for the cluster.
        tell: where results go.
        dry_run: show what would be submitted.

    Raises:
        LabError: it could not be done.
    """
    check_folders(tell)
    _refuse_too_early(asked, tell, dry_run=dry_run)
    if asked.reference is not None:
        read_reference(asked.reference)  # a misspelt name shows before hours are spent
    if dry_run:
        planned = plan(work(asked.site), asked)
        tell.publish(planned, plan_text(planned))
        return 0
    if asked.collect is not None:
        return _go_on(open_folder(asked.collect), asked, tell)
    if asked.retry is not None:
        return _retry(open_folder(asked.retry), asked, tell)
    new = work(asked.site)
    chosen = chosen_nodes(asked)
    folder = _begin(new, asked, chosen, tell)
    folder.want(chosen.to_submit, "first")
    return _submit_and_go_on(folder, asked, tell)


def _refuse_too_early(asked: Asked, tell: Tell, *, dry_run: bool) -> None:
    """What is made of figures needs some: a command that does not wait for them has none."""
    for option, given in (
        ("--report", tell.report is not None), ("--reference", asked.reference is not None)
    ):  # fmt: skip
        if given and asked.collect is None and (dry_run or not asked.wait):
            other = "--dry-run" if dry_run else "--no-wait"
            raise LabError(
                f"{other} and {option} exclude each other.",
                why=f"{other} ends before there is a figure",
                next_step=f"pass it later: ./inv bench --collect RUN {option} …",
            )


def _begin(work: Work, asked: Asked, chosen: Chosen, tell: Tell) -> RunFolder:
    """Make ready what the nodes need, and write down who is asked."""
    name = new_name()
    gpus = gpus_of(asked, chosen)
    request = request_of(work, asked, name, gpus)
    if work.place is not None:
        make_ready(work.place, tell.say)
    submitted = Submitted(
        kind=work.kind, run=name, argv=list(asked.argv),
        nodes=list(chosen.nodes), unavailable=chosen.unavailable,
        submitted_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        limits=asked.limits, floor_percent=asked.site.floor_percent, gpus=gpus,
    )  # fmt: skip
    folder = make_folder(submitted, batch_script(request))
    if work.network is not None and (script := network_job(work, request, asked)):
        plan_network(folder, work.network, script)
    return folder


def _submit_and_go_on(folder: RunFolder, asked: Asked, tell: Tell) -> int:
    with _leaving(folder), Progress() as progress:
        progress.begin(len(folder.submitted.nodes))
        submit_wanted(folder, folder.submitted.limits, _ask(folder).queued, progress.step)
    if not asked.wait:
        tell.publish(folder.submitted, folder.name)
        left = len(folder.wanted())
        goes_on = f"; {left} nodes come later: somebody has to follow the run" if left else ""
        tell.say(f"submitted{goes_on}; ./inv {folder.kind} --collect {folder.name}")
        return 0
    return _go_on(folder, asked, tell)


def _retry(folder: RunFolder, asked: Asked, tell: Tell) -> int:
    """Run again what is missing, but what still waits or runs, or is not there."""
    jobs = _ask(folder)
    going = {
        attempt.entry.node
        for attempt in last_attempts(folder)
        if phase_of(look_at(attempt, jobs, read=False)) in ("pending", "running")
    }
    missing = [node.name for node in merge(folder, jobs).nodes if node.state != "ok"]
    if missing:
        down = {node.name for node in read_nodes() if not node.available}
        for node in sorted(down & set(missing)):
            tell.say(f"{node} is still down or drained")
        missing = [node for node in missing if node not in going | down]
    if asked.limits_typed:
        folder = folder.with_limits(asked.limits)
    if not missing:
        tell.say("nothing is to be run again")
        return _go_on(folder, asked, tell)
    folder.want(missing, "retry")
    return _submit_and_go_on(folder, asked, tell)


def _go_on(folder: RunFolder, asked: Asked, tell: Tell) -> int:
    """Wait for a run unless told not to, and show what came of it."""
    if not asked.wait:
        return _show(folder, merge(folder, _ask(folder)), asked, tell)
    with _leaving(folder), ClusterProgress() as progress:
        progress.begin(len(folder.submitted.nodes))
        follower = Follower(
            run=folder, step=progress.step, say=progress.message, view=progress.view
        )  # fmt: skip
        follower.wait()
        report = merge(folder, _ask(folder))
        if suspects(report) and _run_again(folder, suspects(report), progress):
            follower.wait()
            report = merge(folder, _ask(folder))
        if asked.network:
            measure_between(
                folder, report, again=asked.retry is not None, step=progress.step,
                say=progress.message,
            )  # fmt: skip
    return _show(folder, report, asked, tell)


def _run_again(folder: RunFolder, slow: Sequence[str], progress: Progress) -> bool:
    """Run the slow nodes once more, so that nobody is named for a moment's disturbance."""
    try:
        read_nodes()
    except LabError as error:
        progress.message(f"{', '.join(slow)} cannot be run again from here: {error.why}")
        return False
    progress.message(f"slow, and run once more before it is said: {', '.join(slow)}")
    attempts = folder.attempts()  # another command that follows this run may have been quicker
    new = [node for node in slow if attempts[node][-1].entry.purpose != "recheck"]
    folder.want(new, "recheck")  # the follower submits them
    return True


def _ask(folder: RunFolder) -> Jobs:
    """The jobs of a run; a job that Slurm does not speak of must not be taken for gone.

    Raises:
        LabError: there is no Slurm here, or it does not answer.
    """
    jobs = look_at_jobs(folder, thorough=True)
    if not jobs.answered:
        raise LabError(
            "Slurm does not answer.",
            why=f"`squeue` does not say what became of the jobs of {folder.name}",
            next_step=f"later: ./inv {folder.kind} --collect {folder.name}",
        )
    return jobs


@contextmanager
def _leaving(folder: RunFolder) -> Iterator[None]:
    """Ctrl-C leaves the jobs alone, and says how to come back."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise LabError(
            f"You left the run {folder.name}; its jobs go on.",
            why="Ctrl-C ends what watches them, not the jobs",
            next_step=f"./inv {folder.kind} --collect {folder.name}; scancel --name={folder.name}"
            " ends them",
        ) from error


def _show(folder: RunFolder, report: ClusterReport, asked: Asked, tell: Tell) -> int:
    network = network_record(folder, report, _ask, wanted=asked.network)
    goes_on = network is not None and network.state == "running"
    report = replace(report, network=network, complete=report.complete and not goes_on)
    path = folder.path / "cluster.json"
    if asked.reference is not None:
        report = compare_with(report, read_reference(asked.reference))
    tell.publish(report, cluster_text(report, sys.stdout))
    try:  # somebody else's run can be read, and a full disk hides no figure
        save(to_json(report), path)
        tell.say(f"kept in {path}")
    except LabError as error:
        tell.say(f"not kept in {path}: {error.why}")
    if tell.report is not None:
        write_report(report, tell.report, asked.where, tell.say)
        tell.say(f"the page is {short_path(tell.report)}")
    well = all(node.state == "ok" and node.verdict in _WELL for node in report.nodes)
    slower = report.reference is not None and report.reference.slower
    return 0 if well and not slower and network_is_well(network) else _FAILED
