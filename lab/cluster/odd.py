"""Finds the nodes that are set up in another way than most, however fast they are."""

from collections import Counter
from collections.abc import Mapping

from lab.cluster.judge import LEAST_NODES
from lab.records.bench import Environment
from lab.records.cluster import OddOneOut

_PLAIN = (
    "engine", "image_digest", "lock_sha256", "platform", "python", "torch", "blas", "threads",
    "interop_threads", "matmul_precision",
)  # fmt: skip
_PARTS = {
    "cpu": ("model", "isa", "cores", "logical", "l3_bytes"),
    "cgroup": ("cpus", "memory_bytes"),
    "gpu": (
        "name", "driver", "capability", "memory_bytes", "multiprocessors", "max_clock_hz",
        "power_limit_w",
    ),
}  # fmt: skip


def odd_ones_out(facts: Mapping[str, Mapping[str, str]]) -> list[OddOneOut]:
    """The nodes that differ from what more than half of all nodes have, field by field.

    Args:
        facts: of each node its fields, the same ones on all of them.
    """
    if len(facts) < LEAST_NODES:
        return []
    found = []
    for field in next(iter(facts.values())):
        usual, count = Counter(fact[field] for fact in facts.values()).most_common(1)[0]
        if 2 * count > len(facts):
            found += [
                OddOneOut(node=node, field=field, value=fact[field], usual=usual)
                for node, fact in facts.items()
                if fact[field] != usual
            ]
    return sorted(found, key=lambda odd: (odd.node, odd.field))


def facts_of(environment: Environment) -> dict[str, str]:
    """The fields in which nodes should agree, as text; what is not known is `none`."""
    facts = {field: _text(getattr(environment, field)) for field in _PLAIN}
    for part, fields in _PARTS.items():
        holder = getattr(environment, part)
        facts |= {f"{part}.{field}": _text(getattr(holder, field, None)) for field in fields}
    return facts


def _text(value: object) -> str:
    return "none" if value is None else str(value)
