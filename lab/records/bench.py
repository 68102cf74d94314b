"""What a speed test measured, as a record. Times in seconds, rates per second, UTC in ISO 8601."""

from typing import Literal

from msgspec import Struct

Param = str | int | float | bool
Verdict = Literal["ok", "not_converged", "not_steady", "contaminated", "not_run"]
Change = Literal["FASTER", "SLOWER", "SAME", "INCONCLUSIVE"]


class Peak(Struct, frozen=True, kw_only=True):
    """What a device can do at best, and how that is known."""

    kind: Literal["flop", "bytes"]
    dtype: str | None = None
    """As in the cases: torch's name, `tf32`, or `float8`; null for bytes."""
    per_s: float
    basis: Literal["nominal", "clock_seen", "measured"]
    """From the maximum clock or data sheet; from the clock seen while it worked; measured."""
    source: str
    """One sentence: every number that went in, and where it comes from."""


class CpuFacts(Struct, frozen=True, kw_only=True):
    """The processor that the process may use."""

    model: str
    vendor: str | None = None
    family: int | None = None
    model_number: int | None = None
    isa: str | None = None
    """The widest instruction set that torch uses here, such as `avx512`."""
    cores: int
    """Physical cores that this process may use: after affinity and cgroup limit."""
    logical: int
    """Logical processors that this process may use, by its affinity."""
    clock_hz: float | None = None
    """Measured with dependent multiplications; null where their latency is not known."""
    clock_source: str | None = None
    """How it was measured, or why it was not."""
    l3_bytes: int | None = None


class GpuFacts(Struct, frozen=True, kw_only=True):
    """The accelerator that the tests ran on."""

    name: str
    uuid: str | None = None
    driver: str | None = None
    capability: str | None = None
    """CUDA's compute capability, such as `9.0`."""
    memory_bytes: int | None = None
    multiprocessors: int | None = None
    max_clock_hz: float | None = None
    power_limit_w: float | None = None


class CgroupLimits(Struct, frozen=True, kw_only=True):
    """What the process's control group allows; null where it sets no limit."""

    cpus: float | None = None
    memory_bytes: int | None = None


class HostSettings(Struct, frozen=True, kw_only=True):
    """What the BIOS and the administrator chose, as far as the system shows it; else null."""

    bios: str | None = None
    """Its version."""
    microcode: str | None = None
    governor: str | None = None
    """Of the processors' clock, such as `performance`; where they differ, all of them."""
    energy_preference: str | None = None
    max_clock_hz: float | None = None
    """The highest that the governor may choose."""
    boost: bool | None = None
    """Whether a core may be faster than its nominal clock."""
    smt: str | None = None
    """Several logical processors on a core: `on`, `off`, `forceoff`, `notsupported`, ..."""
    numa_nodes: int | None = None
    transparent_hugepages: str | None = None


class Environment(Struct, frozen=True, kw_only=True):
    """Where a run was measured. What could not be found out is null."""

    host: str | None = None
    engine: str | None = None
    image: str | None = None
    image_digest: str | None = None
    lock_sha256: str | None = None
    receipt: str | None = None
    """SHA-256 of the receipt of the clone that asked; `inv verify` says whether it holds."""
    platform: str | None = None
    python: str | None = None
    torch: str | None = None
    blas: str | None = None
    threads: int | None = None
    """Threads inside one operator (torch.get_num_threads)."""
    interop_threads: int | None = None
    matmul_precision: str | None = None
    """What torch may do to float32 products (torch.get_float32_matmul_precision)."""
    cpu: CpuFacts | None = None
    gpu: GpuFacts | None = None
    cgroup: CgroupLimits | None = None
    settings: HostSettings | None = None
    peaks: list[Peak] = []
    floor_percent: float | None = None
    """This machine's repeatability floor, from its last `--selftest`."""


class Telemetry(Struct, frozen=True, kw_only=True):
    """What NVML said while one case ran in one process."""

    samples: int
    sm_clock_hz_median: float | None = None
    sm_clock_hz_min: float | None = None
    power_w_median: float | None = None
    temperature_c_max: float | None = None
    throttle_reasons: list[str] = []
    pcie_generation: float | None = None
    """Of the link to the host while the case ran: the median, as of the lanes."""
    pcie_width: float | None = None
    energy_j_per_call: float | None = None
    foreign_processes: list[int] = []
    """Processes on the same GPU that are not ours."""
    missing: dict[str, str] = {}
    """What could not be read, and why."""


