"""How JupyterLab is set up, the same in the image and on the host."""

import json
from pathlib import Path
from typing import Any

from lab.language import Language

LAB_SETTINGS = Path(__file__).with_name("settings")


def jupyter_settings(
    *, root: Path, ip: str, port: int, token: str, memory_bytes: int, shell: str,
    settings: Path = LAB_SETTINGS, page: str = "/lab",
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Settings by the name of Jupyter's class, for traitlets' Config.

    Args:
        root: the student's folder; the server shows and writes nothing outside it.
        ip: address to listen on.
        port: port to listen on.
        token: what a request must show.
        memory_bytes: what the server and its kernels may take, for the status bar.
        shell: what a terminal runs.
        settings: folder of the lab's own defaults, in the student's language.
        page: what is opened first.
    """
    own = root / ".lab"  # a student's layout and preferences go with the student's files
    return {
        "ServerApp": {
            "ip": ip,
            "port": port,
            "port_retries": 0,  # another port than the published one would answer nobody
            "root_dir": str(root),
            "open_browser": False,
            "contents_manager_class": "lab.server.contents.Contents",
            # By itself it would be a login shell, and /etc/profile takes the lab off the PATH.
            "terminado_settings": {"shell_command": [shell]},
            "allow_root": True,  # where root starts the lab; in the container it has no capability
            "allow_remote_access": (
                False
            ),  # a page of another site that resolves to 127.0.0.1 is refused
        },
        "IdentityProvider": {"token": token},
        # One that is set on the login page would hold for later starts, whose token is another.
        "PasswordIdentityProvider": {"allow_password_change": False},
        # Loopback is open to every user of a machine; a socket in a private folder is not.
        "KernelManager": {"transport": "ipc"},
        "LabApp": {
            "app_settings_dir": str(settings),
            "default_url": page,
            "user_settings_dir": str(own / "settings"),
            "workspaces_dir": str(own / "workspaces"),
            "extension_manager": "readonly",
            "check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
            "news_url": None,
        },
        "ResourceUseDisplay": {
            "mem_limit": memory_bytes,
            "enable_prometheus_metrics": False,  # nobody asks; they would be taken every second
            "show_host_usage": False,  # in a container it tells the machine's, whatever the limit
        },
        "LanguageServerManager": {"autodetect": False},  # none is installed; looking costs time
    }


# What JupyterLab calls the languages; en needs no pack.
_LOCALES: dict[Language, str] = {"es": "es_ES", "en": "en"}


def settings_in(language: Language, folder: Path) -> Path:
    """Write the lab's defaults for a language; what a student chooses in JupyterLab comes before.

    Args:
        language: of the menus.
        folder: where to write them.

    Returns:
        The folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in LAB_SETTINGS.glob("*.json"):
        (folder / path.name).write_bytes(path.read_bytes())
    overrides = json.loads((LAB_SETTINGS / "overrides.json").read_text(encoding="utf-8"))
    overrides["@jupyterlab/translation-extension:plugin"] = {"locale": _LOCALES[language]}
    (folder / "overrides.json").write_text(json.dumps(overrides, indent=2), encoding="utf-8")
    return folder
