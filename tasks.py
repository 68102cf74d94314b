"""The lab's commands. Each parses its arguments, calls lab, and prints; nothing else."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial, wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke import Context, Exit, Task, task

if TYPE_CHECKING:
    from types import TracebackType

    from msgspec import Struct

    from lab.cluster.site import Site
    from lab.cluster_work import Work
    from lab.errors import LabError
    from lab.records.cluster import Kind

# `invoke TASK` with an invoke of the user's own is the same as `./inv TASK`: the runner's own
# environment has what lab imports, at the versions of the lock.
_IS_COMMAND = Path(sys.argv[0]).name in ("inv", "invoke", "__main__.py", "command_line.py")
if _IS_COMMAND and "LAB_RUNNER" not in os.environ:
    _inv = str(Path(__file__).with_name("inv"))
    os.execv(_inv, [_inv, *sys.argv[1:]])


def _last_resort(
    kind: type[BaseException], error: BaseException, trace: "TracebackType | None"
) -> None:
    """What invoke itself lets through, such as `inv --list | head -1`: no traceback for it."""
    if isinstance(error, BrokenPipeError):
        os._exit(141)  # as a shell says it; nobody reads what would be flushed
    sys.__excepthook__(kind, error, trace)


if _IS_COMMAND:
    sys.excepthook = _last_resort

_ENGINE = "where to run: auto, docker, podman, apptainer or host (default: auto)"
_DEVICE = "what torch runs on: auto, cpu, cuda or mps (default: auto)"
_JSON = "print one JSON document on standard output, and nothing else there"
_OUTPUT = "write the JSON document to this file, at once and whole"
_WORK = "the student's folder (default: work/ in the clone)"
_IMAGE = "run this image as it is, instead of the clone's own"
_BASE = "an image at hand that stands in for the Dockerfile's base"
_LANGUAGE = "of what people read: es or en (default: LAB_LANGUAGE, or the terminal's)"
_DRY_RUN = "print the command line that would be run, and run nothing"


# Options of the tasks that can run on the nodes of a cluster, with their defaults and help.
_ON_NODES: dict[str, tuple[Any, str]] = {
    "nodes": (None, "on the nodes of a Slurm cluster: a number, all, or a list such as n[1-3,8]"),
    "partition": ("", "of the nodes; this and the next: as sbatch takes it, or from cluster.toml"),
    "account": ("", "that the jobs are charged to"),
    "time": ("", "that a node's job may take (default: its budget and 15 minutes)"),
    "constraint": ("", "features that the nodes must have, such as a100&ib"),
    "exclusive": (False, "each node's job has the node to itself"),
    "parallel": ("", "nodes at once (default: all)"),
    "chunk": ("", "nodes of one job, at most (default: 1)"),
    "max_submit": ("", "jobs in the queue at once; the next follow as they end (default: all)"),
    "gpus_per_node": ("", "GPUs that a job asks for on each node: a number, or all that it has"),
    "no_wait": (
        False,
        "print the run's name once its jobs are submitted; with --collect what there is",
    ),
    "collect": (
        None,
        "go on with a run of --nodes, by its name: wait for it, then show what came",
    ),
    "retry": (None, "run again the nodes of a run of --nodes that have no complete result"),
}
_HELP_ON_NODES = {name.replace("_", "-"): words for name, (_, words) in _ON_NODES.items()}


def _is_on_nodes(given: dict[str, Any]) -> bool:
    """Whether one of them was given."""
    return any(value != _ON_NODES[name][0] for name, value in given.items())


class _Task(Task):  # type: ignore[type-arg]
    """A task without the short option `--`, which invoke makes of the dash in a name such as
    no-wait."""

    def arg_opts(self, name: str, default: str, taken_names: set[str]) -> dict[str, Any]:
        """What invoke makes of a parameter."""
        found = super().arg_opts(name, default, taken_names)
        found["names"] = [known for known in found["names"] if known != "-"]
        return found


def say(line: str) -> None:
    """Tell a person something; standard output is for results."""
    print(line, file=sys.stderr, flush=True)


def command(body: Callable[..., None]) -> Any:
    """Make a task of a function: an error that a person can mend becomes its text and an exit
    code. Where it takes `**on_nodes`, it has the options for the nodes of a cluster."""

    @wraps(body)
    def checked(context: Context, **arguments: Any) -> None:
        from lab.errors import LabError, of_full_disk

        try:
            body(context, **arguments)
        except LabError as error:
            raise _refuse(error, json=bool(arguments.get("json"))) from error
        except KeyboardInterrupt as error:
            say("interrupted")
            raise Exit(code=130) from error
        except BrokenPipeError as error:  # the reader has gone: `inv logs | head`
            sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - until the process ends
            raise Exit(code=141) from error
        except OSError as error:
            full = of_full_disk(error)
            if full is None:
                raise
            raise _refuse(full, json=bool(arguments.get("json"))) from error

    # Invoke reads the names and defaults of the arguments from the function that it is given.
    own = list(signature(body).parameters.values())
    if own[-1].kind is Parameter.VAR_KEYWORD:
        added = [
            Parameter(name, Parameter.KEYWORD_ONLY, default=default)
            for name, (default, _) in _ON_NODES.items()
        ]
        checked.__signature__ = signature(body).replace(parameters=own[:-1] + added)  # type: ignore[attr-defined]
    return checked


def _refuse(error: "LabError", *, json: bool) -> Exit:
    """Show an error, as JSON too where that was asked for; returns the end of the process."""
    say(str(error))
    if json:
        from lab.records.error import of_error
        from lab.records.save import to_json

        with suppress(OSError):  # the error may be that nothing can be written there
            print(to_json(of_error(error)), flush=True)
    return Exit(code=error.exit_code)


def _publish(
    record: "Struct",
    text: str,
    *,
    json: bool,
    output: str,
    private: bool = False,
    compact: bool = False,
) -> None:
    """Show a result: for a person, or as JSON, and in a file where one was named."""
    from lab.paths import typed_path
    from lab.records.save import save, to_json

    document = to_json(record, compact=compact) if json or output else ""
    if output:
        save(document, typed_path(output), private=private)
    print(document if json else text, flush=True)


def _show_plan(argv: list[str], *, json: bool, output: str) -> None:
    """Show a command line that was not run."""
    from shlex import join

    from lab.records.plan import Plan

    _publish(Plan(argv=argv), join(argv), json=json, output=output)


def _refuse_clash(
    kind: "Kind", on_nodes: dict[str, Any], ways: dict[str, bool], asked: dict[str, Any]
) -> None:
    """Refuse options that exclude each other, of a task that can run on a cluster's nodes."""
    from lab.on_nodes import refuse_clash

    refuse_clash(kind, on_nodes, ways, asked)


