"""What a cluster's users need not type each time: [cluster] and [lab] of a file cluster.toml."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from lab.errors import LabError
from lab.paths import ROOT, typed_path
from lab.records.unreadable import UNREADABLE

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
        engine: host or apptainer; empty is host.
        image: the image file for Apptainer, as `--image` names it; empty is the lab's own.
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
    engine: str = ""
    image: str = ""

    def __post_init__(self) -> None:
        """Refuse what no cluster can mean."""
        for name in ("parallel", "chunk", "max_submit", "gpus_per_node"):
            value = getattr(self, name)
            if isinstance(value, int) and value < 1:
                raise ValueError(f"`{name}` is a whole number above 0")
        if not 0 < self.floor_percent <= 1000:
            raise ValueError("`floor_percent` is a number above 0, at most 1000")


class LabSite(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cluster's defaults for `inv lab --slurm`.

    Args:
        partition, account, constraint: as sbatch takes them; None takes what [cluster] says.
        time: how long a lab may last.
        gpus: a number, or a kind and a number such as `a100:2`.
        cpus: processors.
        memory: such as `16g`.
        options: further options of sbatch.
        ssh: options that bring a person's own machine to a node, such as `-J login.example.org`;
            None jumps over the machine that the lab was started on, where that was by ssh.
    """

    partition: str | None = None
    account: str | None = None
    time: str = ""
    constraint: str | None = None
    gpus: str = ""
    cpus: int | None = None
    memory: str = ""
    options: list[str] = []
    ssh: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no lab can have."""
        if self.cpus is not None and self.cpus < 1:
            raise ValueError("`cpus` is a whole number above 0")
        if self.ssh is not None and not self.ssh.isprintable():
            raise ValueError("`ssh` is one line")


class _File(msgspec.Struct, frozen=True, kw_only=True):
    cluster: Site = Site()
    lab: LabSite = LabSite()


def read_site(variables: Mapping[str, str]) -> Site:
    """Read the site's file: the one that LAB_CLUSTER names, or cluster.toml in the clone.

    Raises:
        LabError: the file that is named is not there, or says what cannot be understood.
    """
    return _read(variables).cluster


def read_lab_site(variables: Mapping[str, str]) -> LabSite:
    """Read what the site's file says of labs; who is charged, and where, also from [cluster].

    Raises:
        LabError: as `read_site`.
    """
    file = _read(variables)
    shared = {
        name: getattr(file.cluster, name)
        for name in ("partition", "account", "constraint") if getattr(file.lab, name) is None
    }  # fmt: skip
    return msgspec.structs.replace(file.lab, **shared)


def _read(variables: Mapping[str, str]) -> _File:
    named = variables.get(VARIABLE)
    path = typed_path(named) if named else ROOT / "cluster.toml"
    if not named and not path.exists():
        return _File()
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
    except OSError as error:
        raise LabError(
            f"The site's file {path} cannot be read.",
            why=str(error.strerror),
            next_step=f"name another one, or none: unset {VARIABLE}",
        ) from error
    except (tomllib.TOMLDecodeError, *UNREADABLE) as error:
        raise _not_understood(path, str(error)) from error


def _not_understood(path: Path, why: str) -> LabError:
    known, of_labs = (", ".join(kind.__struct_fields__) for kind in (Site, LabSite))
    return LabError(
        f"The site's file {path} is not understood.",
        why=why,
        next_step=(
            f"its table [cluster] knows {known}; [lab] knows {of_labs}; the README has one written"
            " out"
        ),
    )
