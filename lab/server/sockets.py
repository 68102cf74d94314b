"""The folder for the sockets of a server's kernels: named after its server, so that what one that
was killed leaves is found again, whatever its files say, and nobody else's is taken for it."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path


def make(server: Path) -> Path:
    """Make one that only this user may look in; short, as a socket's path may have 107 bytes only.

    Args:
        server: the folder with the server's own files.
    """
    return Path(tempfile.mkdtemp(prefix=_prefix(server)))


def clear(server: Path, named: str = "") -> None:
    """Remove those of a server that does not run.

    Args:
        server: the folder with the server's own files.
        named: one that these files name, for a server whose temporary folder was another; it is
            left where its name is not that of such a folder.
    """
    prefix, here = _prefix(server), Path(tempfile.gettempdir())
    for path in (*here.glob(f"{prefix}*"), Path(named)):
        if path.name.startswith(prefix) and _is_own(path):
            shutil.rmtree(path, ignore_errors=True)


def _prefix(server: Path) -> str:
    return f"lab-{hashlib.sha256(bytes(server.absolute())).hexdigest()[:8]}-"


def _is_own(path: Path) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    return found.st_uid == os.geteuid() and not path.is_symlink()