def _run_on_nodes(
    kind: "Kind", on_nodes: dict[str, Any], work: "Callable[[Site], Work]", *, json: bool,
    output: str, dry_run: bool, report: Path | None = None, **afterwards: Any,
) -> None:  # fmt: skip
    """Run a task on the nodes of a cluster, or go on with a run, and end; `afterwards` as Asked has
    it."""
    from dataclasses import replace

    from lab import cluster_command
    from lab.bench_command import Tell
    from lab.on_nodes import parse_asked

    tell = Tell(
        publish=lambda record, text: _publish(record, text, json=json, output=output, compact=True),
        say=say, report=report, output=_path(output),
    )  # fmt: skip
    asked = replace(parse_asked(kind, on_nodes, _words_from(kind), os.environ), **afterwards)
    _end(cluster_command.run(work, asked, tell, dry_run=dry_run))


def _end(code: int) -> None:
    """End with an exit code."""
    if code:
        raise Exit(code=code)


def _words_from(task_name: str) -> list[str]:
    """The command line as it was typed, without what ./inv puts before it."""
    words = sys.argv[1:]
    return words[words.index(task_name) :] if task_name in words else words


def _path(text: str) -> Path | None:
    from lab.paths import typed_path

    return typed_path(text) if text else None


@task(
    name="lab",
    help={
        "work": _WORK,
        "port": "publish on this port (default: the first free one from 8888 on)",
        "engine": _ENGINE,
        "device": _DEVICE,
        "open": "open the page in a browser (over ssh: print the ssh line instead)",
        "image": _IMAGE,
        "base": _BASE,
        "memory": "limit for the container, such as 8g (default: none); with --slurm of the job",
        "dry-run": _DRY_RUN,
        "json": _JSON,
        "output": _OUTPUT,
        "slurm": "as a job on a node of a Slurm cluster; waits for it and prints the ssh line",
        "partition": "of the node; this and the next: as sbatch takes it, or from cluster.toml",
        "account": "that the job is charged to",
        "time": "that the lab may last (default: the partition's own)",
        "constraint": "features that the node must have, such as a100&ib",
        "gpus": "GPUs of the node: a number, or a kind and a number such as a100:1",
        "cpus": "processors of the node",
    },
)
@command
def start_lab(
    context: Context,
    work: str = "",
    port: str = "",
    engine: str = "auto",
    device: str = "auto",
    open: bool = False,
    image: str = "",
    base: str = "",
    memory: str = "",
    dry_run: bool = False,
    json: bool = False,
    output: str = "",
    slurm: bool = False,
    partition: str = "",
    account: str = "",
    time: str = "",
    constraint: str = "",
    gpus: str = "",
    cpus: str = "",
) -> None:
    """Start JupyterLab and print its address; prints the address of the one that runs already.

    The first start builds the image, or on the host installs the packages; later ones take seconds.
    Examples: ./inv lab --work ~/course --open    ./inv lab --slurm --time 4:00:00 --gpus 1
    """
    from lab import course_command
    from lab.launch import Wish
    from lab.render.cluster import plan_text
    from lab.render.session import session_text
    from lab.server import control, slurm_order, slurm_start
    from lab.server.browser import open_page
    from lab.server.port import parse_port
    from lab.units import parse_memory

    wish = Wish(
        work=_path(work),
        port=parse_port(port) if port else None,
        engine=engine,
        device=device,
        image=image or None,
        base=base,
        memory_bytes=parse_memory(memory) if memory else None,
    )
    asked = slurm_order.parse_asked(
        wish, slurm=slurm, partition=partition, account=account, time=time,
        constraint=constraint, gpus=gpus, cpus=cpus, variables=dict(os.environ),
    )  # fmt: skip
    if dry_run and asked is not None:
        planned = slurm_order.plan(asked)
        _publish(planned, plan_text(planned), json=json, output=output)
        return
    if dry_run:
        _show_plan(control.plan(wish), json=json, output=output)
        return
    session = control.start(wish, say) if asked is None else slurm_start.start(asked, say)
    if session.work:
        course_command.offer(Path(session.work), say)
    _publish(session, session_text(session), json=json, output=output, private=True)
    if open:
        open_page(session, say)