class CaseResult(Struct, frozen=True, kw_only=True):
    """One case with one choice of its parameters.

    `samples_s`, `clean`, `process`, `round` and `wall_s` have one entry for each sample, in the
    order measured."""

    name: str
    params: dict[str, Param]
    device: str
    dtype: str | None = None
    flop_per_call: float | None = None
    bytes_per_call: float | None = None
    calls_per_sample: int = 0
    samples_s: list[float] = []
    """Durations in seconds, each of `calls_per_sample` calls."""
    clean: list[bool] = []
    """Whether nothing was seen to disturb the sample; the figures come from these alone."""
    process: list[int] = []
    round: list[int] = []
    at_s: list[float] = []
    """When each sample began, in seconds since the run did."""
    wall_s: list[float] = []
    """The wall clock's durations beside those of the device's events, with a cold cache those of
    the flushes included; empty on a CPU."""
    launched_s: list[float] = []
    """When the host had given the device the sample's last call; empty on a CPU and with a cold
    cache."""
    launch_bound: bool = False
    """The device waited for the host: the figure is how fast this host launches the call."""
    disturbances: dict[str, int] = {}
    """Why samples are not clean, and how many: `preempted`, `stolen`, `clocks_disagree`, ..."""
    clock_hz: float | None = None
    """Of a core, between the blocks of samples: their median; on a CPU whose latencies are
    known."""
    median_s: float | None = None
    """Seconds for one call, as p10_s, p90_s and ci95_s."""
    p10_s: float | None = None
    p90_s: float | None = None
    ci95_s: tuple[float, float] | None = None
    interval_over: Literal["processes", "rounds"] | None = None
    """Between what the interval was taken; one process cannot show how processes differ."""
    process_medians_s: list[float] = []
    throughput_flop_per_s: float | None = None
    throughput_bytes_per_s: float | None = None
    percent_of_peak: float | None = None
    peak: Peak | None = None
    """The peak that the percentage is of."""
    percent_of_nominal: float | None = None
    """Of the peak at the maximum clock, or of the data sheet; on GPUs."""
    telemetry: list[Telemetry] = []
    notes: list[str] = []
    """What the case itself has to say, such as what the notebook would have printed."""
    verdict: Verdict
    reason: str | None = None
    """Why the verdict is not `ok`."""


class Comparison(Struct, frozen=True, kw_only=True):
    """One case beside an earlier run of it."""

    name: str
    params: dict[str, Param]
    verdict: Change
    ratio: float | None = None
    """Time now over time before."""
    ci95: tuple[float, float] | None = None
    threshold_percent: float
    """Smaller differences are none: 2 %, or the machines' repeatability floor."""
    reason: str | None = None


class BenchReport(Struct, frozen=True, kw_only=True):
    """A run of `bench`. Version 1 of the schema is the first."""

    schema: Literal["lab/bench/1"] = "lab/bench/1"
    argv: list[str]
    started_utc: str
    duration_s: float
    seed: int
    """Of the order of cases in each round, and of the data."""
    level: str
    ended: Literal["done", "budget", "interrupted", "running"]
    """`running` in a file means that the run was killed: it holds what was measured until then."""
    processes: int
    environment: Environment
    cases: list[CaseResult]
    problems: list[str] = []
    """What went wrong on the way, such as a process that was killed."""
    compared_with: str | None = None
    comparisons: list[Comparison] = []


class CaseDescription(Struct, frozen=True, kw_only=True):
    """A speed test, and the values that its parameters take on a CPU by default."""

    name: str
    summary: str
    parameters: dict[str, list[Param]]


class CaseList(Struct, frozen=True, kw_only=True):
    """All speed tests. Version 1 of the schema is the first."""

    schema: Literal["lab/cases/1"] = "lab/cases/1"
    cases: list[CaseDescription]


class SelfTest(Struct, frozen=True, kw_only=True):
    """Whether this machine can tell a difference from none. Version 1 of the schema is the
    first."""

    schema: Literal["lab/selftest/1"] = "lab/selftest/1"
    started_utc: str
    duration_s: float
    green: bool
    same: Comparison
    """A kernel beside itself: must be SAME."""
    slower: Comparison
    """Beside itself with 5 % more work: must be SLOWER."""
    floor_percent: float
    """Two runs that differ by less cannot be told apart on this machine."""
    processes: int
    environment: Environment
    cases: list[CaseResult]
