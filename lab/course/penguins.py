"""The Palmer penguins: the data set of the course."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

_FILE = Path(__file__).with_name("data") / "penguins.csv"
_MEASURES = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
_SPECIES = ("Adelie", "Chinstrap", "Gentoo")
_SEXES = ("female", "male")


class Penguins(NamedTuple):
    """Penguins as tensors, a row for each.

    Args:
        x: (N, 4), float32: length and depth of the bill and length of the flipper in millimetres,
            mass of the body in grams.
        species: (N,), integers: positions in `names`.
        sex: (N,), integers: 0 female, 1 male.
        names: of the species.
    """

    x: Tensor
    species: Tensor
    sex: Tensor
    names: tuple[str, ...]


def penguins() -> Penguins:
    """The 333 penguins of which every measure and the sex are known.

    Measured by Gorman, Williams and Fraser (2014), doi 10.1371/journal.pone.0090081; CC0 1.0.
    The file comes with the lab: nothing is fetched.

    Returns:
        x (333, 4), species (333,), sex (333,), and the names of the three species.
    """
    import torch

    with _FILE.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if _is_complete(row)]
    return Penguins(
        x=torch.tensor([[float(row[name]) for name in _MEASURES] for row in rows]),
        species=torch.tensor([_SPECIES.index(row["species"]) for row in rows]),
        sex=torch.tensor([_SEXES.index(row["sex"]) for row in rows]),
        names=_SPECIES,
    )


def _is_complete(row: dict[str, str]) -> bool:
    return all(row[name] not in ("", "NA") for name in (*_MEASURES, "sex"))
