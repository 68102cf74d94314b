"""What one lab's server bears: 1 to 40 open pages, then 20 kernels in the memory there is.

For each number of pages, on one server that `inv lab` starts:
  open     all fetch JupyterLab at once, nothing cached; a figure is a page's whole loading
  kernel   all start their notebook's kernel at once; a figure is the time until it answers
  work     each asks what an open page asks, when it does, saves every 30 s, runs a cell every 10 s
  hurry    the same without a pause: the most that the server gets done
Then kernels one after another, with torch at last, each as soon as the one before it answers; the
server is asked every 0.1 s meanwhile. Ends before memory does: RESERVE is left alone.
`server` and `a request` are the processor's time that the server took, of one core and of each
request. What asks runs on the same processors. A latency counts from when its request was due.
Linux. In the lab's environment: python benchmarks/load.py; 5 minutes. Ends with 3 where a request
failed.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.load_client import Address, Api, Kernel, Prober
from benchmarks.load_page import Call, Page
from lab.memory import available_bytes
from lab.paths import state

RESERVE = 2 << 30  # bytes that are never asked for
BARE, WITH_TORCH = 150 << 20, 500 << 20  # what a kernel may take at the most, to begin with
CPU_S = """\
import os
with open(f"/proc/{os.getppid()}/stat") as _file:
    _words = _file.read().rpartition(")")[2].split()
