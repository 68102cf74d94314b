"""Reads what was typed for a lab on a node of a cluster, and makes of it what its job is to be."""

import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.cluster.site import LabSite, read_lab_site, read_site
from lab.cluster.wishes import Wishes
from lab.cluster_place import Place, place_of
from lab.engines.choose import check_words
from lab.errors import LabError
from lab.launch import Wish
from lab.paths import ROOT, state
from lab.records.cluster import ClusterPlan
from lab.server import slurm_folder, slurm_lab
from lab.server.slurm_script import JobRequest, job_script, submission
from lab.units import parse_memory, parse_whole_number

_MOST_CPUS = 4096


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was typed for a lab on a node, over the site's defaults.

    Args:
        typed: folder, engine, device and port as typed.
        wish: the same with the engine, the device and the image of the node.
        place: where the node runs it.
        wishes: what Slurm is asked for.
        ssh: options that bring a person's own machine to the node.
        given: the options that are for a new start alone.
    """

    typed: Wish
    wish: Wish
    place: Place
    wishes: Wishes
    ssh: str
    given: tuple[str, ...]


def parse_asked(
    wish: Wish,
    *,
    slurm: bool,
    partition: str,
    account: str,
    time: str,
    constraint: str,
    gpus: str,
    cpus: str,
    variables: Mapping[str, str],
) -> Asked | None:
    """Read what was typed; None where no job was asked for.

    Raises:
        LabError: something of it makes no sense, or the site's file does not.
    """
    typed = {
        "--partition": partition, "--account": account, "--time": time,
        "--constraint": constraint, "--gpus": gpus, "--cpus": cpus,
    }  # fmt: skip
    given = [name for name, value in typed.items() if value]
    if not slurm and given:
        raise LabError(
            f"{given[0]} is for a lab on a node of a cluster.",
            why="--slurm is not given",
            next_step=f"./inv lab --slurm {given[0]} …, or leave it out",
        )
    if not slurm:
        return None
    site = read_lab_site(variables)
    memory = wish.memory_bytes or (parse_memory(site.memory) if site.memory else None)
    wishes = Wishes(
        partition=partition or site.partition or "", account=account or site.account or "",
        time=time or site.time, constraint=constraint or site.constraint or "",
        gpus=gpus or site.gpus, cpus=_cpus(cpus, site), memory_bytes=memory,
        options=tuple(site.options),
    )  # fmt: skip
    check_words(wish.engine, wish.device)
    device = wish.device if wish.device != "auto" else "cuda" if wishes.gpus else "cpu"
    place = place_of(dataclasses.replace(wish, device=device), read_site(variables))
    return Asked(
        typed=wish, wishes=wishes, place=place,
        wish=dataclasses.replace(
            wish, engine=place.engine, device=place.device, image=place.image or None
        ),
        ssh=slurm_lab.way_from_outside(site.ssh),
        given=(*given, *(["--memory"] if wish.memory_bytes else [])),
    )  # fmt: skip


def _cpus(typed: str, site: LabSite) -> int | None:
    return parse_whole_number(typed, "--cpus", least=1, most=_MOST_CPUS) if typed else site.cpus


def plan(asked: Asked) -> ClusterPlan:
    """The script and its submission, of which nothing is done."""
    request = request_of(asked, slurm_folder.new_name())
    return ClusterPlan(script=job_script(request), nodes=[], submissions=[submission(request)])


def request_of(asked: Asked, name: str) -> JobRequest:
    """What the job of a new lab is to be."""
    return JobRequest(
        name=name, folder=slurm_folder.folder_of(name).absolute(), clone=ROOT,
        state=state().absolute(), runner=Path(sys.prefix), wishes=asked.wishes,
    )  # fmt: skip
