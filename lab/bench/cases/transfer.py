"""Copies between the host's memory and a device's."""

from lab.bench.case import NotHere, Workload, axis, benchmark

_MIB = 1 << 20


def _held(device: str, direction: str, memory: str, size: int) -> int:
    # One on the host, twice while it is pinned, and one on the device; a CPU does not get that far.
    return 0 if device == "cpu" else 3 * size * _MIB


@benchmark(
    memory_bytes=_held,
    direction=axis("to_device", default=("to_device", "to_host")),
    memory=axis("pinned", default=("pageable", "pinned")),
    size=axis(256),
)
def transfer(device: str, direction: str, memory: str, size: int) -> Workload:
    """Copy `size` MiB between host and device, from or to memory that is pageable or pinned.

    The device can only reach pages that the system may not move. Pinned memory has them, so a copy
    is queued and the host goes on (non_blocking); pageable memory goes through a pinned buffer of
    the driver's, and the host waits for it.
    Source: https://docs.pytorch.org/tutorials/intermediate/pinmem_nonblock.html

    Bytes: those that cross, once.
    """
    import torch

    if device == "cpu":
        raise NotHere(
            "A copy to a device needs one: this is a CPU, whose memory holds the tensors already."
        )
    host = torch.rand(size * _MIB // 4)
    there = torch.rand(size * _MIB // 4, device=device)
    if memory == "pinned":
        try:
            host = host.pin_memory()
        except RuntimeError as error:
            raise NotHere(f"This device has no pinned memory: {error}") from error
    target, source = (there, host) if direction == "to_device" else (host, there)
    queued = memory == "pinned"
    return Workload(
        run=lambda: target.copy_(source, non_blocking=queued), bytes_per_call=float(size * _MIB),
        moves_memory=False,
    )  # fmt: skip
