"""Batches of images from a DataLoader, with and without worker processes."""

import itertools
from typing import Any

from lab.bench.case import NotHere, Workload, axis, benchmark
from lab.bench.machine import usable_processors

_IMAGES, _BATCH = 64, 16
_FULL, _SIDE = 224, 96  # the images have (3, 224, 224), the batches (3, 96, 96)
_BATCH_BYTES = 4 * _BATCH * 3 * _SIDE**2
# What a worker process holds beside its images: an interpreter that has loaded torch, shared pages
# left out.
_WORKER_BYTES = 160 << 20
_PREFETCH = 2  # DataLoader's own default: batches that each worker prepares ahead


class Images:
    """Random images in memory, each made ready when it is asked for.

    It is no torch Dataset, which DataLoader does not ask for, so that a worker can load it without
    the module loading torch.
    """

    def __init__(self) -> None:
        """Make the images: uint8, (64, 3, 224, 224)."""
        import torch

        self.pixels = torch.randint(256, (_IMAGES, 3, _FULL, _FULL), dtype=torch.uint8)
        self.mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)  # ImageNet's, by channel
        self.deviation = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)

    def __len__(self) -> int:
        """How many there are."""
        return _IMAGES

    def __getitem__(self, index: int) -> Any:
        """One of them: float32, (3, 96, 96), made smaller and normalised."""
        import torch

        (image,) = torch.nn.functional.interpolate(
            self.pixels[index : index + 1].float(), size=_SIDE, mode="bilinear", antialias=True
        )
        return (image / 255 - self.mean) / self.deviation


class Endless:
    """The numbers of the images, over and over, so that no call pays for the start of an epoch."""

    def __iter__(self) -> Any:
        """Count through them for ever."""
        return itertools.cycle(range(_IMAGES))


def _held(device: str, workers: int) -> int:
    batches = 2 + workers * _PREFETCH
    return (
        (1 + workers) * (_IMAGES * 3 * _FULL**2) + batches * _BATCH_BYTES + workers * _WORKER_BYTES
    )


@benchmark(memory_bytes=_held, workers=axis(0, default=(0, 2)))
def dataloader(device: str, workers: int) -> Workload:
    """The next batch from a DataLoader: (16, 3, 96, 96), made of images of 224 x 224.

    Each image goes from uint8 to float32, is made smaller (bilinear) and normalised, all on the
    CPU, whatever the device. With workers the batches are prepared in processes of their own, which
    start once, before anything is timed, and go on for ever: a call takes a finished batch from
    them, and waits only where they are slower than it. They run ahead by 2 batches each (torch's
    default), so that a sample of few calls after a pause finds batches ready.

    Bytes: those of the batch.
    """
    import torch

    processors = len(usable_processors())
    if processors < workers:
        raise NotHere(
            f"{workers} workers need as many processors, and this process may use {processors}."
        )
    images: Any = Images()
    loader = torch.utils.data.DataLoader(
        images, batch_size=_BATCH, sampler=Endless(), num_workers=workers,
        prefetch_factor=_PREFETCH if workers else None,
        # A fork would share this process's memory, and each page that another case then writes
        # would be copied first.
        multiprocessing_context="spawn" if workers else None,
    )  # fmt: skip
    batches = [iter(loader)]
    next(batches[0])  # the workers have started when this is there
    return Workload(
        run=lambda: next(batches[0]), bytes_per_call=float(_BATCH_BYTES),
        moves_memory=False, self_preempting=workers > 0,
        close=batches.clear,  # an iterator that nobody holds ends its workers
    )  # fmt: skip
