"""Finds the nodes that are set up in another way than most, however fast they are."""

from collections import Counter
from collections.abc import Iterable, Mapping

from lab.cluster.figures import Figures
from lab.cluster.judge import LEAST_NODES
from lab.records.cluster import OddOneOut, Setup
from lab.records.gpu import GpuReport

_PLAIN = (
    "engine", "image_digest", "lock_sha256", "platform", "python", "torch", "blas", "threads",
    "interop_threads", "matmul_precision",
)  # fmt: skip
_PARTS = {
    "cpu": ("model", "isa", "cores", "logical", "l3_bytes"),
    "cgroup": ("cpus", "memory_bytes"),
    "settings": (
        "bios", "microcode", "governor", "energy_preference", "max_clock_hz", "boost", "smt",
        "numa_nodes", "transparent_hugepages",
    ),
}  # fmt: skip
_OF_GPUS = (
    "name", "driver", "capability", "memory_bytes", "multiprocessors", "max_clock_hz",
    "power_limit_w",
)  # fmt: skip
_READ = (
    "name", "vbios_version", "memory_total_bytes", "power_limit_w", "power_limit_default_w",
    "sm_clock_max_mhz", "memory_clock_max_mhz", "pcie_generation_max", "pcie_width_max",
    "ecc_enabled", "mig_enabled", "persistence_enabled", "compute_mode",
)  # fmt: skip
_NONE = "none"


def odd_ones_out(facts: Mapping[str, Mapping[str, str]]) -> list[OddOneOut]:
    """The nodes that differ from what more than half of all nodes have, field by field.

    Args:
        facts: of each node its fields; one that it does not have is not known of it.
    """
    if len(facts) < LEAST_NODES:
        return []
    found = []
    for field in dict.fromkeys(field for fact in facts.values() for field in fact):
        values = {node: fact[field] for node, fact in facts.items() if field in fact}
        usual, count = Counter(values.values()).most_common(1)[0]
        if count >= LEAST_NODES - 1 and 2 * count > len(values):
            found += [
                OddOneOut(node=node, field=field, value=value, usual=usual)
                for node, value in values.items()
                if value != usual
            ]
    return sorted(found, key=lambda odd: (odd.node, odd.field))


def setups(facts: Mapping[str, Mapping[str, str]]) -> list[Setup]:
    """The ways in which nodes are set up, the most usual first; `facts` as in `odd_ones_out`."""
    found: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for node, own in facts.items():
        found.setdefault(tuple(own.items()), []).append(node)
    return [
        Setup(nodes=nodes, facts=dict(own))
        for own, nodes in sorted(found.items(), key=lambda item: -len(item[1]))
    ]


def facts_of(figures: Figures) -> dict[str, str]:
    """The fields in which nodes should agree, as text; what is not known is `none`."""
    environment = figures.environment
    facts = {field: _text(getattr(environment, field)) for field in _PLAIN}
    for part, fields in _PARTS.items():
        holder = getattr(environment, part)
        facts |= {f"{part}.{field}": _text(getattr(holder, field, None)) for field in fields}
    gpus = list(figures.gpus.values())
    facts |= {f"gpu.{field}": together(getattr(gpu, field) for gpu in gpus) for field in _OF_GPUS}
    # NVML was asked for more in the end; what both know is that of the run itself.
    return (facts_of_gpus(figures.read) if figures.read is not None else {}) | facts


def facts_of_gpus(report: GpuReport) -> dict[str, str]:
    """The same of what NVML said of a node's GPUs."""
    readable = [gpu for gpu in report.gpus if gpu.unreadable is None]
    facts = {
        "gpu.driver": _text(report.driver_version), "gpu.cuda": _text(report.cuda_version),
        "gpu.count": str(len(report.gpus)),
    }  # fmt: skip
    return facts | {
        f"gpu.{name}": together(getattr(gpu, name) for gpu in readable) for name in _READ
    }


def together(values: Iterable[object]) -> str:
    """What several GPUs have; where they differ, each value and how many have it."""
    counts = Counter(map(_text, values))
    if len(counts) < 2:
        return next(iter(counts), _NONE)
    return ", ".join(f"{count} with {value}" for value, count in sorted(counts.items()))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return _NONE if value is None else f"{value:g}" if isinstance(value, float) else str(value)
