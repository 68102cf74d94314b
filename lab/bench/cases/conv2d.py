"""A convolution as image networks have them."""

from lab.bench.case import NotHere, Workload, axis, benchmark
from lab.bench.dtypes import ITEM_BYTES, in_precision, require_dtype, require_speed, torch_dtype

_SIDE, _KERNEL = 56, 3


def _counts(batch: int, channels: int) -> tuple[int, int]:
    """Numbers in an image batch, before or after, and in the weights."""
    return batch * channels * _SIDE**2, channels**2 * _KERNEL**2


def _held(device: str, batch: int, channels: int, dtype: str) -> int:
    images, weights = _counts(batch, channels)
    return (2 * images + weights) * ITEM_BYTES[dtype]


@benchmark(
    memory_bytes=_held,
    batch=axis(8, accelerator=(128,)),
    channels=axis(64, accelerator=(256,)),
    dtype=axis(
        "float32", default=("float32", "bfloat16"),
        accelerator=("float32", "tf32", "bfloat16", "float16"),
    ),
)  # fmt: skip
def conv2d(device: str, batch: int, channels: int, dtype: str) -> Workload:
    """A 3 x 3 convolution: (batch, channels, 56, 56) -> the same shape, padding 1.

    56 x 56 with 64 channels is the first stage of ResNet (K. He et al., "Deep Residual Learning for
    Image Recognition", table 1, https://arxiv.org/abs/1512.03385). Images lie channels last, which
    oneDNN and tensor cores both take as they are. There is no convolution into a tensor that is
    there already, so each call makes its result.

    FLOP: 2 batch channels^2 9 56^2, a multiplication and an addition for each output, input channel
    and weight, padding counted as numbers, as torch.utils.flop_counter has it. A faster algorithm
    (Winograd) does fewer.
    Bytes: images, weights and result, each once.
    """
    import torch

    require_dtype(device, dtype)
    if dtype == "float8":
        raise NotHere("torch has no convolutions in float8; matmul measures its products.")
    images, weights = _counts(batch, channels)
    flop = 2.0 * images * channels * _KERNEL**2
    require_speed(device, dtype, flop)
    x = torch.randn(batch, channels, _SIDE, _SIDE, device=device, dtype=torch_dtype(dtype))
    w = torch.randn(channels, channels, _KERNEL, _KERNEL, device=device, dtype=torch_dtype(dtype))
    x, w = (t.to(memory_format=torch.channels_last) for t in (x, w))
    return Workload(
        run=in_precision(lambda: torch.conv2d(x, w, padding=1), device, dtype),
        flop_per_call=flop, bytes_per_call=float((2 * images + weights) * ITEM_BYTES[dtype]),
    )  # fmt: skip
