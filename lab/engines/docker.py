"""Docker and Podman: one command line for both. Makes arguments; starts nothing."""

from dataclasses import replace

from lab.engines.request import HOME, WORK, LaunchRequest, Mount, csv_line

# Every container of the lab, however it is started: compose.yaml says the same, and a test
# compares them.
HARDENING = (
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--pids-limit=4096",
    # exec: torch.compile loads the libraries that it builds under /tmp
    "--tmpfs=/tmp:exec,mode=1777",
    f"--tmpfs={HOME}:exec,mode=1777",
)
# Podman would make /run and /var/tmp writable on a read-only root, which Docker does not.
_PODMAN = ("--read-only-tmpfs=false",)


def run_arguments(request: LaunchRequest, program: str = "docker") -> list[str]:
    """The command line that runs a request in a container of its own, which is gone afterwards."""
    streams = ["--interactive"] if request.stdin else []
    if request.terminal:
        streams.append("--tty")
    own = _PODMAN if program == "podman" else ()
    return [program, "run", "--rm", *own, *_container_arguments(request, streams)]


def serve_arguments(project: str, request: LaunchRequest, port: int) -> list[str]:
    """The command line that starts the lab's service with Podman, which has no compose of its own.

    The labels are compose's, so that the container is found again in the same way.
    """
    labels = {
        "com.docker.compose.project": project,
        "pytorch-lab.device": request.device,
        "pytorch-lab.work": str(request.work),
    }
    return [
        "podman", "run", "--detach", "--replace", f"--name={project}", *_PODMAN,
        f"--publish=127.0.0.1:{port}:8888",
        *(f"--label={name}={value}" for name, value in labels.items()),
        *_container_arguments(replace(request, command=()), []),  # the image's own, as with compose
    ]  # fmt: skip


def _container_arguments(request: LaunchRequest, streams: list[str]) -> list[str]:
    arguments = ["--pull=never", *HARDENING, *streams]
    if request.user:
        arguments.append(f"--user={request.user}")
    arguments += [f"--shm-size={request.shm_bytes}", f"--workdir={WORK}"]
    if request.memory_bytes is not None:
        arguments.append(f"--memory={request.memory_bytes}")
    for mount in (Mount(source=request.work, target=WORK), *request.mounts):
        arguments += ["--mount", _mount_value(mount)]
    for name, value in request.environment:
        arguments += ["--env", f"{name}={value}"]
    arguments += _gpu_arguments(request)
    return [*arguments, request.image, *request.command]


def _gpu_arguments(request: LaunchRequest) -> list[str]:
    if request.gpu == "cdi":
        return [f"--device={request.gpu_name}"]
    return ["--gpus=all"] if request.gpu == "nvidia" else []


def _mount_value(mount: Mount) -> str:
    fields = ["type=bind", f"source={mount.source}", f"target={mount.target}"]
    if mount.read_only:
        fields.append("readonly")
    return csv_line(fields)


def compose_up_arguments(
    root: str, project: str, request: LaunchRequest, program: str
) -> list[str]:
    """The command line that starts the lab's service; `compose_environment` goes with it."""
    files = ["compose.yaml"]
    if request.gpu != "none":
        files.append(f"docker/compose.{request.gpu}.yaml")
    named = [argument for file in files for argument in ("--file", f"{root}/{file}")]
    return [
        program, "compose", "--project-directory", root, "--project-name", project, *named,
        "up", "--detach", "--no-build", "--pull=never", "--force-recreate", "--remove-orphans",
    ]  # fmt: skip


def compose_environment(request: LaunchRequest, port: int) -> dict[str, str]:
    """The variables that compose.yaml and its overrides read."""
    return {
        "LAB_IMAGE": request.image,
        "LAB_WORK": str(request.work),
        "LAB_USER": request.user or "1000:1000",
        "LAB_PORT": str(port),
        "LAB_DEVICE": request.device,
        "LAB_GPU": request.gpu_name,
        "LAB_SHM": str(request.shm_bytes),
        "LAB_MEMORY": str(request.memory_bytes or 0),
        "LAB_LANGUAGE": dict(request.environment).get("LAB_LANGUAGE", ""),
    }