@task(name="stop", help={"json": _JSON, "output": _OUTPUT})
@command
def stop_lab(context: Context, json: bool = False, output: str = "") -> None:
    """Stop the lab; the files in the work folder stay."""
    from msgspec.structs import replace

    from lab.server import control

    before = control.stop(say)
    text = f"The lab has stopped; its files are in {before.work or 'the work folder'}."
    if before.state == "stopped":
        text = "No lab was running."
    after = replace(before, state="stopped", url=None, ssh=None)
    _publish(after, text, json=json, output=output)


@task(help={"json": _JSON, "output": _OUTPUT})
@command
def status(context: Context, json: bool = False, output: str = "") -> None:
    """Say whether the lab runs, where, and at which address."""
    from lab.render.session import session_text
    from lab.server import running

    session = running.status()
    _publish(session, session_text(session), json=json, output=output, private=True)


@task(help={"follow": "go on showing what comes, until Ctrl-C"})
@command
def logs(context: Context, follow: bool = False) -> None:
    """Show the log of the lab that runs, or of the last one on the host."""
    from lab.process import attach
    from lab.server import running

    code = attach(running.logs_arguments(follow), merged=True)
    if code:
        raise Exit(code=130 if code == 130 else 2)


@task(
    help={
        "command": "run this command instead of a terminal, and end with its exit code",
        "work": _WORK,
        "engine": _ENGINE,
        "device": _DEVICE,
        "image": _IMAGE,
        "base": _BASE,
        "dry-run": _DRY_RUN,
    }
)
@command
def shell(
    context: Context,
    command: str = "",
    work: str = "",
    engine: str = "auto",
    device: str = "auto",
    image: str = "",
    base: str = "",
    dry_run: bool = False,
) -> None:
    """Open a terminal in the lab's environment, in the work folder; those of the lab that runs.

    Example: ./inv shell --command "python -c 'import torch; print(torch.__version__)'"
    """
    import shlex

    from lab.launch import Wish, prepare
    from lab.server import control

    wish = Wish(work=_path(work), engine=engine, device=device, image=image or None, base=base)
    wish = control.like_running(wish)
    words = ("bash", "-c", command) if command else ("bash",)
    launched = prepare(wish, words, say, dry_run=dry_run)
    if dry_run:
        print(shlex.join(launched.argv))
        return
    code = launched.run()
    if code:
        raise Exit(code=code)