print((int(_words[11]) + int(_words[12])) / os.sysconf("SC_CLK_TCK"))"""
HELD_BYTES = """\
with open("/proc/self/smaps_rollup") as _file:
    print(next(int(_line.split()[1]) for _line in _file if _line.startswith("Pss:")) * 1024)"""
NOTEBOOK = {
    "cells": [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": "x = 1\n" * 10,
         "outputs": [], "execution_count": None} for n in range(20)
    ],
    "metadata": {"kernelspec": {"display_name": "Python 3", "name": "python3"}},
    "nbformat": 4, "nbformat_minor": 5,
}  # fmt: skip


@contextlib.contextmanager
def lab(engine: str, pages: int) -> Iterator[Address]:
    """A lab with a state folder and a work folder of its own, and a notebook for each page."""
    with tempfile.TemporaryDirectory(prefix="load-") as place:
        folder, work = Path(place) / "state", Path(place) / "work"
        folder.mkdir()
        work.mkdir()
        for made in (path for path in state().glob("*-*/") if path.name != "server"):
            (folder / made.name).symlink_to(made)
        for number in range(pages):
            (work / name_of(number)).write_text(json.dumps(NOTEBOOK), encoding="utf-8")
        variables = {**os.environ, "LAB_STATE": str(folder)}
        inv = str(ROOT / "inv")
        command = [inv, "lab", "--engine", engine, "--work", str(work), "--json"]
        started = subprocess.run(
            command, env=variables, stdout=subprocess.PIPE, text=True, check=False
        )
        try:
            if started.returncode:
                raise SystemExit("the lab did not start")
            yield Address.of(json.loads(started.stdout)["url"])
        finally:
            subprocess.run([inv, "stop"], env=variables, capture_output=True, check=True)


def name_of(number: int) -> str:
    """The notebook of a page."""
    return f"page-{number:02}.ipynb"


class Watcher:
    """A kernel that tells what its server has taken of the processors."""

    def __init__(self, address: Address) -> None:
        """Starts the kernel."""
        made = json.loads(Api(address)("POST", "/api/kernels", {"name": "python3"}))
        self._kernel = Kernel(address, made["id"])
        self._kernel.information()

    def cpu_s(self) -> float:
        """Seconds of a processor since the server began."""
        return float(self._kernel.run(CPU_S))


def at_once(calls: Sequence[Callable[[], object]]) -> list[float]:
    """Call all in threads; the seconds that each took."""
    times = [0.0] * len(calls)

    def timed(number: int) -> None:
        begun = time.monotonic()
        calls[number]()
        times[number] = time.monotonic() - begun

    threads = [threading.Thread(target=timed, args=(n,)) for n in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def phase(
    what: str, pages: list[Page], watcher: Watcher, do: Callable[[Page], None], *, whole: bool
) -> dict[str, Any]:
    """Have all pages do something at once; `whole`: the figure is all of it, not one request."""
    for page in pages:
        page.calls.clear()
    cpu_s, begun = watcher.cpu_s(), time.monotonic()
    times = at_once([lambda page=page: do(page) for page in pages])
    took_s = time.monotonic() - begun
    cpu_s = watcher.cpu_s() - cpu_s
    calls = [call for page in pages for call in page.calls]
    return {
        "pages": len(pages), "what": what, "requests": len(calls), "seconds": took_s,
        "requests_per_s": len(calls) / took_s, "server_cores": cpu_s / took_s,
        "server_ms_per_request": 1000 * cpu_s / max(1, len(calls)),
        **latency(times if whole else [call.latency_s for call in calls]),
        "errors": errors(calls),
    }  # fmt: skip


def latency(times: Sequence[float]) -> dict[str, float]:
    """Median, the 99th of 100 and the worst, in seconds; zeros of nothing."""
    ordered = sorted(times) or [0.0]
    return {
        "median_s": statistics.median(ordered), "p99_s": ordered[int(len(ordered) * 0.99)],
        "worst_s": ordered[-1],
    }  # fmt: skip


def errors(calls: Sequence[Call]) -> dict[str, int]:
    """What went wrong, and how often."""
    return dict(Counter(f"{call.kind}: {call.error}" for call in calls if call.error))


def of_pages(address: Address, counts: Sequence[int], seconds: float) -> Iterator[dict[str, Any]]:
    """The four figures for each number of pages that memory has room for."""
    watcher = Watcher(address)
    for count in counts:
        if (available_bytes("cpu") or 0) < RESERVE + count * BARE:
            print(f"no memory for {count} kernels: stopped here", file=sys.stderr)
            return
        pages = [Page(address, name_of(n), NOTEBOOK, seed=n) for n in range(count)]
        try:
            yield phase("open", pages, watcher, Page.open, whole=True)
            yield phase("kernel", pages, watcher, Page.start_kernel, whole=True)
            yield phase("work", pages, watcher, partial(Page.work, seconds=seconds), whole=False)
            hurry = partial(Page.hurry, seconds=seconds / 3)
            yield phase("hurry", pages, watcher, hurry, whole=False)
        finally:
            at_once([page.close for page in pages])


def of_kernels(address: Address, count: int) -> dict[str, Any]:
    """Start kernels one by one, then have each import torch; what each took of time and memory."""
    kernels: list[Kernel] = []

    def begin() -> None:
        made = json.loads(Api(address)("POST", "/api/kernels", {"name": "python3"}))
        kernels.append(Kernel(address, made["id"]))
        kernels[-1].run("1 + 1")

    before = available_bytes("cpu") or 0

    def part(calls: Sequence[Callable[[], object]], most_bytes: int) -> dict[str, Any]:
        with Prober(address) as prober:
            times = each(calls, most_bytes)
        return {
            "kernels": len(times), "memory": held(kernels[: len(times)], before),
            **latency(times), "server": {**latency(prober.times), "failed": prober.failed},
        }  # fmt: skip

    bare = part([begin] * count, BARE)
    with_torch = part([partial(kernel.run, "import torch") for kernel in kernels], WITH_TORCH)
    return {"bare": bare, "with_torch": with_torch}


def each(calls: Sequence[Callable[[], object]], most_bytes: int) -> list[float]:
    """Call one after another as long as memory lasts; the seconds that each took."""
    times = []
    for call in calls:
        if (available_bytes("cpu") or 0) < RESERVE + most_bytes:
            print(f"memory ends: stopped after {len(times)}", file=sys.stderr)
            break
        begun = time.monotonic()
        call()
        times.append(time.monotonic() - begun)
    return times


def held(kernels: Sequence[Kernel], before: int) -> dict[str, float]:
    """Bytes a kernel: its share of what it holds, and by how much the machine's free memory
    fell."""
    share = [int(kernel.run(HELD_BYTES)) for kernel in kernels]
    fell = before - (available_bytes("cpu") or 0)
    return {
        "share_bytes": statistics.fmean(share or [0]),
        "fell_bytes": fell / max(1, len(kernels)),
    }


def table(result: dict[str, Any]) -> str:
    """The figures for a person."""
    head = ("pages", "what", "requests", "per s", "median", "p99", "worst", "server", "a request",
            "errors")  # fmt: skip
    lines = ["{:>5}  {:<7}{:>9}{:>8}{:>10}{:>10}{:>10}{:>8}{:>12}{:>8}".format(*head)]
    for row in result["pages"]:
        times = "".join(f"{row[key] * 1000:>7.0f} ms" for key in ("median_s", "p99_s", "worst_s"))
        lines.append(
            f"{row['pages']:>5}  {row['what']:<7}{row['requests']:>9}{row['requests_per_s']:>8.0f}"
            f"{times}{row['server_cores']:>8.0%}{row['server_ms_per_request']:>9.1f} ms"
            f"{sum(row['errors'].values()):>8}"
        )
    for row in result["pages"]:
        lines += [f"{row['pages']} {row['what']}: {n} times {e}" for e, n in row["errors"].items()]
    lines += [_kernels_line(name, row) for name, row in result["kernels"].items()]
    lines.append(f"{result['cores']} cores; load average before: {result['load_average']:.1f}")
    return "\n".join(lines)


def _kernels_line(name: str, row: dict[str, Any]) -> str:
    share, fell = (row["memory"][key] / 2**20 for key in ("share_bytes", "fell_bytes"))
    median, worst = (row["server"][key] * 1000 for key in ("median_s", "worst_s"))
    return (
        f"{row['kernels']} kernels {name.replace('_', ' ')}: {share:.0f} MiB each (free memory fell"
        f" by {fell:.0f}), ready after {row['median_s']:.2f} s (worst {row['worst_s']:.2f});"
        f" the server answers in {median:.0f} ms meanwhile (worst {worst:.0f})"
    )


def main() -> int:
    """Measure and print; 0 when every request was answered, else 3."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pages", default="1,5,10,20,40", help="numbers of pages, in order")
    parser.add_argument("--kernels", type=int, default=20, help="at the most")
    parser.add_argument("--seconds", type=float, default=30, help="of work; a third of it in hurry")
    parser.add_argument("--engine", default="auto", help="as inv lab takes it")
    parser.add_argument("--json", action="store_true", help="print JSON alone on standard output")
    options = parser.parse_args()
    load_average = os.getloadavg()[0]
    counts = [int(word) for word in options.pages.split(",")]
    with lab(options.engine, max(counts)) as address:
        rows = []
        for row in of_pages(address, counts, options.seconds):
            print(f"{row['pages']} {row['what']} {row['errors']}", file=sys.stderr, flush=True)
            rows.append(row)
        result = {
            "cores": len(os.sched_getaffinity(0)), "load_average": load_average, "pages": rows,
            "kernels": of_kernels(address, options.kernels),
        }  # fmt: skip
    print(json.dumps(result, indent=2) if options.json else table(result))
    failed = [row["server"]["failed"] for row in result["kernels"].values()]
    return 3 if any(row["errors"] for row in rows) or any(failed) else 0


if __name__ == "__main__":
    sys.exit(main())
