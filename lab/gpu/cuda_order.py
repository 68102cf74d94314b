"""CUDA's numbers for GPUs, which are not NVML's."""

from collections.abc import Mapping, Sequence

from lab.records.gpu import Gpu


def cuda_indices(gpus: Sequence[Gpu], environ: Mapping[str, str]) -> dict[int, int | str]:
    """CUDA's index of each GPU, by NVML's; where it has none, the reason.

    CUDA counts by PCI address where CUDA_DEVICE_ORDER says so, and otherwise puts the fastest
    first, which only identical GPUs let us foresee. CUDA_VISIBLE_DEVICES then chooses and orders;
    its list ends at the first entry that names no GPU (CUDA C++ Programming Guide, "CUDA
    Environment Variables").

    Returns:
        The index, or `hidden`, `mig` (CUDA sees the instances instead) or `unknown_order`.
    """
    by_address = sorted(gpus, key=lambda gpu: (gpu.pci_bus_id or "", gpu.index))
    ordered = environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    foreseeable = ordered or len({gpu.name for gpu in gpus}) <= 1
    chosen = environ.get("CUDA_VISIBLE_DEVICES")
    found: dict[int, int | str] = {
        gpu.index: "hidden" if chosen is not None else "unknown_order" for gpu in gpus
    }
    entries = _entries(chosen, len(by_address))
    for position, entry in enumerate(entries):
        gpu = _named(entry, by_address)
        if gpu is None or (entry.isdigit() and isinstance(found[gpu.index], int)):
            break
        if entry.isdigit() and not foreseeable:
            return {gpu.index: "unknown_order" for gpu in gpus}
        found[gpu.index] = "mig" if gpu.mig_enabled else position
    return found


def _entries(chosen: str | None, count: int) -> list[str]:
    if chosen is None:
        return [str(number) for number in range(count)]
    return [entry.strip() for entry in chosen.split(",")]


def _named(entry: str, by_address: Sequence[Gpu]) -> Gpu | None:
    """The GPU that an entry names: by its number, or by the beginning of its UUID."""
    if entry.isdigit():
        return by_address[int(entry)] if int(entry) < len(by_address) else None
    if not entry.startswith("GPU-"):
        return None
    found = [gpu for gpu in by_address if (gpu.uuid or "").startswith(entry)]
    return found[0] if len(found) == 1 else None