@task(
    help={
        "device": "which image: cpu or cuda (default: cpu)",
        "sif": "make the image file for Apptainer as well, which the nodes of a cluster run",
        "archive": "write the image to this file as well, to carry it where no Docker is",
        "from-archive": "build nothing: make the image file for Apptainer of such an archive",
        "check": "build twice from nothing and compare digests; names the file that differs",
        "base": _BASE,
        "platform": "build for another platform, such as linux/arm64 (needs its emulation)",
        "no-cache": "use no step of an earlier build",
        "receipt": "write what the image is, for students to verify; needs the image to run here",
        "verbose": "show all that the builder says",
        "dry-run": _DRY_RUN,
        "json": _JSON,
        "output": _OUTPUT,
    }
)
@command
def build(
    context: Context,
    device: str = "cpu",
    check: bool = False,
    receipt: bool = False,
    base: str = "",
    platform: str = "",
    no_cache: bool = False,
    verbose: bool = False,
    dry_run: bool = False,
    json: bool = False,
    output: str = "",
    sif: bool = False,
    archive: str = "",
    from_archive: str = "",
) -> None:
    """Build the lab's image and print its digest and size.

    With --receipt a teacher has the file that students' machines are compared with: ./inv verify
    Examples: ./inv build    ./inv build --sif    ./inv build --archive lab.tar
    """
    from lab import receipt_command
    from lab.image import report
    from lab.render.build import build_text

    report.refuse_senseless(
        from_archive,
        {
            "check": check, "base": base, "platform": platform, "no-cache": no_cache,
            "archive": archive, "receipt": receipt, "dry-run": dry_run,
        },
    )  # fmt: skip
    if brought := _path(from_archive):
        result = report.report_of_archive(brought, say)
        _publish(result, build_text(result), json=json, output=output)
        return
    request = report.request(
        device, base=base, platform=platform, cache=not no_cache, verbose=verbose
    )
    if dry_run:
        _show_plan(report.plan(request), json=json, output=output)
        return
    make = receipt_command.build_with_receipts if receipt else report.build_and_report
    result = make(request, check=check, say=say, archive=_path(archive), with_sif=sif)
    _publish(result, build_text(result), json=json, output=output)


@task(
    help={
        "receipt": "compare with this file, such as a teacher's (default: the repository's)",
        "class": "compare the receipts of a class, NAME.json in this folder, and show its groups",
        "engine": _ENGINE,
        "device": _DEVICE,
        "image": _IMAGE,
        "base": _BASE,
        "dry-run": _DRY_RUN,
        "json": _JSON,
        "output": _OUTPUT,
    }
)
@command
def verify(
    context: Context,
    receipt: str | None = None,
    class_: str | None = None,
    engine: str = "auto",
    device: str = "auto",
    image: str = "",
    base: str = "",
    dry_run: bool = False,
    json: bool = False,
    output: str = "",
) -> None:
    """Compare this installation with a receipt, item by item; ends with 3 where one differs.

    Every file of the lab and of its packages, Python, settings, and what torch computes, down to
    the bit. Examples: ./inv verify    ./inv verify --receipt class.json --output ana.json
    """
    from lab import verify_command
    from lab.bench_command import named_file
    from lab.launch import Wish
    from lab.paths import results

    # The student's folder is not needed; the one for results is there and can be written.
    wish = Wish(work=results(), engine=engine, device=device, image=image or None, base=base)
    folder, path = named_file(class_, "--class"), named_file(receipt, "--receipt")
    verify_command.refuse_senseless(
        class_, {"image": image, "base": base, "dry-run": dry_run, "engine": engine != "auto"}
    )
    tell = verify_command.Tell(
        publish=lambda record, text: _publish(record, text, json=json, output=output), say=say
    )
    if dry_run:
        _show_plan(verify_command.plan(wish, say), json=json, output=output)
        return
    wanted = verify_command.reference(path)
    if folder is not None:
        _end(verify_command.compare_class(folder, wanted, tell))
    else:
        _end(verify_command.run(wish, wanted, tell))


