"""What the nodes of a cluster found, as a record. Times in seconds, UTC in ISO 8601."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from lab.records.autograd import Cause as GradientCause
from lab.records.autograd import Mode
from lab.records.bench import Change, Param
from lab.records.bench import Verdict as CaseVerdict
from lab.records.doctor import Verdict as GpuVerdict
from lab.records.network import Network

Kind = Literal["bench", "gpu", "autograd"]
"""The task of ./inv that every node ran."""
State = Literal["ok", "partial", "failed", "lost", "never_started"]
Verdict = Literal["ok", "straggler", "suspect", "unknown", "warn", "fail", "wrong"]
Cause = Literal[
    "clock", "power", "temperature", "link", "ecc", "cpu_limit", "cpu_contention", "unexplained"
]


class CaseChange(Struct, frozen=True, kw_only=True):
    """One case on one node beside an earlier run of the same node."""

    verdict: Change
    ratio: float
    """Time now over time before; of each run the time that counts."""
    ci95: tuple[float, float] | None = None
    """From the rounds of both runs; null where there are fewer than two."""
    threshold_percent: float
    """Smaller changes are none: the floor, or what the nodes' times vary from run to run."""
    reason: str | None = None


class NodeCase(Struct, frozen=True, kw_only=True):
    """One case on one node."""

    name: str
    params: dict[str, Param]
    device: str
    """Where a node has several GPUs, the one that is the slowest in this case."""
    time_s: float | None = None
    """Seconds for one call, of all samples: the median of the rounds' means. Disturbed samples
    count here, since a node that is disturbed is slow."""
    recheck_time_s: float | None = None
    """The same in the second run, where the first one was slow; the faster one counts."""
    error_percent: float | None = None
    """Standard error of the time that counts, between its rounds or its processes."""
    estimates: int = 0
    """The rounds or processes that the error is from."""
    median_s: float | None = None
    """Seconds for one call when nothing disturbed it, as `inv bench` says it."""
    clean_percent: float | None = None
    """Samples that nothing disturbed."""
    case_verdict: CaseVerdict
    ratio: float | None = None
    """Time over the median of the others' times; of the faster run where there are two."""
    score: float | None = None
    """How far that is, in robust standard deviations, of logarithms of the time."""
    slow: bool = False
    change: CaseChange | None = None
    """Since the reference; null where there is none, or it lacks this node or case."""

    @property
    def counted_s(self) -> float | None:
        """The time that counts: of two runs the faster."""
        times = [time for time in (self.time_s, self.recheck_time_s) if time is not None]
        return min(times, default=None)


class NodeGpu(Struct, frozen=True, kw_only=True):
    """One GPU of a node; all that was read of it is in the node's file."""

    index: int
    """NVML's."""
    uuid: str | None = None
    name: str | None = None
    verdict: GpuVerdict
    reasons: list[str] = []
    """What was seen that is not as it should be."""


class NodeFinding(Struct, frozen=True, kw_only=True):
    """A check of gradients that failed on a node; its report is in the node's file."""

    name: str
    mode: Mode
    device: str
    causes: list[GradientCause]
    elsewhere: int
    """Other nodes on which the same check failed."""


class Node(Struct, frozen=True, kw_only=True):
    """One node of the run."""

    name: str
    state: State
    verdict: Verdict
    """Of `bench`: `straggler`; `suspect` is slow and not checked again yet. Of `gpu`: `warn` and
    `fail`, the worst of its GPUs'. Of `autograd`: `wrong`, a check failed. `unknown`: it has no
    figures, or too few nodes have any."""
    cause: Cause | None = None
    """Of a straggler, the likely one."""
    reasons: list[str] = []
    """Why its state or its verdict is not `ok`."""
    cases: list[NodeCase] = []
    """Of `bench`."""
    gpus: list[NodeGpu] = []
    """Of `gpu`, the worst first."""
    checks: int | None = None
    """Of `autograd`: how many there were."""
    findings: list[NodeFinding] = []
    jobs: list[str] = []
    """Numbers of its jobs in Slurm, the last one last."""
    file: str | None = None
    """What its own ./inv wrote, relative to `folder`."""
    further_files: list[str] = []
    """Of its other GPUs, where it has several: each has a run of `bench` of its own."""
    recheck_file: str | None = None


