"""A function that a person names, `FILE.py:NAME` or `module:NAME`, as each engine sees it."""

from dataclasses import replace
from pathlib import Path

from lab.autograd.target import is_file, split_target
from lab.engines.choose import Choice
from lab.engines.request import Mount
from lab.errors import LabError
from lab.launch import Launch, Wish
from lab.paths import typed_path

# Where the folder of a target is seen in a container.
_TARGETS = "/target"


def device_of(choice: Choice) -> str:
    """Where tensors are to live: Apple's GPU has no float64, without which nothing can be told."""
    return "cpu" if choice.device == "mps" else choice.device


def folder_of(target: str) -> Path:
    """The folder that has to be seen: the file's, or where the command is run.

    Raises:
        LabError: it is no target, or there is no such file.
    """
    place, _ = split_target(target)
    if not is_file(place):
        return Path.cwd()
    path = typed_path(place)
    if not path.is_file():
        raise LabError(
            f"There is no file {path}.", why="the target names one, before the colon",
            next_step="look at its name, and at the folder that this is run in",
        )  # fmt: skip
    return path.parent


def absolute(target: str) -> str:
    """The target as it is to be named from any other folder.

    Raises:
        LabError: it is no target, there is no such file, or it is a module.
    """
    place, name = split_target(target)
    if not is_file(place):
        raise LabError(
            f"The target {target} cannot be found from elsewhere.",
            why="a module is looked for where the command is run",
            next_step=f"name its file: --target /FOLDER/{place}.py:{name}",
        )
    return f"{folder_of(target) / typed_path(place).name}:{name}"


def with_folder(where: Wish, target: str) -> Wish:
    """The wish that lets a container see the target's folder, for reading alone."""
    mount = Mount(source=folder_of(target), target=_TARGETS, read_only=True)
    return replace(where, mounts=(mount,))


def seen_from(launch: Launch, target: str) -> tuple[str, str]:
    """The target and its folder, as the launched process sees them."""
    place, name = split_target(target)
    folder = str(folder_of(target)) if launch.image is None else _TARGETS
    if is_file(place):
        place = f"{folder}/{typed_path(place).name}"
    return f"{place}:{name}", folder
