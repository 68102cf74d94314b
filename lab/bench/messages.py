"""What the runner asks of a process that measures, and what that says while it does: one JSON
document a line."""

from msgspec import Struct

from lab.records.bench import Environment, Param, Telemetry


class CaseRequest(Struct, frozen=True, kw_only=True):
    """One case with one choice of its parameters."""

    name: str
    params: dict[str, Param]
    calls: int = 0
    """Calls of one sample, as an earlier process found them; 0 has this one find them."""


class MeasureRequest(Struct, frozen=True, kw_only=True):
    """What one process is to measure."""

    cases: list[CaseRequest]
    device: str
    seed: int
    process: int
    """Its number, from 0 on; the first also lets the cases observe."""
    budget_s: float
    precision: float
    """Half-width of the interval between rounds, as a share, at which a case is done early."""
    threads: int | None = None


class Ready(Struct, frozen=True, kw_only=True, tag="ready"):
    """It has started, here."""

    environment: Environment


class Step(Struct, frozen=True, kw_only=True, tag="step"):
    """It is at this; `done` and `total` are seconds of its budget."""

    text: str
    done: float
    total: float


class NotRun(Struct, frozen=True, kw_only=True, tag="not_run"):
    """A case that cannot be measured here."""

    index: int
    reason: str
    too_large: bool = False


class Noted(Struct, frozen=True, kw_only=True, tag="noted"):
    """What a case has to say itself."""

    index: int
    lines: list[str]


class Warmed(Struct, frozen=True, kw_only=True, tag="warmed"):
    """A case is about to be sampled."""

    index: int
    calls: int
    steady: bool
    flop_per_call: float | None = None
    bytes_per_call: float | None = None
    moves_memory: bool = True


class Sampled(Struct, frozen=True, kw_only=True, tag="sampled"):
    """The samples of one case in one round."""

    index: int
    round: int
    samples_s: list[float]
    at_s: list[float]
    """When each began, in seconds since the process did."""
    wall_s: list[float] = []
    launched_s: list[float] = []
    disturbances: list[str | None]
    foreign_share: float | None = None
    clock_hz: float | None = None


class Watched(Struct, frozen=True, kw_only=True, tag="watched"):
    """What NVML said while a case ran."""

    index: int
    telemetry: Telemetry


Message = Ready | Step | NotRun | Noted | Warmed | Sampled | Watched
