"""Keeps GPUs in view that the driver no longer knows."""

from msgspec.structs import replace

from lab.gpu.reasons import REMEDIES
from lab.records.doctor import Finding
from lab.records.gpu import Gpu, GpuReport


class Memory:
    """The GPUs that were seen, by their UUID."""

    def __init__(self) -> None:
        """Know none."""
        self._seen: dict[str, Gpu] = {}

    def complete(self, report: GpuReport) -> GpuReport:
        """A report with the GPUs that earlier ones had, and with the names of those that no longer
        tell theirs."""
        here = {gpu.uuid for gpu in report.gpus if gpu.uuid}
        away = {gpu.index: gpu for uuid, gpu in self._seen.items() if uuid not in here}
        gpus = []
        for gpu in report.gpus:
            before = away.pop(gpu.index, None) if gpu.uuid is None else None
            if before is not None:
                gpu = replace(gpu, uuid=before.uuid, name=before.name, pci_bus_id=before.pci_bus_id)
            gpus.append(gpu)
        self._seen.update({gpu.uuid: gpu for gpu in gpus if gpu.uuid})
        gpus += [_gone(gpu) for gpu in away.values()]
        if not away:
            return replace(report, gpus=gpus)
        gpus.sort(key=lambda gpu: (gpu.index, gpu.unreadable is not None))
        return replace(report, gpus=gpus, verdict="fail")

    def all_gone(self, report: GpuReport) -> GpuReport:
        """The last report where no GPU can be read any more."""
        return replace(report, gpus=[_gone(gpu) for gpu in report.gpus], verdict="fail")


def _gone(gpu: Gpu) -> Gpu:
    why, remedy = REMEDIES["lost"]
    reason = Finding(
        name="lost", status="fail", seen="it was there, and the driver no longer knows it",
        why=why, next=remedy,
    )  # fmt: skip
    return Gpu(
        index=gpu.index, uuid=gpu.uuid, name=gpu.name, pci_bus_id=gpu.pci_bus_id,
        unreadable="lost", verdict="fail", reasons=[reason], missing={"memory_total_bytes": "lost"},
    )  # fmt: skip