class Spread(Struct, frozen=True, kw_only=True):
    """One case over the nodes."""

    name: str
    params: dict[str, Param]
    device: str
    nodes: int
    """That have a figure."""
    median_s: float
    deviation_percent: float | None = None
    """The robust standard deviation between the nodes, from the median absolute deviation; null
    where fewer than three have a figure."""


class OddOneOut(Struct, frozen=True, kw_only=True):
    """A node that is set up in another way than most, however fast it is."""

    node: str
    field: str
    value: str
    usual: str


class Setup(Struct, frozen=True, kw_only=True):
    """How nodes are set up, and which ones are so."""

    nodes: list[str]
    facts: dict[str, str]
    """By field: versions, threads, cores, limits, GPU; what is not known is `none`."""


class Difference(Struct, frozen=True, kw_only=True):
    """What is set up in another way than in the reference, on some nodes."""

    field: str
    before: str
    now: str
    nodes: list[str]


class ReferenceCase(Struct, frozen=True, kw_only=True):
    """One case over the nodes, beside the reference."""

    name: str
    params: dict[str, Param]
    device: str
    nodes: int
    """That have a figure in both."""
    ratio: float
    """Time now over time before: the median of the nodes'."""
    deviation_percent: float | None = None
    """How a node's time varies from run to run: the robust standard deviation of the nodes' ratios;
    null where fewer than three have one."""


class Reference(Struct, frozen=True, kw_only=True):
    """The earlier run that `--reference` names, and what is not the same as in it."""

    run: str
    submitted_utc: str
    slower: list[str] = []
    """Nodes that became slower in at least one case."""
    faster: list[str] = []
    cases: list[ReferenceCase] = []
    nodes_only_now: list[str] = []
    """Nodes with figures now and none in the reference."""
    nodes_only_before: list[str] = []
    cases_only_now: list[str] = []
    cases_only_before: list[str] = []
    differences: list[Difference] = []


class ClusterReport(Struct, frozen=True, kw_only=True):
    """A run on the nodes of a cluster. Version 1 of the schema is the first."""

    schema: Literal["lab/cluster/1"] = "lab/cluster/1"
    kind: Kind = "bench"
    run: str
    folder: str
    argv: list[str]
    submitted_utc: str
    collected_utc: str
    complete: bool
    """Nothing of it waits or runs any more."""
    floor_percent: float
    """A node that is slower by less is no straggler."""
    nodes: list[Node]
    cases: list[Spread] = []
    odd_ones_out: list[OddOneOut] = []
    setups: list[Setup] = []
    """Of the nodes that have figures; the most usual first."""
    reference: Reference | None = None
    network: Network | None = None
    """Null where nothing was to be measured between the nodes."""


class Limits(Struct, frozen=True, kw_only=True):
    """How many of a run's jobs and nodes there may be at once."""

    parallel: int | None = None
    """Nodes at once; null takes all."""
    chunk: int = 1
    """Nodes of one job, at most."""
    max_submit: int | None = None
    """Jobs in the queue and at work; null takes all."""

    @property
    def nodes_of_job(self) -> int:
        """Nodes of one job: not more than may be at work at once."""
        return min(self.chunk, self.parallel or self.chunk)

    @property
    def rows(self) -> int | None:
        """Jobs at work at once."""
        return max(self.parallel // self.nodes_of_job, 1) if self.parallel else None


class Submitted(Struct, frozen=True, kw_only=True):
    """What a run is, written before anything of it is submitted. Version 1 is the first."""

    schema: Literal["lab/cluster-run/1"] = "lab/cluster-run/1"
    kind: Kind = "bench"
    run: str
    argv: list[str]
    submitted_utc: str
    limits: Limits = Limits()
    floor_percent: Annotated[float, Meta(gt=0, le=1000)]
    nodes: list[str]
    unavailable: dict[str, str] = {}
    """Nodes that no job was submitted for, and why."""
    gpus: dict[str, int] = {}
    """How many GPUs a node's job asks for, where it asks for any."""


class ClusterPlan(Struct, frozen=True, kw_only=True):
    """What would be submitted. Version 1 of the schema is the first."""

    schema: Literal["lab/cluster-plan/1"] = "lab/cluster-plan/1"
    script: str
    nodes: list[str]
    submissions: list[list[str]]
    """The command lines; in those that wait for another one, the number is not known yet. Where
    only so many jobs may be in the queue, all but the first of them come later."""
    network_script: str | None = None
    """Of the one job between the nodes, submitted once they have been measured."""
    network_submission: list[str] | None = None
    """Its command line, if all nodes are well then."""
