"""Every check, bound to the facts that it judges, in the order in which a person reads them."""

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lab.doctor.cdi import check_cdi, read_cdi_state
from lab.doctor.deadline import Check, Found
from lab.doctor.disk import check_image_room, check_state_room, image_folders, measure_room
from lab.doctor.engine import (
    check_buildx,
    check_compose,
    check_engine_address,
    check_engines,
    check_image_file,
    check_image_store,
)
from lab.doctor.facts import Facts, Wish, device_kind
from lab.doctor.gpu import (
    check_apple,
    check_architecture,
    check_container_gpu,
    check_driver,
    check_gpu,
)
from lab.doctor.memory import cgroup_limit_bytes, check_memory, check_shm, shm_bytes
from lab.doctor.packages import CA_VARIABLES, check_ca, check_wheelhouse, read_certificates
from lab.doctor.platform import check_host_python, check_platform, check_runner_python
from lab.doctor.port import check_port, read_port
from lab.doctor.work import check_work, read_work
from lab.engines.probe import EngineState, gpu_names, read_cdi_files
from lab.errors import LabError
from lab.image.provide import image_path, is_there, own_image
from lab.image.sif import try_image
from lab.locks.install import is_made
from lab.locks.sources import read_sources
from lab.paths import state as state_folder
from lab.process import Finished, run
from lab.server.port import FIRST
from lab.server.running import is_reached_from_here, status
from lab.server.work import caller

_NO = ("", "0", "false", "no", "off")


def all_checks(wish: Wish, facts: Facts) -> list[Check]:
    """The checks; each waits for the facts that it needs, and for no others."""
    checks: dict[str, Callable[[Wish, Facts], Found]] = {
        "platform": _platform,
        "python": lambda wish, facts: check_runner_python(),
        "host-python": _host_python,
        "engine": _engines,
        "engine-address": _engine_address,
        "compose": _compose,
        "buildx": _buildx,
        "image-store": _image_store,
        "image-file": _image_file,
        "gpu": _gpu,
        "driver": _driver,
        "architecture": _architecture,
        "container-gpu": _container_gpu,
        "cdi": _cdi,
        "port": _port,
        "work": _work,
        "disk-images": _image_room,
        "disk-state": _state_room,
        "memory": _memory,
        "shm": _shm,
        "ca": _ca,
        "wheelhouse": _wheelhouse,
    }
    return [Check(name=name, run=_bind(check, wish, facts)) for name, check in checks.items()]


def _bind(check: Callable[[Wish, Facts], Found], wish: Wish, facts: Facts) -> Callable[[], Found]:
    return lambda: check(wish, facts)


def _on_host(facts: Facts) -> bool:
    return facts.place.result().on_host


def _container(facts: Facts) -> EngineState | None:
    return facts.place.result().container


def _kind(wish: Wish, facts: Facts) -> str:
    return device_kind(wish, facts.place.result(), facts.gpu_host.result())


def _ask(*argv: str) -> Finished:
    return run(argv, timeout_s=15)


def _platform(wish: Wish, facts: Facts) -> Found:
    return check_platform(
        facts.system, facts.machine,
        release=facts.release, libc=facts.libc, on_host=_on_host(facts),
    )  # fmt: skip


def _host_python(wish: Wish, facts: Facts) -> Found:
    refused = facts.environ.get("UV_PYTHON_DOWNLOADS", "") in ("never", "manual", "false", "0")
    offline = facts.environ.get("UV_OFFLINE", "").lower() not in _NO
    return check_host_python(
        facts.host_python.result(), downloads=not refused and not offline, on_host=_on_host(facts)
    )


def _engines(wish: Wish, facts: Facts) -> Found:
    if wish.engine == "host" or wish.apple_by_itself:
        return None
    return check_engines(wish.engine, facts.place.result().states)


def _engine_address(wish: Wish, facts: Facts) -> Found:
    container = _container(facts)
    if container is None:
        return None
    variable = "CONTAINER_HOST" if container.program == "podman" else "DOCKER_HOST"
    return check_engine_address(facts.environ.get(variable, ""))


def _compose(wish: Wish, facts: Facts) -> Found:
    container = _container(facts)
    if container is None:
        return None
    return check_compose(container, _ask(container.program, "compose", "version", "--short"))


def _buildx(wish: Wish, facts: Facts) -> Found:
    container = _container(facts)
    if container is None:
        return None
    return check_buildx(container, _ask(container.program, "buildx", "version"))


def _image_store(wish: Wish, facts: Facts) -> Found:
    container = _container(facts)
    return None if container is None else check_image_store(container)