@task(
    help={
        "only": "take only these packages at their newest version: --only jupyterlab,matplotlib",
        "check": "change nothing; say for which platforms the locks can be installed",
        "audit": "change nothing; look up known holes of the packages; ends with 3 at one",
        "json": _JSON,
        "output": _OUTPUT,
    }
)
@command
def lock(
    context: Context,
    only: str = "",
    check: bool = False,
    audit: bool = False,
    json: bool = False,
    output: str = "",
) -> None:
    """Renew the hash locks in docker/locks/ from their .in files and print what changed."""
    from lab.locks.report import audit_and_report, renew_and_report
    from lab.render.lock import lock_text

    names = tuple(name.strip() for name in only.split(",") if name.strip())
    make = audit_and_report if audit else renew_and_report
    result = make(names, check=check, say=say)
    _publish(result, lock_text(result), json=json, output=output)
    if result.holes:
        raise Exit(code=3)


@task(
    help={
        "work": _WORK,
        "port": "the port that the lab is to be published on (default: 8888, or the running lab's)",
        "engine": _ENGINE,
        "device": _DEVICE,
        "image": _IMAGE,
        "json": _JSON,
        "output": _OUTPUT,
    }
)
@command
def doctor(
    context: Context,
    work: str = "",
    port: str = "",
    engine: str = "auto",
    device: str = "auto",
    image: str = "",
    json: bool = False,
    output: str = "",
) -> None:
    """Look for every known cause of trouble; ends with 3 when something will not work."""
    from lab.doctor.examine import examine
    from lab.paths import work_default
    from lab.render.doctor import doctor_text
    from lab.server.port import parse_port

    report = examine(
        work=_path(work) or work_default(),
        port=parse_port(port) if port else None,
        engine=engine,
        device=device,
        image=image or None,
    )
    _publish(
        report, "" if json else doctor_text(report, stream=sys.stdout), json=json, output=output
    )
    if report.verdict == "fail":
        raise Exit(code=3)


