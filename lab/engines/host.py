"""The host itself: the same command in the locked environment. Makes arguments; starts nothing."""

from pathlib import Path

from lab.engines.request import LaunchRequest


def run_arguments(request: LaunchRequest, environment: Path) -> list[str]:
    """The command as it is; a program that the locked environment has is taken from there.

    Args:
        request: what to run; image, user and mounts mean nothing here.
        environment: folder of the locked environment.
    """
    program, *rest = request.command
    own = environment / "bin" / program
    return [str(own) if own.exists() else program, *rest]


def variables(request: LaunchRequest, environment: Path, root: Path, path: str) -> dict[str, str]:
    """Variables that put the locked environment first and keep the user's own packages out.

    Args:
        request: gives further variables.
        environment: folder of the locked environment.
        root: the clone, whose `lab` is imported.
        path: the PATH to go after the environment's.
    """
    return {
        "PATH": f"{environment / 'bin'}:{path}",
        "VIRTUAL_ENV": str(environment),
        "PYTHONPATH": str(root),
        "PYTHONNOUSERSITE": "1",
        **dict(request.environment),
    }
