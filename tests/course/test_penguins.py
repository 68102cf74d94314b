"""The data set of the course, as tensors."""

import torch

from lab.course.penguins import penguins


def test_333_complete_penguins_of_three_species() -> None:
    data = penguins()
    assert data.x.shape == (333, 4)
    assert data.x.dtype == torch.float32
    assert data.species.shape == data.sex.shape == (333,)
    assert data.names == ("Adelie", "Chinstrap", "Gentoo")
    assert torch.bincount(data.species).tolist() == [146, 68, 119]
    assert torch.bincount(data.sex).tolist() == [165, 168]


def test_values_are_those_of_the_file_in_its_order() -> None:
    data = penguins()
    assert data.x[0].tolist() == torch.tensor([39.1, 18.7, 181.0, 3750.0]).tolist()
    assert (data.names[data.species[0]], data.sex[0].item()) == ("Adelie", 1)
    assert (data.names[data.species[-1]], data.sex[-1].item()) == ("Chinstrap", 0)
    assert data.x.isfinite().all()
    assert data.x.min(dim=0).values.tolist() == torch.tensor([32.1, 13.1, 172.0, 2700.0]).tolist()
    assert data.x.max(dim=0).values.tolist() == torch.tensor([59.6, 21.5, 231.0, 6300.0]).tolist()
