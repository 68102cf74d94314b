"""Keeps a function under test from taking the machine's memory."""

import resource

from lab.memory import available_bytes

# Of the memory that is free: the rest is for everybody else.
_SHARE = 0.8


def limit_memory(device: str) -> None:
    """Let an allocation fail before the machine does; CUDA reserves addresses beyond measure."""
    free = available_bytes("cpu")
    if device != "cpu" or free is None:
        return
    import torch

    torch.ones(64, 64) @ torch.ones(64, 64)  # threads and libraries come with the first product
    limit = _address_space_bytes() + int(free * _SHARE)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _address_space_bytes() -> int:
    """What this process has reserved so far."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no file on a disk
        return int(file.read().split()[0]) * resource.getpagesize()
