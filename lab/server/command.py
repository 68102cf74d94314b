"""The command line of a server in the background: on the host, or in Apptainer."""

import os
from dataclasses import replace

from lab.engines import apptainer, host
from lab.engines.choose import Choice
from lab.engines.request import WORK, LaunchRequest, Mount
from lab.launch import Launch, host_lock
from lab.locks.install import environment_folder
from lab.paths import ROOT, state
from lab.server import background

# Where the server's own folder is in a container; a lab on a node calls its so, too.
INSIDE = "/lab-on-node"


def server_command(choice: Choice, request: LaunchRequest, port: int) -> Launch:
    """What is started in the background; the token is not in it.

    Args:
        choice: the host, or Apptainer.
        request: what the engine is asked for.
        port: to listen on. A container of Apptainer's has the machine's own ports.
    """
    words = ("--port", str(port), "--device", request.device)
    if choice.engine == "apptainer":
        return _in_apptainer(request, words)
    environment = environment_folder(host_lock(choice))
    variables = host.variables(request, environment, ROOT, os.environ.get("PATH", ""))
    argv = [*host.run_arguments(request, environment), *words, "--root", str(request.work)]
    return Launch(argv=argv, env={**variables, "LAB_STATE": str(state())})


def _in_apptainer(request: LaunchRequest, words: tuple[str, ...]) -> Launch:
    """It writes its session file into our folder, for this machine to read."""
    told = (
        "--root", WORK, "--state", INSIDE, background.FOUND_BY, str(state()),
        "--image", request.image, "--seen-as", str(request.work),
    )  # fmt: skip
    own = Mount(source=background.folder(), target=INSIDE)
    inside = replace(
        request, command=(*request.command, *words, *told), mounts=(*request.mounts, own)
    )
    return Launch(argv=apptainer.run_arguments(inside), image=request.image)
