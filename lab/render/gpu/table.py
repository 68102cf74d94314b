"""The GPUs as text: a line each, then what is wrong with it, then who uses it."""

import sys
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, TextIO

from lab.records.gpu import Gpu, GpuProcess, GpuReport, MigInstance
from lab.render.bench.units import NONE
from lab.render.clean import clean
from lab.render.gpu.columns import fit
from lab.render.hang import hang

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

_STYLES: dict[str, str] = {"ok": "green", "warn": "yellow", "fail": "bold red"}
_GIB = 1 << 30
# In a narrow terminal these go first.
_EXPENDABLE = ("pcie", "clock", "name", "power", "use", "temp")
_RIGHT = {"GPU", "temp", "power", "memory GiB", "use", "clock", "pcie", "pid"}


def gpu_text(
    report: GpuReport, stream: TextIO | None = None, *, width: int | None = None,
    details: Mapping[str, str] | None = None,
) -> str:  # fmt: skip
    """A report as text, with colours where the stream is a terminal and NO_COLOR is not set.

    Args:
        report: what was read.
        stream: where the text will go, None for standard output; nothing is written here.
        width: columns; None takes the terminal's, or 80.
        details: where it is given, every value of every GPU as well; it says what nvidia-smi calls
            each, by the record's name.
    """
    from rich.console import Console

    console = Console(
        file=stream or sys.stdout, width=width, highlight=False, markup=False, emoji=False
    )
    with console.capture() as captured:
        for part in parts(report, console):
            console.print(part)
        if details is not None:
            from lab.render.gpu.details import details_of

            for part in details_of(report, details):
                console.print(part)
    text = "\n".join(line.rstrip() for line in captured.get().rstrip().splitlines())
    encoding = console.encoding or "utf-8"
    return text.encode(encoding, errors="replace").decode(encoding)


def parts(report: GpuReport, console: "Console") -> Iterator["RenderableType"]:
    """What is shown, from the most to the least important: a screen may cut the end off.

    Args:
        report: what was read.
        console: what it is for; its width counts.
    """
    from rich.text import Text

    yield Text(head(report))
    yield Text()
    yield table(report.gpus, console.width)
    for gpu in report.gpus:
        yield from _reasons(gpu, console)
    if any(gpu.memory == "unified" for gpu in report.gpus):
        yield from hang(Text("unified memory: "), _unified(report), console)
    for note in report.notes:
        yield from hang(Text("note: ", style="dim"), clean(note), console)
    processes = [(gpu, process) for gpu in report.gpus for process in gpu.processes]
    if processes:
        yield Text()
        yield _process_table(processes, console.width)


def head(report: GpuReport) -> str:
    """One line on the machine: driver, and whether this is the host or a container."""
    cuda = f", CUDA {report.cuda_version}" if report.cuda_version else ""
    driver = clean(report.driver_version or "unknown")
    place = f"in container {report.host}" if report.place == "container" else f"on {report.host}"
    return f"NVIDIA driver {driver}{cuda}, {clean(place)}, {report.read_utc}"


def table(gpus: list[Gpu], width: int) -> "Table":
    """A line for each GPU, and for each of its MIG instances."""
    rows = [
        cells
        for gpu in gpus
        for cells in (_cells(gpu), *map(partial(_instance_cells, gpu), gpu.mig_instances or []))
    ]
    columns = fit(_by_column(rows), width, flexible="name", expendable=_EXPENDABLE)
    return _table(columns, {"verdict": _STYLES})


def _by_column(rows: list[dict[str, str]]) -> dict[str, list[str]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _table(columns: dict[str, list[str]], styles: Mapping[str, Mapping[str, str]]) -> "Table":
    """A table without lines.

    Args:
        columns: cells by heading.
        styles: of the cells of a column, by what they say.
    """
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="bold")
    for name in columns:
        shown.add_column(
            name, justify="right" if name in _RIGHT else "left", no_wrap=True, overflow="ellipsis"
        )
    for row in zip(*columns.values(), strict=True):
        named = zip(columns, row, strict=True)
        shown.add_row(
            *[Text(cell, style=styles.get(name, {}).get(cell, "")) for name, cell in named]
        )
    return shown


