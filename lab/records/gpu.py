"""What NVML said of the GPUs, and what was made of it, as a record.

Units are in the names; what could not be read is null, and `missing` says why.
"""

from typing import Literal

from msgspec import Struct

from lab.records.doctor import Finding, Verdict

Place = Literal["host", "container"]


class GpuProcess(Struct, frozen=True, kw_only=True):
    """A process that has the GPU open."""

    pid: int
    """As NVML counts: on the host the host's number."""
    kind: Literal["compute", "graphics", "mps"]
    user: str | None = None
    command: str | None = None
    container: str | None = None
    """Name of its container, or its id where no engine here knows the name."""
    container_id: str | None = None
    memory_bytes: int | None = None
    sm_percent: int | None = None
    """Share of the multiprocessors' time, in the driver's last sample."""
    gpu_instance: int | None = None
    compute_instance: int | None = None


class NvLink(Struct, frozen=True, kw_only=True):
    """One NVLink of a GPU; its errors are counted since the driver was loaded."""

    link: int
    active: bool
    version: str | None = None
    remote: str | None = None
    """`gpu`, `switch`, `ibm_npu` or `unknown`."""
    remote_pci_bus_id: str | None = None
    replay_errors: int | None = None
    recovery_errors: int | None = None
    crc_flit_errors: int | None = None
    crc_data_errors: int | None = None


class MigInstance(Struct, frozen=True, kw_only=True):
    """A part of a GPU that CUDA sees as a device of its own."""

    uuid: str | None = None
    profile: str | None = None
    """As `1g.10gb`."""
    gpu_instance: int | None = None
    compute_instance: int | None = None
    multiprocessors: int | None = None
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    missing: dict[str, str] = {}


class GpuPair(Struct, frozen=True, kw_only=True):
    """How two GPUs, by their NVML index, are connected."""

    gpus: tuple[int, int]
    ancestor: str | None = None
    """What both share: `internal` (one board), `single` or `multiple` PCIe switches, `hostbridge`,
    `node` (one NUMA node), `system`."""
    peer_read: bool | None = None
    """Whether each can read the other's memory."""
    nvlink: bool | None = None


