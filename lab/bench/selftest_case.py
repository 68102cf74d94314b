"""The kernels of `--selftest`: one beside itself, and beside itself with 5 % more work.

Not in the folder of the cases: it measures the measuring, not the machine.
"""

from lab.bench.case import Workload, axis, benchmark

SIZE = 512
# A product of 512 takes a GPU less time than its launch takes the host.
SIZE_ON_DEVICE = 2048
PRODUCTS = {"once": 20, "again": 20, "more": 21}
"""Products of one call for each variant: 21 are 5 % more than 20, whatever the machine."""


def _memory_bytes(device: str, variant: str) -> int:
    return 3 * _size(device) ** 2 * 4


def _size(device: str) -> int:
    return SIZE if device == "cpu" else SIZE_ON_DEVICE


@benchmark(memory_bytes=_memory_bytes, variant=axis(*PRODUCTS))
def selftest(device: str, variant: str) -> Workload:
    """Multiply square matrices a fixed number of times: (512, 512) @ (512, 512), on a GPU (2048,
    2048) @ (2048, 2048), 20 or 21 times a call."""
    import torch

    size = _size(device)
    a, b = torch.randn(2, size, size, device=device)
    out = torch.empty_like(a)
    products = range(PRODUCTS[variant])

    def run() -> None:
        for _ in products:
            torch.mm(a, b, out=out)

    return Workload(run=run, flop_per_call=len(products) * 2 * size**3)