@task(
    klass=_Task,
    help={
        "only": "speed tests to run, by name: --only matmul,memory (default: all)",
        "quick": "one process, under a minute: a first look",
        "full": "more sizes and eight processes, half an hour: figures to publish",
        "cases": "list the speed tests and what each measures; measure nothing",
        "size": "sizes in place of the usual ones, for the tests that have a size: --size 512,4096",
        "dtype": "dtypes in place of the usual ones: --dtype float32,bfloat16",
        "budget": "seconds that it may take (default: 300; quick 40, full 1500)",
        "precision": "half-width in percent of the interval that `ok` stands for (default: 5)",
        "threads": "threads of one operator (default: torch's own choice)",
        "seed": "of the data and of the order in each round (default: drawn, and recorded)",
        "compare": "an earlier run: say FASTER, SLOWER, SAME or INCONCLUSIVE, 3 on SLOWER",
        "force": "compare also across devices and modes",
        "selftest": "try whether this machine can tell a 5 % difference from none; 3 if not",
        "show": "show an earlier run from its file; measure nothing",
        "report": "write one page of HTML with plots to this file; of --nodes, one with all nodes",
        "no-network": "on the nodes of a cluster: measure nothing between them",
        "reference": "an earlier run of --nodes, by name or file: 3 where a node became slower",
        "engine": _ENGINE,
        "device": _DEVICE,
        "image": _IMAGE,
        "base": _BASE,
        "dry-run": _DRY_RUN,
        "json": _JSON,
        "output": _OUTPUT,
        **_HELP_ON_NODES,
    },
)
@command
def bench(
    context: Context,
    only: str = "",
    quick: bool = False,
    full: bool = False,
    cases: bool = False,
    size: str = "",
    dtype: str = "",
    budget: str = "",
    precision: str = "",
    threads: str = "",
    seed: str = "",
    compare: str | None = None,
    force: bool = False,
    selftest: bool = False,
    show: str | None = None,
    report: str | None = None,
    reference: str | None = None,
    engine: str = "auto",
    device: str = "auto",
    image: str = "",
    base: str = "",
    dry_run: bool = False,
    json: bool = False,
    output: str = "",
    no_network: bool = False,
    **on_nodes: Any,
) -> None:
    """Measure how fast torch computes here, with intervals, and say how far to trust each figure.

    Every run is kept in results/. Let the machine rest meanwhile: what else runs shows in the
    figures. With --nodes on the nodes of a Slurm cluster, where the slow ones are named.
    Examples: ./inv bench --quick    ./inv bench --only matmul --size 1024    ./inv bench --nodes 4
    """
    from lab import bench_command
    from lab.bench_command import named_file
    from lab.launch import Wish
    from lab.paths import results

    # The student's folder is not needed; the one for results is there and can be written.
    wish = Wish(work=results(), engine=engine, device=device, image=image or None, base=base)
    asked = {
        "quick": quick, "full": full, "only": only, "size": size, "dtype": dtype, "budget": budget,
        "precision": precision, "threads": threads, "seed": seed, "compare": compare is not None,
        "report": report is not None, "force": force, "dry-run": dry_run,
        "reference": reference is not None,
        "no-network": no_network,
    }  # fmt: skip
    ways = {"cases": cases, "selftest": selftest, "show": show is not None}
    _refuse_clash("bench", on_nodes, ways, asked)
    order = bench_command.parse_order(
        wish, only=only, quick=quick, full=full, size=size, dtype=dtype, budget=budget,
        precision=precision, threads=threads, seed=seed, argv=_words_from("bench"),
    )  # fmt: skip
    tell = bench_command.Tell(
        publish=lambda record, text: _publish(record, text, json=json, output=output, compact=True),
        say=say, report=named_file(report, "--report"), output=_path(output),
    )  # fmt: skip
    if _is_on_nodes(on_nodes) or no_network:
        from lab.cluster_work import bench_work

        on_nodes["no_network"] = no_network
        _run_on_nodes(
            "bench", on_nodes, partial(bench_work, order), json=json, output=output,
            dry_run=dry_run, report=tell.report, reference=reference, where=wish,
        )  # fmt: skip
    elif cases:
        tell.publish(*bench_command.case_list())
    elif dry_run:
        _show_plan(bench_command.plan(order, say), json=json, output=output)
    elif show is not None:
        path, earlier = named_file(show, "--show"), named_file(compare, "--compare")
        _end(bench_command.show(order, path, earlier, tell, force=force))
    elif selftest:
        _end(bench_command.selftest(order, tell))
    else:
        earlier = named_file(compare, "--compare")
        _end(bench_command.measure(order, earlier, tell, force=force))


@task(
    klass=_Task,
    help={
        "only": "only these GPUs, by number or UUID: --only 0,1",
        "details": "every value of every GPU, and how they are connected",
        "watch": "go on reading, on the whole terminal, until Ctrl-C; with --json a line each time",
        "interval": "seconds from one reading to the next with --watch (default: 1)",
        "deadline": "seconds that the calls of one GPU may take together (default: 5)",
        "throughput": "measure what goes over PCIe as well (takes 40 ms a GPU)",
        "prometheus": "print metrics for a Prometheus scraper; --output writes them to its file",
        "engine": _ENGINE,
        "image": _IMAGE,
        "dry-run": _DRY_RUN,
        "json": _JSON,
        "output": _OUTPUT,
        **_HELP_ON_NODES,
    },
)
@command
def gpu(
    context: Context,
    only: str = "",
    details: bool = False,
    watch: bool = False,
    interval: str = "",
    deadline: str = "",
    throughput: bool = False,
    prometheus: bool = False,
    engine: str = "auto",
    image: str = "",
    dry_run: bool = False,
    json: bool = False,
    output: str = "",
    **on_nodes: Any,
) -> None:
    """Say what the GPUs are and whether they are well; ends with 3 when one is not.

    Reads through NVML, right here where no --engine is named: on the host, or in the container that
    this is. No torch, no GPU memory. Ends with 2 where nothing can be read, and says why.
    Examples: ./inv gpu    ./inv gpu --watch    ./inv gpu --json --only 0    ./inv gpu --nodes all
    """
    from lab import gpu_command

    if _is_on_nodes(on_nodes):
        asked = {
            "details": details, "interval": interval, "deadline": deadline, "only": only,
            "throughput": throughput, "prometheus": prometheus, "engine": engine != "auto",
            "image": image, "dry-run": dry_run,
        }  # fmt: skip
        _refuse_clash("gpu", on_nodes, {"watch": watch}, asked)
        on_each = gpu_command.parse_order(only, deadline, "", slow=throughput)
        from lab.cluster_work import gpu_work

        _run_on_nodes(
            "gpu", on_nodes, partial(gpu_work, on_each), json=json, output=output, dry_run=dry_run
        )
        return
    show = gpu_command.Show(
        watch=watch, json=json, prometheus=prometheus, details=details, output=_path(output)
    )
    gpu_command.refuse_senseless(show, interval)
    order = gpu_command.parse_order(only, deadline, interval, slow=throughput)
    where = gpu_command.parse_place(engine, image)
    tell = gpu_command.Tell(
        publish=lambda record, text: _publish(
            record, text, json=json, output=output, compact=watch
        ),
        say=say,
    )
    if dry_run:
        from lab.gpu_elsewhere import plan

        _show_plan(plan(where, order, show, say), json=json, output=output)
    elif where is not None:
        from lab.gpu_elsewhere import elsewhere

        _end(elsewhere(where, order, show, tell))
    else:
        _end(gpu_command.run(order, show, tell))


