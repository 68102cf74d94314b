"""Reads all GPUs in a process of its own: a fork, or `python -m lab.gpu.reader`.

NVML may hang, print, or end the process that calls it; here that costs one reading, and a GPU that
hangs does not hold up the others. A line of JSON on standard output is a
reading; the first comes by itself, a further one for each line on standard input.

Nothing is imported that is not needed: this process starts for each `inv gpu`.
"""

import json
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import IO, Any

from lab.gpu.ask import Device, code_of, errors
from lab.gpu.fields import FIELDS, Field
from lab.gpu.lists import (
    read_fans,
    read_instances,
    read_links,
    read_memory_temperature,
    read_processes,
    read_sram,
)
from lab.gpu.reasons import reason_of

# nvmlGpuTopologyLevel_t and nvmlGpuP2PStatus_t of nvml.h, the levels as nvidia-smi topo says them.
TOPOLOGY = {0: "internal", 10: "single", 20: "multiple", 30: "hostbridge", 40: "node", 50: "system"}
_P2P = {"peer_read": 0, "nvlink": 2}  # nvmlGpuP2PCapsIndex_t
# The start of the driver takes seconds for each GPU where persistence mode is off.
_START_TIMES = 6
_MOST_GPUS = 64
# A GPU that takes longer is slow: eight simulated ones take 1 ms each.
_NEXT_S = 0.02
_TIMEOUT = 10  # NVML_ERROR_TIMEOUT


class Reader:
    """NVML, started once, and what asks it."""

    def __init__(self, nvml: Any, *, deadline_s: float, slow: bool) -> None:
        """Keep what to ask with.

        Args:
            nvml: nvidia-ml-py.
            deadline_s: how long the calls of one GPU may take together.
            slow: read the values too whose calls take 20 ms and more.
        """
        self._nvml = nvml
        self._deadline_s = deadline_s
        self._fields: Sequence[Field] = tuple(f for f in FIELDS if slow or not f.slow)
        self._missing = {f.name: "not_asked" for f in FIELDS if f.slow and not slow}
        self._hung: dict[int, Device] = {}
        self._started = False

    def read(self) -> dict[str, Any]:
        """One reading of everything."""
        if not self._started:
            code = self._within(self._deadline_s * _START_TIMES, self._call_for_code("nvmlInit"))
            if code:
                return _trouble(code, "nvmlInit")
            self._started = True
        system: dict[str, Any] = {}
        code = self._within(self._deadline_s, lambda: self._read_system(system))
        if code:
            return {**_trouble(code, "nvmlDeviceGetCount"), **system}
        devices = self._read_all(system.pop("count"))
        topology: list[dict[str, Any]] = []
        self._within(self._deadline_s, lambda: self._read_topology(devices, topology))
        gpus = [self._finish(index, device) for index, device in enumerate(devices)]
        return {
            "answers": True, **system, "library": library(), "gpus": gpus,
            "topology": list(topology),
        }  # fmt: skip

    def _within(self, seconds: float, function: Callable[[], int]) -> int:
        """The code that a function returns, or that of a time-out where it does not by then."""
        outcome: list[int] = []
        _in_thread(lambda: outcome.append(function())).join(seconds)
        return outcome[0] if outcome else _TIMEOUT

    def _call_for_code(self, name: str) -> Callable[[], int]:
        def call() -> int:
            try:
                getattr(self._nvml, name)()
            except errors(self._nvml) as error:
                return code_of(error)
            return 0

        return call

    def _read_system(self, system: dict[str, Any]) -> int:
        """What is true of the whole machine; returns the code of an error in counting GPUs."""
        # CUDA's is what cuda-compat's libraries claim; the driver's own version is what is judged.
        names = {
            "driver_version": ("nvmlSystemGetDriverVersion",),
            "nvml_version": ("nvmlSystemGetNVMLVersion",),
            "cuda_version": ("nvmlSystemGetCudaDriverVersion_v2", "nvmlSystemGetCudaDriverVersion"),
        }
        for name, calls in names.items():
            system[name] = next(filter(None, map(self._system, calls)), None)
        try:
            system["count"] = min(self._nvml.nvmlDeviceGetCount(), _MOST_GPUS)
        except errors(self._nvml) as error:
            return code_of(error)
        return 0

    def _system(self, name: str) -> Any:
        try:
            answer = getattr(self._nvml, name)()
        except Exception:  # also text that is no UTF-8
            return None
        return answer.decode(errors="replace") if isinstance(answer, bytes) else answer

    def _read_all(self, count: int) -> list[Device]:
        """Ask all GPUs: one after the other, which is quickest for quick ones, since threads that
        make many short calls hinder each other; beside a slow one another thread takes the next.

        One that still hangs from the last time is not asked again.
        """
        devices = [self._hung.get(index) or Device(self._nvml, None) for index in range(count)]
        waiting = deque(index for index in range(count) if index not in self._hung)
        ended = threading.Semaphore(0)

        def work() -> None:
            while waiting:
                try:
                    index = waiting.popleft()
                except IndexError:  # another thread was quicker
                    return
                self._read_one(index, devices[index])
                ended.release()

        end = time.monotonic() + self._deadline_s
        left = len(waiting)
        while left and time.monotonic() < end:
            if waiting:
                _in_thread(work)
            pause = _NEXT_S if waiting else end - time.monotonic()
            while left and ended.acquire(timeout=max(0.0, min(pause, end - time.monotonic()))):
                left -= 1
        waiting.clear()
        self._hung = {i: device for i, device in enumerate(devices) if not device.finished}
        return devices

    def _read_one(self, index: int, device: Device) -> None:
        device.calling = "nvmlDeviceGetHandleByIndex"
        try:
            device.handle = self._nvml.nvmlDeviceGetHandleByIndex(index)
            device.calling = ""
            device.missing.update(self._missing)
            self._read_device(device)
        except errors(self._nvml) as error:
            device.missing["handle"] = reason_of(code_of(error))
        except Exception as error:  # one GPU with answers that make no sense, not all of them
            device.missing["handle"] = "unknown"
            device.values["detail"] = f"{type(error).__name__}: {error}"
        finally:
            device.calling = ""
            device.finished = True

    def _read_device(self, device: Device) -> None:
        device.read(self._fields)
        read_memory_temperature(device)
        read_sram(device)
        read_fans(device)
        read_links(device)
        instances = read_instances(device)
        read_processes(device, instances)

    def _finish(self, index: int, device: Device) -> dict[str, Any]:
        """What was read of a GPU by now; its thread may still be at work."""
        gpu: dict[str, Any] = {"index": index, **dict(device.values)}
        missing = dict(device.missing)
        handle = missing.pop("handle", "")
        if index in self._hung:
            gpu["detail"] = device.calling or "between two calls"
            handle = "no_answer"
        if handle:
            gpu["unreadable"] = handle
            missing.update({f.name: handle for f in FIELDS if f.name not in {*gpu, *missing}})
        return {**gpu, "missing": missing}

    def _read_topology(self, devices: list[Device], pairs: list[dict[str, Any]]) -> int:
        """How each pair of GPUs is connected; those that hang are left out."""
        well = [i for i, d in enumerate(devices) if d.handle is not None and i not in self._hung]
        for position, first in enumerate(well):
            for second in well[position + 1 :]:
                a, b = devices[first], devices[second]
                pair: dict[str, Any] = {"gpus": [first, second]}
                level, reason = a.ask(("nvmlDeviceGetTopologyCommonAncestor", b.handle))
                if not reason:
                    pair["ancestor"] = TOPOLOGY.get(level, str(level))
                for name, index in _P2P.items():
                    status, reason = a.ask(("nvmlDeviceGetP2PStatus", b.handle, index))
                    if not reason:
                        pair[name] = status == 0
                pairs.append(pair)
        return 0


