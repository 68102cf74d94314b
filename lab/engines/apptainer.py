"""Apptainer, the engine of most clusters. Makes arguments; starts nothing."""

from lab.engines.request import WORK, LaunchRequest, Mount, csv_line


def run_arguments(request: LaunchRequest) -> list[str]:
    """The command line that runs a request in an image file (SIF).

    `--containall` gives a home, /tmp and variables of the container's own, as Docker does; the
    user is
    always the one who calls. `--nv` hands over every GPU of the node: Apptainer has no finer
    choice.
    """
    arguments = [
        "apptainer", "exec", "--containall", "--no-home", "--writable-tmpfs", "--cleanenv",
        "--no-privs", "--pwd", WORK,
    ]  # fmt: skip
    if request.gpu != "none":
        arguments.append("--nv")
    for mount in (Mount(source=request.work, target=WORK), *request.mounts):
        fields = ["type=bind", f"source={mount.source}", f"destination={mount.target}"]
        arguments += ["--mount", csv_line([*fields, "ro"] if mount.read_only else fields)]
    for name, value in request.environment:
        arguments += ["--env", f"{name}={value}"]
    return [*arguments, request.image, *request.command]
