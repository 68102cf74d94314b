"""Asks a machine which engines answer, and what GPU they could hand over. Reads; changes
nothing."""

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.process import run

CDI_KIND = "nvidia.com/gpu"
_CDI_FOLDERS = ("/etc/cdi", "/var/run/cdi")


@dataclass(frozen=True, kw_only=True)
class EngineState:
    """One container engine as found.

    Args:
        program: `docker`, `podman` or `apptainer`.
        answers: whether containers can be started now.
        version: the server's version.
        problem: why it does not answer; empty when it does. One of the words of `problem_of`.
        detail: the engine's own message.
        rootless: whether it runs as an ordinary user, to whom uid 0 inside belongs.
        cdi: names of the GPU devices that CDI specifications define.
        nvidia_runtime: whether the nvidia runtime is registered.
        image_store: `containerd`, or the older `graphdriver`.
        root_folder: where it keeps images.
        cdi_folders: where it looks for CDI specifications; empty where CDI is off.
        memory_bytes: memory of the machine that runs its containers; None where it does not say.
    """

    program: str
    answers: bool
    version: str = ""
    problem: str = ""
    detail: str = ""
    rootless: bool = False
    cdi: tuple[str, ...] = ()
    nvidia_runtime: bool = False
    image_store: str = ""
    root_folder: str = ""
    cdi_folders: tuple[str, ...] = ()
    memory_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class CdiFile:
    """One CDI specification that defines NVIDIA GPUs; `error` says why it cannot be read."""

    path: Path
    devices: tuple[str, ...] = ()
    content: dict[str, Any] = field(default_factory=dict)
    error: str = ""


def probe_engine(program: str = "docker", timeout_s: float = 20) -> EngineState:
    """Ask an engine for its state; takes a tenth of a second where its daemon does not hang."""
    if shutil.which(program) is None:
        return EngineState(program=program, answers=False, problem="not_installed")
    done = run([program, "info", "--format", "{{json .}}"], timeout_s=timeout_s)
    info = _parse_info(done.stdout)
    errors = info.get("ServerErrors") or []
    if not done.ok or errors:
        detail = str(errors[0]) if errors else done.last_words
        problem = problem_of(detail, done.code)
        return EngineState(program=program, answers=False, problem=problem, detail=detail)
    return _state(program, info)


def probe_apptainer() -> EngineState:
    """Ask for Apptainer; whether it can mount an image file shows when one is tried."""
    if shutil.which("apptainer") is None:
        return EngineState(program="apptainer", answers=False, problem="not_installed")
    done = run(["apptainer", "version"], timeout_s=20)
    if not done.ok:
        problem = "hangs" if done.code == 124 else "unknown"
        return EngineState(
            program="apptainer", answers=False, problem=problem, detail=done.last_words
        )
    return EngineState(program="apptainer", answers=True, version=done.stdout.strip())


def _parse_info(text: str) -> dict[str, Any]:
    try:
        info = json.loads(text)
    except ValueError:
        return {}
    return info if isinstance(info, dict) else {}


def problem_of(message: str, code: int) -> str:
    """Tell causes apart: `no_permission`, `not_running`, `hangs`, or `unknown`."""
    text = message.lower()
    if "permission denied" in text:
        return "no_permission"
    if code == 124:
        return "hangs"
    # Docker up to 28: "Cannot connect to ... Is the docker daemon running?"; from 29 on: "failed to
    # connect to the docker API ...; check if ... the daemon is running".
    if "connect to the docker" in text or "cannot connect" in text or "no such file" in text:
        return "not_running"
    return "unknown"


def _state(program: str, info: dict[str, Any]) -> EngineState:
    podman = "host" in info and "ServerVersion" not in info
    if podman:
        return EngineState(
            program=program, answers=True, version=str(info.get("version", {}).get("Version", "")),
            rootless=bool(info["host"].get("security", {}).get("rootless")),
            cdi=gpu_names(read_cdi_files()), image_store="containers",
            root_folder=str(info.get("store", {}).get("graphRoot", "")),
            cdi_folders=_CDI_FOLDERS, memory_bytes=info["host"].get("memTotal"),
        )  # fmt: skip
    folders = tuple(info.get("CDISpecDirs") or ())
    driver = dict(info.get("DriverStatus") or []).get("driver-type", "")
    return EngineState(
        program=program, answers=True, version=str(info.get("ServerVersion", "")),
        rootless=any("rootless" in option for option in info.get("SecurityOptions") or []),
        cdi=gpu_names(read_cdi_files(folders)),
        nvidia_runtime="nvidia" in (info.get("Runtimes") or {}),
        image_store="containerd" if "containerd" in driver else "graphdriver",
        root_folder=str(info.get("DockerRootDir", "")),
        cdi_folders=folders, memory_bytes=info.get("MemTotal"),
    )  # fmt: skip


def read_cdi_files(folders: tuple[str, ...] = _CDI_FOLDERS) -> list[CdiFile]:
    """Read the CDI specifications for NVIDIA GPUs in the folders that an engine looks in."""
    paths = [p for folder in folders for p in sorted(Path(folder).glob("*")) if _is_cdi(p)]
    return [found for path in paths if (found := _read_cdi(path)) is not None]


def _is_cdi(path: Path) -> bool:
    return path.suffix in (".yaml", ".yml", ".json")


def _read_cdi(path: Path) -> CdiFile | None:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        # PyYAML takes no tabs, which JSON is often indented with.
        content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        return CdiFile(path=path, error=str(error.strerror))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return CdiFile(path=path, error=str(error).splitlines()[0])
    if not isinstance(content, dict) or content.get("kind") != CDI_KIND:
        return None
    devices = content.get("devices")
    if not isinstance(devices, list):
        return CdiFile(path=path, content=content, error="it lists no devices")
    names = tuple(f"{CDI_KIND}={d['name']}" for d in devices if isinstance(d, dict) and "name" in d)
    return CdiFile(path=path, devices=names, content=content)


def gpu_names(files: list[CdiFile]) -> tuple[str, ...]:
    """Names of all GPUs that the specifications define, `…=all` first."""
    names = {name for file in files for name in file.devices}
    return tuple(sorted(names, key=lambda name: (not name.endswith("=all"), name)))


def host_has_gpu(root: Path = Path("/")) -> bool:
    """Whether an NVIDIA device shows on this host: its own driver, or the one of Windows under
    WSL2."""
    return any((root / "dev" / name).exists() for name in ("nvidiactl", "nvidia0", "dxg"))


def is_root() -> bool:
    """Whether this process runs as the system's administrator."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
