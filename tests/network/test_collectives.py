"""Whether what a collective brings is looked at: with calls that bring something else."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from lab.network import collectives
from lab.network.collectives import Buffers, Operation, check_exchange, make_buffers, operations
from lab.network.meet import Fault, Place

if TYPE_CHECKING:
    import torch
else:
    torch = pytest.importorskip("torch")

PLACE = Place(rank=1, local=0, seats=(("n1", 1), ("n2", 1), ("n3", 1)), node=1)
Break = Callable[["torch.Tensor"], None]


def pattern(count: int) -> "torch.Tensor":
    return (torch.arange(count) % 7 + 1).float()


@pytest.fixture
def buffers() -> Buffers:
    return make_buffers(96, PLACE.ranks, "cpu")


@pytest.fixture
def damage() -> list[int]:
    """Places of the results that come wrong."""
    return []


@pytest.fixture
def made(
    buffers: Buffers, damage: list[int], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Operation]:
    """The operations of rank 1 of 3, with calls that need no other rank."""

    def spoil(data: "torch.Tensor") -> None:
        for at in damage:
            data[at] += 1

    def all_reduce(data: "torch.Tensor") -> None:
        data.copy_(pattern(len(data)) * (1 + 2 + 3))
        spoil(data)

    def all_gather(whole: "torch.Tensor", share: "torch.Tensor") -> None:
        whole.copy_(torch.cat([pattern(len(share)) * given for given in (1, 2, 3)]))
        spoil(whole)

    def exchange(give: "torch.Tensor", take: "torch.Tensor", to: int, of: int) -> None:
        assert torch.equal(give, pattern(len(give)) * 2)
        take.copy_(pattern(len(take)) * (of + 1))
        spoil(take)

    monkeypatch.setattr(torch.distributed, "all_reduce", all_reduce)
    monkeypatch.setattr(torch.distributed, "all_gather_single", all_gather)
    monkeypatch.setattr(collectives, "exchange", exchange)
    return {operation.name: operation for operation in operations(96, PLACE, buffers)}


def test_right_results_pass(made: dict[str, Operation], buffers: Buffers) -> None:
    assert list(made) == ["all_reduce", "all_gather", "send_recv"]
    for operation in made.values():
        assert operation.size_bytes == 96
        operation.check()
    check_exchange(buffers.give[:2], buffers.take[:2], PLACE, 2)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("all_reduce", "the sum of all ranks came wrong: 19 in place of 18, number 16"),
        ("all_gather", "what n3 gave came wrong: 4 in place of 3, number 16"),
        ("send_recv", "what n1 sent came wrong: 4 in place of 3, number 16"),
    ],
)
def test_single_wrong_number_is_a_fault(
    made: dict[str, Operation], damage: list[int], name: str, what: str
) -> None:
    damage.append(16)
    with pytest.raises(Fault) as fault:
        made[name].check()
    assert str(fault.value) == what


def test_wrong_number_of_a_pair_names_the_sender(
    made: dict[str, Operation], damage: list[int], buffers: Buffers
) -> None:
    damage.append(1)
    with pytest.raises(Fault, match="what n3 sent came wrong"):
        check_exchange(buffers.give[:2], buffers.take[:2], PLACE, 2)
