"""Scaled dot-product attention."""

from collections.abc import Callable

from lab.bench.case import NotHere, Workload, axis, benchmark
from lab.bench.dtypes import ITEM_BYTES, in_precision, require_dtype, require_speed, torch_dtype

_BATCH, _HEADS, _DEPTH = 2, 8, 64


def _tensor_bytes(length: int, dtype: str) -> int:
    return _BATCH * _HEADS * length * _DEPTH * ITEM_BYTES[dtype]


def _held(device: str, length: int, direction: str, dtype: str) -> int:
    tensors = 4 if direction == "forward" else 9  # q, k, v, result; their gradients, and sums
    # Where there is no kernel that works block by block, the scores are there as a whole, twice.
    scores = 2 * _BATCH * _HEADS * length**2 * ITEM_BYTES[dtype]
    by_blocks = device == "cpu" or device.startswith("cuda")
    return tensors * _tensor_bytes(length, dtype) + (0 if by_blocks else scores)


@benchmark(
    memory_bytes=_held,
    length=axis(512, full=(512, 2048), accelerator=(4096,)),
    direction=axis("forward", default=("forward", "forward_backward")),
    dtype=axis(
        "float32", default=("float32", "bfloat16"), accelerator=("bfloat16", "float16", "float32")
    ),
)
def attention(device: str, length: int, direction: str, dtype: str) -> Workload:
    """Attention of 2 sequences with 8 heads of 64: q, k, v and result are (2, 8, length, 64).

    torch's scaled_dot_product_attention, without mask, by the kernel that torch picks itself.

    FLOP: 4 * 2 * 8 * length^2 * 64 forward, for the two products q k^T and p v; the softmax is not
    counted. Backward 2.5 times that: five products, one of them the scores again. Source: T. Dao,
    "FlashAttention-2", section 4.1, https://arxiv.org/abs/2307.08691
    Bytes: q, k, v and result, each once; with backward also the gradient of each.
    """
    import torch

    require_dtype(device, dtype)
    if dtype == "float8":
        raise NotHere("torch has no attention in float8; matmul measures its products.")
    backward = direction == "forward_backward"
    flop = 4.0 * _BATCH * _HEADS * length**2 * _DEPTH * (3.5 if backward else 1)
    require_speed(device, dtype, flop)
    shape = (_BATCH, _HEADS, length, _DEPTH)
    q, k, v, gradient = (
        torch.randn(shape, device=device, dtype=torch_dtype(dtype)) for _ in range(4)
    )
    attend = torch.nn.functional.scaled_dot_product_attention
    run: Callable[[], object] = lambda: attend(q, k, v)  # noqa: E731
    if backward:
        inputs = [tensor.requires_grad_() for tensor in (q, k, v)]
        # Not backward(), which would add to gradients of the calls before.
        run = lambda: torch.autograd.grad(attend(q, k, v), inputs, gradient)  # noqa: E731
    return Workload(
        run=in_precision(run, device, dtype), flop_per_call=flop,
        bytes_per_call=float((8 if backward else 4) * _tensor_bytes(length, dtype)),
    )  # fmt: skip
