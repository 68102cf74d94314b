"""The folder for the sockets of a server's kernels: named after its server, so that what one that
was killed leaves is found again, whatever its files say, and nobody else's is taken for it."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

# In place of a temporary folder with a long name, as clusters and macOS have.
_SHORT = "/tmp"
# A socket's path may have 107 bytes, on macOS 103; so many are the folder's, the rest its name.
_MOST_BYTES = 103 - len("/lab-01234567-01234567/kernel-01234567-0123-0123-0123-0123456789ab-ipc-1")


def make(server: Path) -> Path:
    """Make one that only this user may look in.

    Args:
        server: the folder with the server's own files.
    """
    temporary = tempfile.gettempdir()
    short = len(os.fsencode(temporary)) <= _MOST_BYTES
    return Path(tempfile.mkdtemp(prefix=_prefix(server), dir=temporary if short else _SHORT))


def clear(server: Path, named: str = "") -> None:
    """Remove those of a server that does not run.

    Args:
        server: the folder with the server's own files.
        named: one that these files name, for a server whose temporary folder was another; it is
            left where its name is not that of such a folder.
    """
    prefix, places = _prefix(server), {Path(tempfile.gettempdir()), Path(_SHORT)}
    found = [path for place in places for path in place.glob(f"{prefix}*")]
    for path in (*found, Path(named)):
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
