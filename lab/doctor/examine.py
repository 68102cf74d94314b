"""Looks for every known cause of trouble, and says of each what was seen."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from lab.doctor.checks import all_checks
from lab.doctor.deadline import run_checks
from lab.doctor.facts import Wish, gather
from lab.engines.choose import check_words
from lab.gpu.read import read_gpus
from lab.gpu.snapshot import Snapshot
from lab.records.doctor import DoctorReport, make_report

# Docker and Podman that both hang are given up after 20 s each; their plugins are asked after that.
DEADLINE_S = 60.0


def examine(
    *,
    work: Path,
    port: int | None = None,
    engine: str = "auto",
    device: str = "auto",
    image: str | None = None,
    environ: Mapping[str, str] = os.environ,
    root: Path = Path("/"),
    read_gpus: Callable[[], Snapshot] = read_gpus,
    deadline_s: float = DEADLINE_S,
) -> DoctorReport:
    """Examine this machine for the lab as it would be started with these words.

    Nothing is changed: the file made to try the work folder has no name and is gone at once.

    Args:
        work: the student's folder.
        port: the port that was asked for; None looks at the usual one.
        engine: as for `inv lab`; one that was asked for by name must answer.
        device: as for `inv lab`; one that was asked for by name must be there.
        image: an image to run as it is; None takes the clone's own.
        environ: variables of the environment.
        root: where /dev, /proc and /sys are.
        read_gpus: asks NVML.
        deadline_s: what has not answered by then is `unknown`.

    Raises:
        LabError: there is no such engine or device.
    """
    check_words(engine, device)
    wish = Wish(work=work, port=port, engine=engine, device=device, image=image)
    facts = gather(wish, environ, root=root, read_gpus=read_gpus)
    return make_report(run_checks(all_checks(wish, facts), deadline_s=deadline_s))