class Gpu(Struct, frozen=True, kw_only=True):
    """One GPU. The rows of lab/gpu/fields.py say which call and which key of nvidia-smi each value
    is."""

    index: int
    """NVML's; it may change from boot to boot."""
    cuda_index: int | None = None
    """CUDA's, after CUDA_VISIBLE_DEVICES."""
    uuid: str | None = None
    """The stable name."""
    name: str | None = None
    verdict: Verdict = "ok"
    reasons: list[Finding] = []
    """Why the verdict is not ok, each with its remedy."""
    unreadable: str | None = None
    """Why nothing, or no more, could be read: `lost`, `no_permission`, `no_answer`, ..."""
    detail: str | None = None
    """The call that gave no answer."""
    serial: str | None = None
    minor_number: int | None = None
    pci_bus_id: str | None = None
    compute_capability: str | None = None
    vbios_version: str | None = None
    numa_node: int | None = None
    cpu_affinity: list[int] | None = None
    """Processors near the GPU."""
    memory: Literal["own", "unified"] | None = None
    """`unified`: it shares the system's; see `system_memory_total_bytes` of the report."""
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    memory_free_bytes: int | None = None
    memory_reserved_bytes: int | None = None
    """By the driver; not part of `memory_used_bytes` where it is given."""
    bar1_total_bytes: int | None = None
    bar1_used_bytes: int | None = None
    utilization_percent: int | None = None
    """Share of the last sample in which a kernel ran; not how much of the GPU it used."""
    memory_utilization_percent: int | None = None
    encoder_percent: int | None = None
    decoder_percent: int | None = None
    temperature_c: int | None = None
    temperature_slowdown_c: int | None = None
    temperature_shutdown_c: int | None = None
    temperature_max_c: int | None = None
    memory_temperature_c: int | None = None
    fan_percent: list[int] | None = None
    """Of each fan; empty where it has none of its own."""
    power_w: float | None = None
    power_limit_w: float | None = None
    """The one in force."""
    power_limit_set_w: float | None = None
    power_limit_default_w: float | None = None
    power_limit_min_w: float | None = None
    power_limit_max_w: float | None = None
    energy_j: float | None = None
    """Since the driver was loaded."""
    performance_state: str | None = None
    graphics_clock_mhz: int | None = None
    sm_clock_mhz: int | None = None
    memory_clock_mhz: int | None = None
    video_clock_mhz: int | None = None
    graphics_clock_max_mhz: int | None = None
    sm_clock_max_mhz: int | None = None
    memory_clock_max_mhz: int | None = None
    clock_event_reasons: list[str] | None = None
    """Why the clock is not at its maximum; `gpu_idle` and `sw_power_cap` are normal."""
    power_violation_s: float | None = None
    """Time that the power limit kept the clock down, since the driver was loaded."""
    thermal_violation_s: float | None = None
    pcie_generation: int | None = None
    pcie_generation_max: int | None = None
    """That GPU and slot can reach together."""
    pcie_width: int | None = None
    pcie_width_max: int | None = None
    pcie_replays: int | None = None
    pcie_sent_bytes_per_s: float | None = None
    """In the last 20 ms; read only with --throughput, as the next."""
    pcie_received_bytes_per_s: float | None = None
    ecc_enabled: bool | None = None
    ecc_enabled_pending: bool | None = None
    """After the next reset."""
    ecc_corrected_volatile: int | None = None
    """Since the driver was loaded; `aggregate` counts the GPU's whole life."""
    ecc_uncorrected_volatile: int | None = None
    ecc_corrected_aggregate: int | None = None
    ecc_uncorrected_aggregate: int | None = None
    sram_threshold_exceeded: bool | None = None
    remapped_rows_corrected: int | None = None
    remapped_rows_uncorrected: int | None = None
    remapped_rows_pending: bool | None = None
    remapped_rows_failed: bool | None = None
    retired_pages_single_bit: int | None = None
    retired_pages_double_bit: int | None = None
    retired_pages_pending: bool | None = None
    persistence_enabled: bool | None = None
    compute_mode: str | None = None
    display_active: bool | None = None
    mig_enabled: bool | None = None
    mig_enabled_pending: bool | None = None
    mig_instances: list[MigInstance] | None = None
    nvlinks: list[NvLink] | None = None
    processes: list[GpuProcess] = []
    missing: dict[str, str] = {}
    """For each value that is null: `not_supported` by this GPU, `no_permission`, `lost`, `too_old`
    (the driver), `no_answer` by the deadline, `not_asked`, or NVML's error in words."""


class Wheel(Struct, frozen=True, kw_only=True):
    """The torch that the verdicts are about: that of the lab's cuda lock."""

    cuda_version: str
    architectures: list[str]
    outcome: Literal["native", "minor", "forward", "too_old"] | None = None
    """How this driver runs it; null where the driver's version is not known."""
    least_driver: str | None = None


class GpuReport(Struct, frozen=True, kw_only=True):
    """All GPUs that the driver knows. Version 1 of the schema is the first."""

    schema: str = "lab/gpu/1"
    read_utc: str
    place: Place
    """Where it was read."""
    host: str
    receipt: str | None = None
    """SHA-256 of the receipt of the clone that asked; null inside an image, which has none."""
    verdict: Verdict
    """The worst of the GPUs'."""
    driver_version: str | None = None
    cuda_version: str | None = None
    """The newest CUDA that the driver claims to run."""
    nvml_version: str | None = None
    wheel: Wheel
    system_memory_total_bytes: int | None = None
    system_memory_available_bytes: int | None = None
    gpus: list[Gpu]
    topology: list[GpuPair] = []
    notes: list[str] = []
    """What is true of the whole machine and no fault of a GPU."""
