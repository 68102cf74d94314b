"""What a cluster's users need not type each time: the table [cluster] of a file cluster.toml."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from lab.errors import LabError
from lab.paths import ROOT, typed_path

VARIABLE = "LAB_CLUSTER"


class Site(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cluster's defaults; empty and None leave the choice to Slurm or to the lab.

    Args:
        partition, account, time, constraint: as sbatch takes them.
        exclusive: whether a node's job has the node to itself.
        parallel: nodes at once; None takes all.
        chunk: nodes of one job, at most.
        max_submit: jobs in the queue at once; None takes all.
        gpus_per_node: that each job asks for on a node; `all` are those that Slurm knows there.
        floor_percent: a node that is slower by less is no straggler.
        options: further options of sbatch, such as `--qos=debug`.
    """

    partition: str = ""
    account: str = ""
    time: str = ""
    constraint: str = ""
    exclusive: bool = False
    parallel: int | None = None
    chunk: int = 1
    max_submit: int | None = None
    gpus_per_node: int | Literal["all"] | None = None
    floor_percent: float = 5.0
    options: list[str] = []

    def __post_init__(self) -> None:
        """Refuse what no cluster can mean."""
        for name in ("parallel", "chunk", "max_submit", "gpus_per_node"):
            value = getattr(self, name)
            if isinstance(value, int) and value < 1:
                raise ValueError(f"`{name}` is a whole number above 0")
        if not 0 < self.floor_percent <= 1000:
            raise ValueError("`floor_percent` is a number above 0, at most 1000")


class _File(msgspec.Struct, frozen=True, kw_only=True):
    cluster: Site = Site()


def read_site(variables: Mapping[str, str]) -> Site:
    """Read the site's file: the one that LAB_CLUSTER names, or cluster.toml in the clone.

    Raises:
        LabError: the file that is named is not there, or says what cannot be understood.
    """
    named = variables.get(VARIABLE)
    path = typed_path(named) if named else ROOT / "cluster.toml"
    if not named and not path.exists():
        return Site()
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File).cluster
    except OSError as error:
        raise LabError(
            f"The site's file {path} cannot be read.",
            why=str(error.strerror),
            next_step=f"name another one, or none: unset {VARIABLE}",
        ) from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise _not_understood(path, str(error)) from error


def _not_understood(path: Path, why: str) -> LabError:
    known = ", ".join(Site.__struct_fields__)
    return LabError(
        f"The site's file {path} is not understood.",
        why=why,
        next_step=f"its table [cluster] knows {known}; the README has one written out",
    )
