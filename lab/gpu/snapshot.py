"""What the reader said, before it is judged."""

import msgspec

from lab.records.gpu import Gpu, GpuPair


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


def parse_snapshot(line: str) -> Snapshot:
    """Read what the reader wrote."""
    try:
        return msgspec.json.decode(line, type=Snapshot)
    except msgspec.DecodeError as error:
        return broken(f"its answer makes no sense: {error}")


def broken(detail: str) -> Snapshot:
    """The snapshot of a reader that did not do what it is for."""
    return Snapshot(answers=False, code=999, call="NVML", detail=detail)
