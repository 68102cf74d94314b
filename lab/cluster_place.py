"""Where the job of each node runs: in the locked environment, or in an image file by Apptainer."""

from dataclasses import dataclass

from lab.cluster.site import Site
from lab.engines.choose import check_words, choose
from lab.errors import LabError
from lab.image.provide import image_path, own_image, provide_sif
from lab.image.sif import try_image
from lab.launch import Say, Wish
from lab.locks.install import ensure_environment

ENGINES = ("host", "apptainer")


@dataclass(frozen=True, kw_only=True)
class Place:
    """The same for all nodes.

    Args:
        engine: host or apptainer.
        device: cpu or cuda.
        image: the image file, by its path; empty on the host.
        base: an image that stands in for the Dockerfile's base, should one have to be built.
    """

    engine: str
    device: str
    image: str = ""
    base: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """The options of a node's ./inv; a node makes no image, so that one is named to it."""
        image = ("--image", self.image) if self.image else ()
        return ("--engine", self.engine, *image, "--device", self.device)


def place_of(where: Wish, site: Site) -> Place:
    """What was typed, over the site's `engine` and `image`; nothing is made.

    Raises:
        LabError: the nodes cannot run there.
    """
    chosen = where.engine if where.engine != "auto" else site.engine or "host"
    check_words(chosen, where.device)
    if chosen not in ENGINES:
        raise LabError(
            f"The engine {chosen} is not used on the nodes of a cluster.",
            why="what it starts there is out of Slurm's sight, and may outlive the job",
            next_step=f"pass --engine {' or --engine '.join(ENGINES)}",
        )
    device = _device(where)
    if chosen == "host":
        if where.image:
            raise LabError(
                "--image is for Apptainer.",
                why="the jobs run in the locked environment, which has no image",
                next_step=f"pass --engine apptainer as well, or leave --image {where.image} out",
            )
        return Place(engine=chosen, device=device)
    named = where.image or site.image
    path = image_path(named) if named else own_image(device, chosen)
    return Place(engine=chosen, device=device, image=path, base=where.base)


def make_ready(place: Place, say: Say) -> None:
    """Make what the nodes run, once and here, rather than by all nodes at once.

    Where one submits, Apptainer may lack what the nodes have, or be missing.

    Raises:
        LabError: it is not there, and cannot be made.
    """
    if place.engine == "host":
        ensure_environment(place.device, say=say)
        return
    own = place.image == own_image(place.device, "apptainer")
    provide_sif(place.device, None if own else place.image, place.base, say)
    try:
        try_image(place.image)
    except LabError as error:
        say(f"here, and perhaps not on the nodes: {error.what} {error.why}")


def _device(where: Wish) -> str:
    """The one device of all nodes: what was asked for, else what this machine has."""
    if where.device == "mps":
        raise LabError(
            "Slurm's nodes have no device mps.",
            why="it is Apple's GPU",
            next_step="pass --device cpu or --device cuda",
        )
    return choose("host").device if where.device == "auto" else where.device