@task(
    klass=_Task,
    help={
        "only": "checks of the lab's own, by name: --only logistic_loss,softmax (default: all)",
        "cases": "list the lab's own checks; check nothing",
        "target": "a function of yours in their place: FILE.py:NAME or module:NAME",
        "shapes": "shapes of its inputs: --shapes 4x3,3 (default: what it declares itself)",
        "order": "1, or 2 to check its second derivatives as well (default: 1)",
        "budget": "seconds that its check may take (default: 60)",
        "seed": "of the random inputs and directions (default: 0)",
        "language": _LANGUAGE,
        "engine": _ENGINE,
        "device": _DEVICE,
        "image": _IMAGE,
        "base": _BASE,
        "dry-run": _DRY_RUN,
        "json": _JSON,
        "output": _OUTPUT,
        **_HELP_ON_NODES,
    },
)
@command
def autograd(
    context: Context,
    only: str = "",
    cases: bool = False,
    target: str = "",
    shapes: str = "",
    order: str = "",
    budget: str = "",
    seed: str = "",
    language: str = "",
    engine: str = "auto",
    device: str = "auto",
    image: str = "",
    base: str = "",
    dry_run: bool = False,
    json: bool = False,
    output: str = "",
    **on_nodes: Any,
) -> None:
    """Check gradients against perturbed inputs: the lab's own, or a function of yours; 3 if wrong.

    A function of yours says its inputs by @check_inputs((4, 3), (3,)), by annotations such as
    x: "Tensor (4, 3)", or by --shapes. Ends with 2 where it cannot be checked, and says why.
    Examples: ./inv autograd    ./inv autograd --target work/loss.py:loss --shapes 4x3,3
    ./inv autograd --nodes all
    """
    from lab import autograd_command
    from lab.launch import Wish
    from lab.paths import results

    # The student's folder is not needed; the one for results is there and can be written.
    wish = Wish(work=results(), engine=engine, device=device, image=image or None, base=base)
    wanted = autograd_command.parse_order(
        wish, only=only, target=target, shapes=shapes, order=order, budget=budget, seed=seed,
        language=language, variables=dict(os.environ),
    )  # fmt: skip
    tell = autograd_command.Tell(
        publish=lambda record, text: _publish(record, text, json=json, output=output), say=say
    )
    if _is_on_nodes(on_nodes):
        asked = {
            "only": only, "target": target, "shapes": shapes, "order": order, "budget": budget,
            "seed": seed, "image": image, "base": base, "dry-run": dry_run,
        }  # fmt: skip
        _refuse_clash("autograd", on_nodes, {"cases": cases}, asked)
        from lab.cluster_work import autograd_work

        _run_on_nodes(
            "autograd",
            on_nodes,
            partial(autograd_work, wanted),
            json=json,
            output=output,
            dry_run=dry_run,
        )
    elif cases:
        autograd_command.list_cases(tell)
    elif dry_run:
        _show_plan(autograd_command.plan(wanted, say), json=json, output=output)
    else:
        _end(autograd_command.run(wanted, tell))


