"""Compares fingerprints: bit for bit where results are bound to agree, by distance elsewhere."""

import math
from collections.abc import Iterator, Mapping, Sequence

from lab.receipt.finding import differs, few, same
from lab.records.receipt import Computed, Finding, Fingerprint

_BROKEN = (
    "a processor or memory that computes wrongly, or another torch: see `packages` and `files`"
    " above, then ./inv doctor"
)
_UNSTEADY = "see the GPU's errors: ./inv gpu; if it has none, another GPU tells whether it is torch"
_BIT_FOR_BIT = "bit for bit"
_IN_MODE = "bit for bit in the deterministic mode"


def compare_fingerprints(
    wanted: Sequence[Fingerprint], seen: Sequence[Fingerprint]
) -> Iterator[Finding]:
    """One finding for each computation of each device.

    Results on a GPU are held beside the CPU's: both were given the same numbers. Its deterministic
    mode is held against itself, since another GPU may add up in another order. Distances are
    between the few values of a result that a receipt keeps.
    """
    reference = _of(wanted, "cpu", "ordinary")
    for fingerprint in seen:
        if fingerprint.mode != "ordinary":
            continue
        repeated = fingerprint.device == "cpu"
        modes = (_of(wanted, "cpu", "deterministic"), _of(seen, "cpu", "deterministic"))
        for result in fingerprint.results:
            name = f"{fingerprint.device}: {result.name}"
            if reference is None or result.name not in _names(reference):
                yield Finding(
                    name=name, status="cannot tell", seen="the receipt does not have it",
                    next="take a receipt of the same version of the lab",
                )  # fmt: skip
                continue
            found = _compare(name, _names(reference)[result.name], result)
            yield _with_mode(found, result, modes) if repeated else found
    for device in sorted({f.device for f in seen} - {"cpu"}):
        runs = [f for f in seen if (f.device, f.mode) == (device, "deterministic")]
        yield from _repeated(device, runs, _names(reference) if reference else {})
    computed = _of(seen, "cpu", "ordinary")
    for name in _names(reference) if reference else ():
        if computed is None or name not in _names(computed):
            yield Finding(
                name=f"cpu: {name}", status="differs", seen="it was not computed",
                next="take it with the same version of the lab: ./inv verify --output NAME.json",
            )  # fmt: skip


def _repeated(
    device: str, runs: Sequence[Fingerprint], reference: Mapping[str, Computed]
) -> Iterator[Finding]:
    """What the deterministic mode promises of a GPU: the same bits in each run on that very GPU."""
    if len(runs) < 2:
        return
    first, second = (_names(run) for run in runs[:2])
    names = sorted(first.keys() | second.keys())
    unlike = [
        name for name in names
        if name not in first or name not in second or first[name].sha256 != second[name].sha256
    ]  # fmt: skip
    name = f"{device}: deterministic mode"
    far = [n for n, one in first.items() if n in reference and not _near(reference[n], one)]
    if unlike:
        yield differs(name, f"a second run gave other bits: {few(unlike)}", _UNSTEADY)
    elif far:
        yield differs(name, f"too far from the receipt's: {few(far)}", _BROKEN)
    else:
        yield same(name, f"{len(names)} results, bit for bit in two runs")


def _near(wanted: Computed, seen: Computed) -> bool:
    return _compare("", wanted, seen).status == "same"


def _of(fingerprints: Sequence[Fingerprint], device: str, mode: str) -> Fingerprint | None:
    return next((f for f in fingerprints if (f.device, f.mode) == (device, mode)), None)


def _names(fingerprint: Fingerprint) -> dict[str, Computed]:
    return {result.name: result for result in fingerprint.results}


def _compare(name: str, wanted: Computed, seen: Computed) -> Finding:
    if wanted.sha256 == seen.sha256:
        return Finding(name=name, status="same", seen=_BIT_FOR_BIT)
    apart = distance(wanted.values, seen.values)
    if wanted.tolerance is None:
        return Finding(
            name=name, status="differs", next=_BROKEN,
            seen=f"by {apart:.0e} of the largest value, where every machine must give the same"
            " bits",
        )  # fmt: skip
    if apart <= wanted.tolerance:
        return Finding(
            name=name, status="same",
            seen=f"within {apart:.0e} in {len(wanted.values)} of its numbers, of"
            f" {wanted.tolerance:.0e}",
        )  # fmt: skip
    return Finding(
        name=name, status="differs", next=_BROKEN,
        seen=f"by {apart:.0e} of the largest value; {wanted.tolerance:.0e} is expected",
    )  # fmt: skip


def _with_mode(
    found: Finding, result: Computed, modes: tuple[Fingerprint | None, Fingerprint | None]
) -> Finding:
    """Add what the deterministic mode says where the ordinary one may differ by hardware."""
    from msgspec.structs import replace

    wanted, seen = ((_names(m).get(result.name) if m else None) for m in modes)
    if result.bound or found.status != "same" or wanted is None or seen is None:
        return found
    if wanted.sha256 == seen.sha256:
        both = found.seen == _BIT_FOR_BIT
        words = f"{_BIT_FOR_BIT}, in both modes" if both else f"{found.seen}; {_IN_MODE}"
        return replace(found, seen=words)
    apart = distance(wanted.values, seen.values)
    if apart <= (wanted.tolerance or 0.0):
        return replace(found, seen=f"{found.seen}; not {_IN_MODE}")
    return replace(
        found, status="differs", next=_BROKEN,
        seen=f"in the deterministic mode by {apart:.0e}; {wanted.tolerance:.0e} is expected",
    )  # fmt: skip


def distance(wanted: Sequence[float | None], seen: Sequence[float | None]) -> float:
    """The largest difference, as a share of the largest wanted value; inf where there is none."""
    pairs = [(a, b) for a, b in zip(wanted, seen, strict=False) if a is not None and b is not None]
    if not pairs or not len(pairs) == len(wanted) == len(seen):
        return math.inf
    apart = [abs(a - b) for a, b in pairs]
    largest = max(abs(a) for a, _ in pairs)
    if any(math.isnan(x) for x in apart):
        return math.inf
    return max(apart) / largest if largest else (0.0 if not max(apart) else math.inf)
