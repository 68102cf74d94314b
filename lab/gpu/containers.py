"""Names of the containers whose processes use a GPU."""

from functools import lru_cache

from msgspec.structs import replace

from lab.process import run
from lab.records.gpu import Gpu, GpuReport

_PATIENCE_S = 3.0
_SHORT = 12  # digits of an id, as engines show it


def name_containers(report: GpuReport) -> GpuReport:
    """A report with the name, or else the short id, of each process's container."""
    ids = {p.container_id for gpu in report.gpus for p in gpu.processes if p.container_id}
    if not ids:
        return report
    names = _names(frozenset(ids))
    return replace(report, gpus=[_named(gpu, names) for gpu in report.gpus])


def _named(gpu: Gpu, names: dict[str, str]) -> Gpu:
    processes = [
        replace(process, container=names.get(process.container_id, process.container_id[:_SHORT]))
        if process.container_id
        else process
        for process in gpu.processes
    ]
    return replace(gpu, processes=processes)


@lru_cache(maxsize=4)
def _names(ids: frozenset[str]) -> dict[str, str]:
    """Names by id, as the engines of this machine know them; asked once for the same ids."""
    found: dict[str, str] = {}
    for program in ("docker", "podman"):
        if ids <= found.keys():
            break
        listed = run(
            [program, "ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}"], timeout_s=_PATIENCE_S
        )
        if listed.ok:
            lines = (line.partition(" ") for line in listed.stdout.splitlines())
            found.update({container: name for container, space, name in lines if space})
    return found