def _image_file(wish: Wish, facts: Facts) -> Found:
    if wish.engine != "apptainer" or not facts.place.result().states[0].answers:
        return None
    own = own_image(_kind(wish, facts), "apptainer")
    path = image_path(wish.image) if wish.image else own
    there, trouble = is_there("apptainer", path), None
    if there:
        try:
            try_image(path)
        except LabError as error:
            trouble = error
    return check_image_file(path, trouble, there=there)


def _gpu(wish: Wish, facts: Facts) -> Found:
    apple = (facts.system, facts.machine) == ("Darwin", "arm64")
    if wish.device == "mps" or (wish.device == "auto" and apple and _on_host(facts)):
        return check_apple(facts.system, facts.machine, on_host=_on_host(facts))
    if not wish.wants_nvidia:
        return None
    return check_gpu(
        facts.snapshot.result(), facts.gpu_host.result(), facts.gpus.result(),
        asked=wish.needs_nvidia,
    )  # fmt: skip


def _driver(wish: Wish, facts: Facts) -> Found:
    if not wish.wants_nvidia:
        return None
    # The module's own version first: it is what runs, whatever library NVML was read through.
    return check_driver(facts.gpu_host.result().module or facts.snapshot.result().driver_version)


def _architecture(wish: Wish, facts: Facts) -> Found:
    return check_architecture(facts.gpus.result()) if wish.wants_nvidia else None


def _container_gpu(wish: Wish, facts: Facts) -> Found:
    container = _container(facts)
    if container is None or not wish.wants_nvidia:
        return None
    return check_container_gpu(
        container,
        facts.gpu_host.result(),
        elsewhere=gpu_names(read_cdi_files()),
        toolkit=shutil.which("nvidia-ctk") is not None,
        asked=wish.needs_nvidia,
    )


def _cdi(wish: Wish, facts: Facts) -> Found:
    container = _container(facts)
    if container is None or not wish.wants_nvidia:
        return None
    states = [read_cdi_state(file) for file in read_cdi_files(container.cdi_folders)]
    return check_cdi(states, facts.gpu_host.result().module, asked=wish.needs_nvidia)


def _port(wish: Wish, facts: Facts) -> Found:
    state = read_port(FIRST if wish.port is None else wish.port)
    own = not state.free and state.port == _own_port()
    container = None if own or state.free else _container(facts)
    if container is not None:
        publishing = _ask(
            container.program, "ps", "--filter", f"publish={state.port}", "--format", "{{.Names}}"
        )
        names = publishing.stdout.split() if publishing.ok else []
        state = replace(state, container=" ".join(names[:1]))
    return check_port(state, asked=wish.port is not None, own=own)


def _own_port() -> int | None:
    """Port of this clone's lab, where it runs."""
    try:
        session = status()
    except LabError:  # its engine does not answer: the finding on the engine says so
        return None
    return session.port if is_reached_from_here(session) else None


def _work(wish: Wish, facts: Facts) -> Found:
    wsl = "microsoft" in facts.release.lower()
    uid = caller()[0]
    # Root's containers run as the owner of the work folder, whoever that is.
    as_owner = uid == 0 and _container(facts) is not None
    return check_work(read_work(wish.work), uid=uid, as_owner=as_owner, wsl=wsl)


def _image_room(wish: Wish, facts: Facts) -> Found:
    container = _container(facts)
    if container is None:
        return None
    rooms = [room for folder in image_folders(container) if (room := measure_room(folder))]
    kind = _kind(wish, facts)
    built = is_there(container.program, wish.image or own_image(kind))
    return check_image_room(rooms, kind, built=built)


def _state_room(wish: Wish, facts: Facts) -> Found:
    room = measure_room(state_folder())
    if room is None:
        return None
    kind = _kind(wish, facts)
    return check_state_room(room, kind, on_host=_on_host(facts), made=is_made(kind))


def _memory(wish: Wish, facts: Facts) -> Found:
    import psutil

    container = _container(facts)
    return check_memory(
        psutil.virtual_memory().total,
        cgroup_limit_bytes(),
        container.memory_bytes if container else None,
    )


def _shm(wish: Wish, facts: Facts) -> Found:
    return check_shm(shm_bytes(), on_host=_on_host(facts))


def _ca(wish: Wish, facts: Facts) -> Found:
    named = {facts.environ.get(name, ""): name for name in reversed(CA_VARIABLES)}
    return [
        check_ca(name, path, read_certificates(Path(path), time.time()))
        for path, name in reversed(named.items())
        if path
    ]


def _wheelhouse(wish: Wish, facts: Facts) -> Found:
    switches = ("PIP_NO_INDEX", "UV_NO_INDEX", "UV_OFFLINE")
    return check_wheelhouse(
        read_sources(facts.environ),
        system=facts.system,
        machine=facts.machine,
        device=_kind(wish, facts),
        offline=any(facts.environ.get(name, "").lower() not in _NO for name in switches),
    )
