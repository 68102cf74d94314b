"""The container engine, its plugins, and where it keeps images."""

import re
from collections.abc import Sequence

from lab.engines.choose import not_answering
from lab.engines.probe import EngineState
from lab.errors import LabError
from lab.process import Finished
from lab.records.doctor import Finding, Status

LEAST_DOCKER = (25, 0)  # the first with a start interval in health checks, and with CDI
LEAST_PODMAN = (4, 1)  # the first that takes CDI names in --device
LEAST_COMPOSE = (
    2,
    20,
)  # the first that knows start_interval; older ones refuse or drop what is new
LEAST_BUILDX = (0, 12)  # what the project builds with; older ones were never tried
LEAST_DOCKER_FOR_CHECK = (26, 0)  # has BuildKit 0.13, the first with rewrite-timestamp


def check_engines(engine: str, states: Sequence[EngineState]) -> list[Finding]:
    """Say which engines answer, and for those that do not, the cause.

    Args:
        engine: what was asked for. One asked for by name must answer; for `auto` one that is not
            installed is no trouble, and a broken one is a warning, since the host is left.
        states: the engines that were asked, in that order.
    """
    asked = engine != "auto"
    installed = [state for state in states if asked or state.problem != "not_installed"]
    if installed or not states:
        return [_check_engine(state, asked=asked) for state in installed]
    names = ", ".join(state.program for state in states)
    seen = f"no container engine is installed ({names}): the lab runs on the host, same packages"
    return [Finding(name="engine", status="ok", seen=seen)]


def _check_engine(state: EngineState, *, asked: bool) -> Finding:
    if not state.answers:
        error = not_answering(state)
        status: Status = "fail" if asked else "warn"
        return Finding(
            name=state.program, status=status, seen=error.what, why=error.why, next=error.next_step
        )
    if state.program == "apptainer":
        return Finding(name="apptainer", status="ok", seen=f"Apptainer {state.version} is there")
    product = "Podman" if is_podman(state) else "Docker"
    seen = f"{product} {state.version} answers" + (", rootless" if state.rootless else "")
    least = LEAST_PODMAN if is_podman(state) else LEAST_DOCKER
    if _new_enough(state.version, least):
        return Finding(name=state.program, status="ok", seen=seen)
    lost = "no GPU comes in through CDI, and its health check is slow to say that the lab is ready"
    return _old(state.program, seen, least, lost)


def is_podman(state: EngineState) -> bool:
    """Whether Podman answers; it may do so under the name docker."""
    return state.image_store == "containers"


def _old(name: str, seen: str, least: tuple[int, int], lost: str) -> Finding:
    wanted = ".".join(map(str, least))
    return Finding(
        name=name,
        status="warn",
        seen=f"{seen}; the lab wants {wanted} or newer",
        why=lost,
        next=f"update {name} to {wanted} or newer, from its makers' packages",
    )


def _new_enough(version: str, least: tuple[int, int]) -> bool:
    """Whether a version is at least that; one without numbers passes, as builds from source do."""
    found = read_version(version)
    return found is None or found >= least


def read_version(text: str) -> tuple[int, int] | None:
    """Major and minor of the first version in a text: `Docker Compose version v2.26.1-4`."""
    found = re.search(r"(?<![\w.])v?(\d+)\.(\d+)(?=[.\s+~-]|$)", text, re.ASCII)
    return (int(found[1]), int(found[2])) if found else None


def check_image_file(path: str, trouble: LabError | None, *, there: bool) -> Finding:
    """Say whether Apptainer runs the lab's image file.

    Args:
        path: of the file.
        trouble: why a container of it did not start.
        there: whether there is such a file.
    """
    if not there:
        return Finding(
            name="image-file", status="warn", seen=f"no image file for Apptainer yet: {path}",
            why="the first command in Apptainer makes it, where Docker answers as well",
            next="./inv build --sif makes it; without Docker: ./inv build --from-archive FILE",
        )  # fmt: skip
    if trouble is not None:
        return Finding(
            name="image-file", status="fail", seen=f"{trouble.what} ({path})",
            why=trouble.why, next=trouble.next_step,
        )  # fmt: skip
    return Finding(name="image-file", status="ok", seen=f"Apptainer runs {path}")