@task(
    help={
        "target": "the function to draw: FILE.py:NAME or module:NAME (default: an example)",
        "shapes": "shapes of its inputs: --shapes 4x3,3 (default: what it declares itself)",
        "no-check": "draw without a check of its gradient, whose findings are shown on their node",
        "nodes": "beyond so many nodes modules are folded (default: 100)",
        "seed": "of the random inputs and directions (default: 0)",
        "budget": "seconds that its check may take (default: 60)",
        "language": _LANGUAGE,
        "engine": _ENGINE,
        "device": _DEVICE,
        "image": _IMAGE,
        "base": _BASE,
        "dry-run": _DRY_RUN,
        "json": _JSON,
        "output": "write this file: g.svg a drawing, g.html with a slider, g.json the data",
    }
)
@command
def graph(
    context: Context,
    target: str = "",
    shapes: str = "",
    no_check: bool = False,
    nodes: str = "",
    seed: str = "",
    budget: str = "",
    language: str = "",
    engine: str = "auto",
    device: str = "auto",
    image: str = "",
    base: str = "",
    dry_run: bool = False,
    json: bool = False,
    output: str = "",
) -> None:
    """Draw the computational graph of a function, with values and gradients at each node.

    Without --target: logistic regression with cross-entropy. In a notebook: lab.graph.trace.
    Examples: ./inv graph --output graph.svg    ./inv graph --target loss.py:loss --output g.html
    """
    from lab import graph_command
    from lab.launch import Wish
    from lab.paths import results

    # The student's folder is not needed; the one for results is there and can be written.
    wish = Wish(work=results(), engine=engine, device=device, image=image or None, base=base)
    order = graph_command.parse_order(
        wish, target=target, shapes=shapes, seed=seed, budget=budget, language=language,
        nodes=nodes, check=not no_check, output=_path(output), variables=dict(os.environ),
    )  # fmt: skip
    if dry_run:
        _show_plan(graph_command.plan(order, say), json=json, output="")
        return
    graph_command.run(
        order, lambda record, text: _publish(record, text, json=json, output="", compact=True), say
    )


@task(
    help={
        "work": _WORK,
        "update": "bring a new version of the course; what was written and run stays",
        "undo": "take the newest update back; what was done since stays",
        "progress": "show which exercises are right",
        "students": "with --progress: a folder that holds one folder for each student",
        "teacher": "put copies with the solutions there instead",
        "language": _LANGUAGE,
        "json": _JSON,
        "output": _OUTPUT,
    }
)
@command
def course(
    context: Context,
    work: str = "",
    update: bool = False,
    undo: bool = False,
    progress: bool = False,
    students: str = "",
    teacher: bool = False,
    language: str = "",
    json: bool = False,
    output: str = "",
) -> None:
    """Put the course's notebooks into the student's folder; nothing that is there is touched.

    An update merges cell by cell: what a student wrote and ran stays, and what could not be
    applied is named. The state before is kept.
    Examples: ./inv course    ./inv course --update    ./inv course --progress --students class/
    """
    from lab import course_command

    order = course_command.parse_order(
        update=update, undo=undo, progress=progress, teacher=teacher, work=_path(work),
        students=_path(students), language=language, variables=os.environ,
    )  # fmt: skip
    _end(
        course_command.run(
            order, lambda record, text: _publish(record, text, json=json, output=output), say
        )
    )


@task(
    help={
        "only": "a folder, file or test of tests/, a marker, or words that pytest's -k understands",
        "verbose": "name every test",
    }
)
@command
def test(context: Context, only: str = "", verbose: bool = False) -> None:
    """Run all tests that this machine can serve, and name those that it cannot."""
    from lab.checks import run_tests

    code = run_tests(only, verbose=verbose, say=say)
    if code:
        raise Exit(code=code)


@task(help={"fix": "mend what can be mended by itself"})
@command
def lint(context: Context, fix: bool = False) -> None:
    """Check format, style and types of the lab's own code."""
    from lab.checks import run_lint

    code = run_lint(fix=fix, say=say)
    if code:
        raise Exit(code=code)
