"""The calls that are timed, and whether what they bring is right."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.network.meet import Fault, Place

if TYPE_CHECKING:
    import torch

_ITEM_BYTES = 4  # float32
# Small whole numbers: their sums over ten thousands of ranks are exact in float32.
_PATTERN = 7
_GIVEN = 8


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One collective of one size, on buffers of its own.

    Args:
        name: of the collective.
        size_bytes: as NCCL's tests count it.
        run: the call that is timed; on a GPU it only launches.
        check: fills the buffers, calls once and looks at every number; raises Fault.
    """

    name: str
    size_bytes: int
    run: Callable[[], object]
    check: Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Buffers:
    """Two vectors of float32 of the largest size, of which every operation takes a part.

    Args:
        give, take: what is sent from and received into, shape (items,).
    """

    give: "torch.Tensor"
    take: "torch.Tensor"


def make_buffers(largest_bytes: int, ranks: int, device: str) -> Buffers:
    """Room for the largest size; what is gathered is rounded up to a whole number a rank.

    Raises:
        RuntimeError: there is not enough memory.
    """
    import torch

    items = largest_bytes // _ITEM_BYTES + ranks
    # Filled, so that all of their pages are there before anything is timed.
    return Buffers(
        give=torch.full((items,), 1.0, device=device), take=torch.full((items,), 1.0, device=device)
    )


def operations(size_bytes: int, place: Place, buffers: Buffers) -> Iterator[Operation]:
    """All collectives of about one size."""
    items = max(size_bytes // _ITEM_BYTES, 1)
    yield _all_reduce(buffers.give[:items], place)
    share = max(round(items / place.ranks), 1)
    yield _all_gather(buffers.give[:share], buffers.take[: share * place.ranks], place)
    yield _ring(buffers.give[:items], buffers.take[:items], place)


def _all_reduce(data: "torch.Tensor", place: Place) -> Operation:
    from torch.distributed import all_reduce

    def check() -> None:
        _fill(data, place.rank)
        all_reduce(data)
        given = sum(_given(rank) for rank in range(place.ranks))
        _compare(data, _pattern(data) * given, lambda _: "the sum of all ranks")
        # Sums of sums would end in infinity; zeros stay what they are, however often.
        data.zero_()

    return Operation(
        name="all_reduce", size_bytes=_bytes(data), run=lambda: all_reduce(data), check=check
    )


def _all_gather(share: "torch.Tensor", whole: "torch.Tensor", place: Place) -> Operation:
    from torch.distributed import all_gather_single

    def run() -> object:
        return all_gather_single(whole, share)

    def check() -> None:
        _fill(share, place.rank)
        run()
        given = whole.new_tensor([_given(rank) for rank in range(place.ranks)])
        right = (given.unsqueeze(1) * _pattern(share)).flatten()
        _compare(whole, right, lambda at: f"what {place.node_of(at // share.numel())} gave")

    return Operation(name="all_gather", size_bytes=_bytes(whole), run=run, check=check)


def _ring(give: "torch.Tensor", take: "torch.Tensor", place: Place) -> Operation:
    """Point to point: every rank sends to the next one and receives from the one before."""
    after, before = (place.rank + 1) % place.ranks, (place.rank - 1) % place.ranks

    def check() -> None:
        _fill(give, place.rank)
        exchange(give, take, after, before)
        _compare_sent(take, place, before)

    return Operation(
        name="send_recv", size_bytes=_bytes(give), check=check,
        run=lambda: exchange(give, take, after, before),
    )  # fmt: skip


def exchange(give: "torch.Tensor", take: "torch.Tensor", to: int, of: int) -> None:
    """Send to one rank and receive from one, both at once."""
    from torch.distributed import P2POp, batch_isend_irecv, irecv, isend

    for work in batch_isend_irecv([P2POp(isend, give, to), P2POp(irecv, take, of)]):
        work.wait()


def check_exchange(give: "torch.Tensor", take: "torch.Tensor", place: Place, peer: int) -> None:
    """Exchange once, and look at what came.

    Raises:
        Fault: it is not what the other one sent.
    """
    _fill(give, place.rank)
    exchange(give, take, peer, peer)
    _compare_sent(take, place, peer)


def _bytes(data: "torch.Tensor") -> int:
    return data.numel() * data.element_size()


def _given(rank: int) -> int:
    return rank % _GIVEN + 1


def _fill(data: "torch.Tensor", rank: int) -> None:
    data.copy_(_pattern(data)).mul_(_given(rank))


def _pattern(data: "torch.Tensor") -> "torch.Tensor":
    import torch

    return torch.arange(data.numel(), device=data.device) % _PATTERN + 1


def _compare_sent(data: "torch.Tensor", place: Place, rank: int) -> None:
    _compare(data, _pattern(data) * _given(rank), lambda _: f"what {place.node_of(rank)} sent")


def _compare(data: "torch.Tensor", right: "torch.Tensor", what: Callable[[int], str]) -> None:
    import torch

    right = right.to(data.dtype)
    if not torch.equal(data, right):
        at = int((data != right).nonzero()[0])
        raise Fault(
            f"{what(at)} came wrong: {data[at]:g} in place of {right[at]:g}, number {at}"
        )  # fmt: skip
