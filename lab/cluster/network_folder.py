"""The folder of the measurement between nodes: one job over all of them, and its attempts.

network/order.json    what the ranks are to do, written with the run
network/job.sh        the script of the job
network/jobs.jsonl    a line before each submission, and one after it
network/ATTEMPT/      order.json, nodes.json (who takes part), begun, log.txt, meeting.json,
                      NODE-LOCAL.jsonl and NODE-LOCAL.json of each rank, ended
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import msgspec
from msgspec.structs import replace

from lab.cluster.attempt import Attempt, Entry
from lab.cluster.folder import RunFolder
from lab.cluster.network_batch import gpus_between, network_submission
from lab.errors import LabError
from lab.records.cluster import Limits
from lab.records.lines import read_lines
from lab.records.network import LATENCY_BYTES, Exchange, NetworkOrder, RankReport, RankStep
from lab.records.save import save, to_json
from lab.records.unreadable import UNREADABLE

ORDER = "order.json"
_NODES = "nodes.json"
# What stands for the nodes where a run's folder names one.
_ALL = "network"


@dataclass(frozen=True, kw_only=True)
class NetworkAttempt(Attempt):
    """One go at all nodes together."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that take part; none where its folder was not finished."""
        try:
            document = (self.folder / _NODES).read_bytes()
            return msgspec.json.decode(document, type=tuple[str, ...])
        except (OSError, *UNREADABLE):
            return ()

    def parts(self) -> dict[str, Path]:
        """None: its files are of ranks, whatever their nodes are called."""
        return {}

    @property
    def done(self) -> bool:
        """Whether it came to its end; what there is then is in the files of its ranks."""
        return self.ended


@dataclass(frozen=True, kw_only=True)
class NetworkFolder(RunFolder):
    """A run of one job over many nodes, beside the one of a job for each.

    Args:
        chosen: the nodes of an attempt that is claimed now.
    """

    chosen: tuple[str, ...] = ()

    def attempt_of(self, entry: Entry) -> NetworkAttempt:
        """The attempt that an entry is of."""
        folder = self.attempt_folder(entry.node, entry.attempt)
        return NetworkAttempt(entry=entry, folder=folder, kind=self.kind)

    def attempt_folder(self, node: str, number: int) -> Path:
        """The folder of an attempt."""
        return self.path / str(number)

    def claim(self, wanted: Attempt, group: str) -> Entry | None:
        """Make the folder of an attempt, as of any run, with what its ranks need."""
        entry = super().claim(wanted, group)
        if entry is not None:
            save((self.path / ORDER).read_text(encoding="utf-8"), wanted.folder / ORDER)
            save(msgspec.json.encode(self.chosen).decode(), wanted.folder / _NODES)
        return entry

    def release(self, entry: Entry) -> None:
        """Give an attempt back that Slurm may take later."""
        for name in (ORDER, _NODES):
            (self.attempt_folder(entry.node, entry.attempt) / name).unlink()
        super().release(entry)

    def submission(self, group: Sequence[Entry], after: str) -> list[str]:
        """The command line that submits an attempt; it waits for no other job."""
        nodes = self.attempt_of(group[0]).nodes
        return network_submission(
            self.script(), self.path, name=self.name, nodes=nodes, attempt=group[0].attempt,
            gpus=gpus_between(nodes, self.submitted.gpus),
        )  # fmt: skip

    def want_one(self, after: int) -> None:
        """Note down that all nodes together are to be measured once more.

        Args:
            after: how many attempts there were when that was decided; where another command has
                decided the same since, its attempt is the one.
        """
        if len(self.tries) == after:
            self.note(Entry(node=_ALL, attempt=after + 1, purpose="first"))

    @property
    def tries(self) -> list[NetworkAttempt]:
        """The attempts, in their order."""
        return [self.attempt_of(attempt.entry) for attempt in self.attempts()[_ALL]]


def plan_network(run: RunFolder, order: NetworkOrder, script: str) -> None:
    """Write down what is to be measured between the nodes once they have been.

    Raises:
        LabError: it cannot be written.
    """
    folder = run.path / "network"
    folder.mkdir(exist_ok=True)
    save(script, folder / "job.sh")
    save(to_json(order), folder / ORDER)


def network_of(run: RunFolder, chosen: Sequence[str] = ()) -> NetworkFolder | None:
    """The folder of a run's measurement between nodes; None where none is to be made.

    Args:
        run: the run.
        chosen: the nodes of an attempt that is to be claimed.
    """
    path = run.path / "network"
    if not (path / ORDER).exists():
        return None
    submitted = replace(run.submitted, nodes=[_ALL], unavailable={}, limits=Limits())
    return NetworkFolder(path=path, submitted=submitted, chosen=tuple(chosen))


def network_order(folder: NetworkFolder) -> NetworkOrder:
    """What the ranks are to do.

    Raises:
        LabError: it cannot be read.
    """
    path = folder.path / ORDER
    try:
        return msgspec.json.decode(path.read_bytes(), type=NetworkOrder)
    except (OSError, *UNREADABLE) as error:
        raise LabError(
            f"The file {path} cannot be read.",
            why=str(error),
            next_step="measure anew: ./inv bench --nodes …",
        ) from error


@dataclass(frozen=True, kw_only=True)
class RankFiles:
    """What one rank left; of each round one figure, so that those of many ranks fit into memory.

    Args:
        node, local: which one.
        step: the last that it wrote; None: it wrote none.
        report: None where it did not come to its end.
        path: of the report.
    """

    node: str
    local: int
    step: RankStep | None = None
    report: RankReport | None = None
    path: Path | None = None

    @property
    def begun(self) -> bool:
        """Whether its process ever began."""
        return self.step is not None or self.report is not None


def ranks_of(attempt: NetworkAttempt, most: int | None = None) -> list[RankFiles]:
    """What the ranks of an attempt left; a node without any has one that never began.

    Args:
        attempt: of all nodes together.
        most: nodes that are looked at; None: all.
    """
    return [rank for node in attempt.nodes[:most] for rank in _ranks_of_node(attempt.folder, node)]


def _ranks_of_node(folder: Path, node: str) -> list[RankFiles]:
    found = []
    for local in range(_ranks_here(folder, node)):
        path = folder / f"{node}-{local}.json"
        steps = read_lines(path.with_suffix(".jsonl"), RankStep)
        found.append(
            RankFiles(
                node=node, local=local, report=_report(path), step=steps[-1] if steps else None,
                path=path if path.exists() else None,
            )
        )  # fmt: skip
    return found


def _ranks_here(folder: Path, node: str) -> int:
    """Of every node rank 0 is expected, and those that left a file."""
    count = 1
    while (folder / f"{node}-{count}.jsonl").exists():
        count += 1
    return count


def _report(path: Path) -> RankReport | None:
    try:
        report = msgspec.json.decode(path.read_bytes(), type=RankReport)
    except (OSError, *UNREADABLE):
        return None
    return replace(
        report,
        collectives=[replace(each, rounds=_means(each.rounds)) for each in report.collectives],
        exchanges=[_reduced(each) for each in report.exchanges],
    )


def _reduced(exchange: Exchange) -> Exchange:
    small = exchange.size_bytes == LATENCY_BYTES
    return replace(exchange, passes=(_medians if small else _means)(exchange.passes))


def _means(rows: list[list[float]]) -> list[list[float]]:
    return [[fmean(times)] for times in rows if times and min(times) > 0]


def _medians(rows: list[list[float]]) -> list[list[float]]:
    return [[median(times)] for times in rows if times and min(times) > 0]
