"""One step of training, as a course's script does it thousands of times."""

import importlib.util
import os
import shutil
import sysconfig
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab.bench.case import NotHere, Workload, axis, benchmark
from lab.bench.dtypes import in_precision

_SAMPLES = 4096  # of the logistic regression
_BATCH, _LENGTH, _HEADS = 8, 128, 4  # of the transformer
# So small that no weight changes visibly in thousands of steps: all of them do the same work.
_LEARNING_RATE = 1e-6


def _weights(model: str, width: int) -> int:
    """Weights of the matrices alone, which is what the FLOP formula counts."""
    return width if model == "logistic" else 12 * width**2


def _held(device: str, model: str, width: int, mode: str) -> int:
    """Weights and gradients, the inputs, and what the forward pass keeps for the backward pass."""
    if model == "logistic":
        return 4 * (_SAMPLES * (width + 8) + 2 * width)
    tokens = _BATCH * _LENGTH
    scores = 0 if device == "cpu" or device.startswith("cuda") else _HEADS * _LENGTH * tokens * 3
    # In widths for each token: input, target, two norms, qkv 3, attention 3, sums 2, the MLP's 4
    # twice; half again for the gradients that are alive at once.
    return 4 * (2 * _weights(model, width) + tokens * width * 30 + scores)


def _flop(model: str, width: int) -> float:
    if model == "logistic":
        return 4.0 * _SAMPLES * width
    tokens = _BATCH * _LENGTH
    return 6.0 * _weights(model, width) * tokens + 12.0 * width * _LENGTH * tokens


@benchmark(
    memory_bytes=_held,
    model=axis("logistic", "transformer"),
    width=axis(256, accelerator=(1024,)),
    mode=axis("eager", default=("eager", "compile")),
)
def training(device: str, model: str, width: int, mode: str) -> Workload:
    """One step of training in float32: forward, loss, backward, and a step of SGD.

    `logistic` is the course's regression: 4096 samples of `width` numbers, a weight for each and a
    bias, binary cross entropy. `transformer` is one block with the norms before attention and MLP
    (8 sequences of 128 tokens, 4 heads, the MLP 4 times as wide), mean squared error. With
    `compile` the way to the loss went through torch.compile before; the step of SGD stays as it is.

    FLOP of `transformer`: 6 for each weight and token, 2 forward and 4 backward, with 12 width^2
    weights; and 12 width length for each token in the attention's products. Sources: J. Kaplan et
    al., "Scaling Laws for Neural Language Models", section 2.1, https://arxiv.org/abs/2001.08361;
    A. Chowdhery et al., "PaLM", appendix B, https://arxiv.org/abs/2204.02311. `logistic` has 4 for
    each weight and sample: its input needs no gradient.
    No bytes are given: how often the values in between cross memory is up to the kernels.
    """
    import torch

    if mode == "compile":
        require_compiler(device)
    parameters, forward = _logistic(device, width) if model == "logistic" else _block(device, width)
    if mode == "compile":
        forward = _compiled(device, forward)
    optimizer = torch.optim.SGD(parameters, lr=_LEARNING_RATE)

    def step() -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = forward()
        loss.backward()
        optimizer.step()
        return loss

    return Workload(run=in_precision(step, device, "float32"), flop_per_call=_flop(model, width))


def _logistic(device: str, width: int) -> tuple[list[Any], Callable[[], Any]]:
    """The parameters, and a function that returns the loss."""
    import torch

    x = torch.randn(_SAMPLES, width, device=device)
    y = torch.randint(2, (_SAMPLES, 1), device=device).to(x.dtype)
    linear = torch.nn.Linear(width, 1, device=device)
    cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits
    return list(linear.parameters()), lambda: cross_entropy(linear(x), y)


def _block(device: str, width: int) -> tuple[list[Any], Callable[[], Any]]:
    """The parameters, and a function that returns the loss."""
    import torch
    from torch import nn

    x, target = (torch.randn(_BATCH, _LENGTH, width, device=device) for _ in range(2))
    layers = nn.ModuleDict(
        {
            "norm1": nn.LayerNorm(width), "qkv": nn.Linear(width, 3 * width),
            "out": nn.Linear(width, width), "norm2": nn.LayerNorm(width),
            "mlp": nn.Sequential(
                nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
            ),
        }
    ).to(device)  # fmt: skip

    def loss() -> Any:
        heads = layers["qkv"](layers["norm1"](x)).unflatten(-1, (3, _HEADS, -1))
        q, k, v = heads.permute(2, 0, 3, 1, 4)  # each (batch, heads, length, width / heads)
        seen = nn.functional.scaled_dot_product_attention(q, k, v)
        middle = x + layers["out"](seen.transpose(1, 2).flatten(2))
        return nn.functional.mse_loss(middle + layers["mlp"](layers["norm2"](middle)), target)

    return list(layers.parameters()), loss


def require_compiler(
    device: str,
    which: Callable[[str], str | None] = shutil.which,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """See that torch.compile can build its kernels.

    Args:
        device: CPUs need a C++ compiler; GPUs Triton, and a C compiler for what launches kernels.
        which: finds a program.
        environ: the environment variables.

    Raises:
        NotHere: it lacks a compiler, or Python's headers, or Triton.
    """
    names = ("g++", "c++", "clang++") if device == "cpu" else ("cc", "gcc", "clang")
    variable = "CXX" if device == "cpu" else "CC"
    if not (environ.get(variable) or any(which(name) for name in names)):
        raise NotHere(
            f"torch.compile builds its kernels with a compiler, and there is none of"
            f" {', '.join(names)} here; the environment variable {variable} can name another."
        )
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        raise NotHere(
            "torch.compile builds against Python's headers, and this Python came without Python.h."
        )
    if device.startswith("cuda") and importlib.util.find_spec("triton") is None:
        raise NotHere("torch.compile needs the package triton for a GPU; it is not installed.")


def _compiled(device: str, loss: Callable[[], Any]) -> Callable[[], Any]:
    """The same function, compiled by calling it: first kernels are built, then found to serve."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # modules of torch's own
        # On a GPU it wishes for tf32; the case is in float32 on purpose.
        warnings.filterwarnings("ignore", message="TensorFloat32 tensor cores")
        import torch._inductor.config

        compiled: Callable[[], Any] = torch.compile(loss, dynamic=False)
        # In this process: those that torch would start stay, and disturb what is measured next.
        with torch._inductor.config.patch(compile_threads=1):
            for _ in range(2):
                in_precision(lambda: compiled().backward(), device, "float32")()
    return compiled
