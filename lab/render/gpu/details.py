"""Every value of every GPU, under the names of the record."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import asdict

from lab.records.gpu import Gpu, GpuReport
from lab.render.clean import clean

if TYPE_CHECKING:
    from rich.console import RenderableType

# Said elsewhere in the same text.
_SAID = {"verdict", "reasons", "processes", "missing", "unreadable", "detail"}


def details_of(report: GpuReport, smi: Mapping[str, str]) -> Iterator["RenderableType"]:
    """A block for each GPU, then how each pair is connected.

    Args:
        report: what was read.
        smi: what nvidia-smi calls a value, by the record's name for it.
    """
    from rich.table import Table
    from rich.text import Text

    for gpu in report.gpus:
        yield Text(f"\nGPU {gpu.index}", style="bold")
        shown = Table(box=None, padding=(0, 2, 0, 2), show_edge=False, show_header=False)
        for name, words in _rows(gpu):
            key = smi.get(name)
            shown.add_row(name, Text.assemble(words, (f"  {key}" if key else "", "dim")))
        yield shown
    if report.topology:
        yield Text("\nconnections", style="bold")
    for pair in report.topology:
        how = [pair.ancestor or "unknown", *(["NVLink"] if pair.nvlink else [])]
        peers = {
            True: ", each reads the other's memory",
            False: ", no access to the other's memory",
        }
        words = " and ".join(how) + (peers[pair.peer_read] if pair.peer_read is not None else "")
        yield Text(f"  {pair.gpus[0]} - {pair.gpus[1]}  {words}")


def _rows(gpu: Gpu) -> Iterator[tuple[str, str]]:
    for name, value in asdict(gpu).items():
        if name in _SAID:
            continue
        if value is None:
            yield name, f"- ({gpu.missing.get(name, 'not known')})"
        elif isinstance(value, list) and value and isinstance(value[0], Struct):
            for number, entry in enumerate(value):
                yield (name if number == 0 else ""), _entry(entry)
        elif name == "cpu_affinity":
            yield name, _ranges(value)
        else:
            yield name, _words(value)


def _ranges(numbers: list[int]) -> str:
    """Numbers in order as `0-55, 112-167`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    shown = [f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    return ", ".join(shown) or "none"


def _entry(entry: Struct) -> str:
    values = {name: value for name, value in asdict(entry).items() if value not in (None, {})}
    return ", ".join(f"{name} {_words(value)}" for name, value in values.items())


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return clean(", ".join(map(str, value))) or "none"
    return clean(f"{value:g}" if isinstance(value, float) and value < 1e6 else str(value))