def _trouble(code: int, call: str) -> dict[str, Any]:
    import pynvml

    return {
        "answers": False, "code": code, "call": call, "detail": str(pynvml.NVMLError(code)),
        "library": library(),
    }  # fmt: skip


def library() -> str:
    """The file that NVML was loaded from; empty where none was."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            paths = [line.split(maxsplit=5)[5].strip() for line in file if "libnvidia-ml" in line]
    except OSError:
        return ""
    return paths[0] if paths else ""


def _in_thread(function: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def serve(told: IO[str], say: IO[str], *, deadline_s: float, slow: bool) -> None:
    """Read at once, then for each line that is told; ends the process where that ends.

    Args:
        told: lines, each of which asks for a further reading.
        say: takes the readings, a line of JSON each.
        deadline_s: how long the calls of one GPU may take together.
        slow: read the slow values too.
    """
    import pynvml

    reader = Reader(pynvml, deadline_s=deadline_s, slow=slow)
    while True:
        say.write(json.dumps(reader.read()) + "\n")
        say.flush()
        if not told.readline():
            os._exit(0)  # a call that hangs would hold up an ordinary end


def main(argv: Sequence[str]) -> None:
    """Read as a program.

    Args:
        argv: the deadline in seconds, and `slow` where the slow values are wanted too.
    """
    answers = os.dup(1)
    with open(os.devnull, "w") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 1)  # a stub library prints on standard output
    with os.fdopen(answers, "w", encoding="utf-8") as out:
        serve(sys.stdin, out, deadline_s=float(argv[0]), slow="slow" in argv[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