def check_compose(state: EngineState, answered: Finished) -> Finding:
    """Say whether `compose` is there and new enough.

    Args:
        state: the engine that it belongs to.
        answered: `<engine> compose version --short`, ended.
    """
    if not answered.ok:
        return _no_plugin(
            "compose", state.program, answered, "`inv lab` starts its container with it"
        )
    version = read_version(answered.stdout)
    if "podman-compose" in answered.stdout + answered.stderr:
        return Finding(
            name="compose",
            status="warn",
            seen=f"podman-compose {answered.stdout.strip()} stands in for compose",
            why="the lab is tried with Docker Compose; podman-compose leaves parts of it out",
            next="install the docker-compose-plugin package; Podman takes it when it is there",
        )
    seen = f"{state.program} compose {_shown(answered, version)}"
    if version is not None and version < LEAST_COMPOSE:
        return _old(
            "compose", seen, LEAST_COMPOSE, "no GPU through CDI, and the start may be refused"
        )
    return Finding(name="compose", status="ok", seen=seen)


def check_buildx(state: EngineState, answered: Finished) -> Finding | None:
    """Say whether `buildx` is there and new enough; Podman builds without it.

    Args:
        state: the engine that it belongs to.
        answered: `<engine> buildx version`, ended.
    """
    if is_podman(state):
        return None
    if not answered.ok:
        return _no_plugin("buildx", state.program, answered, "no image can be built without it")
    version = read_version(answered.stdout)
    seen = f"{state.program} buildx {_shown(answered, version)}"
    if version is not None and version < LEAST_BUILDX:
        lost = "`inv build` hands over base, wheelhouse and CA in ways that it may not know"
        return _old("buildx", seen, LEAST_BUILDX, lost)
    return Finding(name="buildx", status="ok", seen=seen)


def _shown(answered: Finished, version: tuple[int, int] | None) -> str:
    if version is None:
        return answered.stdout.strip()[:40] or "without a version"
    found = re.search(r"(?<![\w.])v?(\d+\.\d+(\.\d+)?)", answered.stdout)
    return found[1] if found else ".".join(map(str, version))


def _no_plugin(name: str, program: str, answered: Finished, why: str) -> Finding:
    if answered.code == 124:
        return Finding(
            name=name, status="fail", seen=f"`{program} {name} version` gave {answered.last_words}",
            why=why, next=f"try `{program} {name} version` by hand; reinstall docker-{name}-plugin",
        )  # fmt: skip
    return Finding(
        name=name,
        status="fail",
        seen=f"{program} has no plugin {name}: {answered.last_words}",
        why=why,
        next=(
            f"install it: docker-{name}-plugin in Docker's packages, docker-{name} in Debian's;"
            " Docker Desktop has it"
        ),
    )


def check_image_store(state: EngineState) -> Finding:
    """Say whether two builds can be compared: that needs containerd's store."""
    if is_podman(state):
        return _no_check("Podman keeps images in a store of its own", "use --engine docker for it")
    if state.image_store != "containerd":
        return _no_check(
            "Docker keeps images in its older store (graphdriver)",
            'put "features": {"containerd-snapshotter": true} into /etc/docker/daemon.json,'
            " restart Docker (Docker Desktop: Settings, General); older images are only hidden",
        )
    if not _new_enough(state.version, LEAST_DOCKER_FOR_CHECK):
        return _no_check(
            f"Docker {state.version} builds with a BuildKit older than 0.13",
            "update Docker to 26 or newer",
        )
    return Finding(name="image-store", status="ok", seen="images are in containerd's store")


def _no_check(seen: str, remedy: str) -> Finding:
    return Finding(
        name="image-store",
        status="warn",
        seen=seen,
        why=(
            "only `inv build --check`, which proves that two builds are the same image, needs more;"
            " the lab runs"
        ),
        next=remedy,
    )


def check_engine_address(address: str) -> Finding | None:
    """Say whether the engine is on another machine.

    Args:
        address: DOCKER_HOST, or CONTAINER_HOST for Podman; empty where it is not set.
    """
    if not address.startswith(("tcp://", "ssh://", "http://", "https://")):
        return None
    return Finding(
        name="engine-address",
        status="warn",
        seen=f"the engine is reached at {address}",
        why=(
            "a container on another machine sees that machine's folders, not your work folder, and"
            " its port opens there"
        ),
        next="unset DOCKER_HOST (Podman: CONTAINER_HOST), or run the lab on that machine",
    )