def _cells(gpu: Gpu) -> dict[str, str]:
    link = (
        NONE
        if gpu.pcie_generation is None or gpu.pcie_width is None
        else f"{gpu.pcie_generation} x{gpu.pcie_width}"
    )
    return {
        "GPU": str(gpu.index),
        "verdict": gpu.verdict,
        "name": clean(gpu.name or f"({gpu.unreadable or 'unknown'})").removeprefix("NVIDIA "),
        "temp": _with(gpu.temperature_c, "°C"),
        "power": _of(gpu.power_w, gpu.power_limit_w, "W"),
        "memory GiB": _memory(gpu),
        "use": _with(gpu.utilization_percent, "%"),
        "clock": _with(gpu.sm_clock_mhz, "MHz"),
        "pcie": link,
    }


def _instance_cells(gpu: Gpu, instance: MigInstance) -> dict[str, str]:
    words = dict.fromkeys(_cells(gpu), "")
    words["GPU"] = f"{gpu.index}:{NONE if instance.gpu_instance is None else instance.gpu_instance}"
    words["name"] = clean(f"MIG {instance.profile or ''}")
    words["memory GiB"] = _used(instance.memory_used_bytes, instance.memory_total_bytes)
    return words


def _used(used: int | None, total: int | None) -> str:
    return NONE if used is None or total is None else f"{used / _GIB:.1f}/{total / _GIB:.1f}"


def _with(value: int | None, unit: str) -> str:
    return NONE if value is None else f"{value} {unit}"


def _of(value: float | None, limit: float | None, unit: str) -> str:
    if value is None:
        return NONE
    return f"{value:.0f} {unit}" if limit is None else f"{value:.0f}/{limit:.0f} {unit}"


def _memory(gpu: Gpu) -> str:
    """Used and total memory in GiB; `unified` where it is the system's."""
    if gpu.memory == "unified":
        return "unified"
    return _used(gpu.memory_used_bytes, gpu.memory_total_bytes)


def _reasons(gpu: Gpu, console: "Console") -> Iterator["Text"]:
    from rich.text import Text

    for reason in gpu.reasons:
        style = "bold red" if reason.status == "fail" else "yellow"
        head = Text(f"GPU {gpu.index} {reason.status}: ", style=style)
        yield from hang(head, clean(reason.seen), console)
        for label, words in (("why:  ", reason.why), ("next: ", reason.next)):
            yield from hang(Text("  " + label, style="dim"), clean(words), console)


def _unified(report: GpuReport) -> str:
    total, free = report.system_memory_total_bytes, report.system_memory_available_bytes
    if total is None or free is None:
        return "the GPU shares the system's"
    return (
        f"the GPU shares the system's {total / _GIB:.1f} GiB, of which {free / _GIB:.1f} GiB are"
        " available"
    )


def _process_table(processes: list[tuple[Gpu, GpuProcess]], width: int) -> "Table":
    rows = [_process_cells(gpu, process) for gpu, process in processes]
    columns = fit(
        _by_column(rows), width, flexible="command",
        expendable=("container", "use", "memory GiB", "user"),
    )  # fmt: skip
    return _table(columns, {})


def _process_cells(gpu: Gpu, process: GpuProcess) -> dict[str, str]:
    instance = "" if process.gpu_instance is None else f":{process.gpu_instance}"
    memory = NONE if process.memory_bytes is None else f"{process.memory_bytes / _GIB:.1f}"
    return {
        "GPU": f"{gpu.index}{instance}",
        "pid": str(process.pid),
        "user": clean(process.user or NONE),
        "memory GiB": memory,
        "use": _with(process.sm_percent, "%"),
        "container": clean((process.container or NONE)[:20]),
        "command": clean(process.command or NONE),
    }
