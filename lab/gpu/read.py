"""Has the GPUs read by a process of its own, which may hang or die without harm."""

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Self

import msgspec

from lab.paths import ROOT
from lab.process import Conversation
from lab.records.gpu import Gpu, GpuPair

DEADLINE_S = 5.0
# Start of the driver, the machine's values, the GPUs, their topology: each has its own deadline in
# the reader. What has not come by then never does.
_TIMES = 6 + 3
_MARGIN_S = 2.0
_TOLD_S = 2.0

_NO_ANSWER = 10  # NVML_ERROR_TIMEOUT


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What the reader said.

    Args:
        answers: whether the GPUs could be counted; else only code, call and detail are there.
        code: NVML's error.
        call: the call that gave it.
        detail: NVML's own words.
        library: the file that NVML was loaded from.
        driver_version, nvml_version: as NVML gives them.
        cuda_version: as 13000 for 13.0.
        took_s: what reading took.
    """

    answers: bool
    code: int = 0
    call: str = ""
    detail: str = ""
    library: str = ""
    driver_version: str | None = None
    nvml_version: str | None = None
    cuda_version: int | None = None
    gpus: list[Gpu] = []
    topology: list[GpuPair] = []
    took_s: float | None = None


class Reading:
    """A process that reads the GPUs, once at its start and then whenever it is asked to."""

    def __init__(self, *, deadline_s: float = DEADLINE_S, slow: bool = False) -> None:
        """Start it; the first reading is under way at once.

        Args:
            deadline_s: how long the calls of one GPU may take together.
            slow: read also what takes 20 ms a call.
        """
        words = [f"{deadline_s:g}", *(["slow"] if slow else [])]
        self._argv = [sys.executable, "-m", "lab.gpu.reader", *words]
        self._patience_s = deadline_s * _TIMES + _MARGIN_S
        self._begin()

    def _begin(self) -> None:
        self._process = Conversation(self._argv, env={"PYTHONPATH": str(ROOT)})
        self._alive = True

    def __enter__(self) -> Self:
        """Nothing more: it runs."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it, whatever it is doing."""
        if self._alive:
            self._process.kill()
            self._process.end(patience_s=0.5)

    def snapshot(self, say: Callable[[str], None] = lambda _: None) -> Snapshot:
        """Wait for the reading that is under way.

        Args:
            say: takes a line where it takes long.
        """
        first = min(_TOLD_S, self._patience_s)
        try:
            line = self._process.answer(first)
            if line is None and self._patience_s > first:
                say("waiting for NVIDIA's driver ...")
                line = self._process.answer(self._patience_s - first)
        except EOFError:
            self._alive = False
            return _broken(f"what asked it ended: {self._process.end(patience_s=0.5).last_words}")
        if line is None:
            return Snapshot(answers=False, code=_NO_ANSWER, call="NVML", detail="no answer")
        try:
            return msgspec.json.decode(line, type=Snapshot)
        except msgspec.DecodeError as error:
            return _broken(f"its answer makes no sense: {error}")

    def again(self) -> None:
        """Ask for a further reading; a reader that has died is started anew."""
        if self._alive:
            self._process.tell("again")
        else:
            self._begin()


def _broken(detail: str) -> Snapshot:
    return Snapshot(answers=False, code=999, call="NVML", detail=detail)


def read_gpus(*, deadline_s: float = DEADLINE_S) -> Snapshot:
    """Read all GPUs once."""
    with Reading(deadline_s=deadline_s) as reading:
        return reading.snapshot()
