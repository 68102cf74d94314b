"""Apptainer, the engine of most clusters. Makes arguments; starts nothing."""

from lab.engines.request import HOME, WORK, LaunchRequest, Mount, csv_line

# Namespaces, /tmp, home and variables of the container's own, no privilege also for root, and, as
# an image file always is, a read-only root: what the other engines do. The user is always the
# caller.
CLOSED = ("--containall", "--no-privs", "--home", HOME)


def run_arguments(request: LaunchRequest) -> list[str]:
    """The command line that runs a request in an image file (SIF), or in one that was unpacked.

    `--nv` hands over every GPU of the node, since Apptainer has no finer choice; where Slurm gave
    some of them, CUDA_VISIBLE_DEVICES is among the request's variables.
    """
    arguments = ["apptainer", "--quiet", "exec", *CLOSED, "--pwd", WORK]
    if request.gpu != "none":
        arguments.append("--nv")
    for mount in (Mount(source=request.work, target=WORK), *request.mounts):
        fields = ["type=bind", f"source={mount.source}", f"destination={mount.target}"]
        arguments += ["--mount", csv_line([*fields, "ro"] if mount.read_only else fields)]
    for name, value in request.environment:
        # Of a value with a = in it, as NCCL_IB_HCA may have, commas would part variables.
        pair = f"{name}={value}"
        arguments += ["--env", csv_line([pair]) if "=" in value else pair]
    return [*arguments, request.image, *request.command]


def try_arguments(image: str) -> list[str]:
    """The command line that shows whether a container of an image starts here at all."""
    return ["apptainer", "--quiet", "exec", *CLOSED, image, "true"]


def label_arguments(image: str) -> list[str]:
    """The command line that prints an image's labels as JSON."""
    return ["apptainer", "inspect", "--labels", "--json", image]


def build_arguments(definition: str, image: str) -> list[str]:
    """The command line that makes an image file from a definition file.

    Zstandard: a fifth of gzip's time to write, for a tenth more size; read since Linux 4.14 and
    squashfuse 0.1.101, both of 2017.
    """
    squash = "-comp zstd -Xcompression-level 1"
    return ["apptainer", "build", "--disable-cache", "--mksquashfs-args", squash, image, definition]


def definition(archive: str, labels: dict[str, str]) -> str:
    """The definition file of an image file that holds what an OCI archive does, and labels."""
    lines = [f"    {name} {value}" for name, value in labels.items()]
    return "\n".join(["Bootstrap: oci-archive", f"From: {archive}", "", "%labels", *lines, ""])
