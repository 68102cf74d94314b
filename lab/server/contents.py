"""How JupyterLab's server saves a student's files; Jupyter loads this by its name.

Jupyter's own way writes into the file itself, beside a copy of the old one. A kill in its midst
leaves half a file, and so does a disk that is full when the last of it is written.
"""

import io
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from tornado.web import HTTPError

from lab.course.formats import write_notebook
from lab.errors import of_full_disk
from lab.language import Language, parse_language

_SAVED: dict[Language, str] = {
    "es": "{path} no se ha guardado: {why}. El archivo sigue como se guardó la última vez, y esta"
    " página conserva tus cambios: no la cierres. {next}",
    "en": "{path} was not saved: {why}. The file is as it was when it was last saved, and this page"
    " keeps your changes: do not close it. {next}",
}
_WHY: dict[Language, dict[str, tuple[str, str]]] = {
    "es": {
        "full": (
            "no queda espacio en el disco de {folder}",
            "Libera espacio y guarda otra vez, o descárgalo: Archivo, Descargar.",
        ),
        "gone": ("la carpeta {folder} ya no existe", "Vuelve a crearla y guarda otra vez."),
        "other": (
            "no se puede escribir en {folder} ({error})",
            "Permite escribir ahí y guarda otra vez, o descárgalo: Archivo, Descargar.",
        ),
    },
    "en": {
        "full": (
            "the disk of {folder} is full",
            "Free some space and save again, or download it: File, Download.",
        ),
        "gone": ("the folder {folder} is gone", "Make it again and save again."),
        "other": (
            "{folder} cannot be written ({error})",
            "Allow writing there and save again, or download it: File, Download.",
        ),
    },
}


class Contents(AsyncLargeFileManager):
    """Saves each file whole or not at all, and says in the page why one could not be saved."""

    async def save(self, model: dict[str, Any], path: str = "") -> dict[str, Any]:
        """Save a file, or make a folder, as the page asks for it.

        Args:
            model: what Jupyter's API calls so.
            path: in the folder that is served.

        Raises:
            HTTPError: it was not saved; the page shows its words.
        """
        try:
            saved: dict[str, Any] = await super().save(model, path)
        except HTTPError as error:
            if isinstance(error.__cause__, OSError):
                raise not_saved(path, self._folder_of(path), error.__cause__) from error
            raise
        return saved

    def _folder_of(self, path: str) -> Path:
        return Path(self._get_os_path(path)).parent

    def check_and_sign(self, nb: Any, path: str = "", **kwargs: Any) -> None:
        """Note that its outputs are trusted; where that cannot be, it is saved all the same."""
        with suppress(sqlite3.Error):
            super().check_and_sign(nb, path, **kwargs)

    @contextmanager
    def atomic_writing(
        self, os_path: str, text: bool = True, encoding: str = "utf-8", **kwargs: Any
    ) -> Iterator[Any]:
        """Take what is written, then put it in the file's place.

        Args:
            os_path: the file.
            text: whether text is written.
            encoding: of the text.
            kwargs: what else Jupyter's own way takes.

        Raises:
            OSError: it could not be written; the old one is as it was.
        """
        path = Path(os_path).resolve()
        if not _may_be_replaced(path):
            with super().atomic_writing(os_path, text, encoding, **kwargs) as file:
                yield file
            return
        written = io.StringIO() if text else io.BytesIO()
        yield written
        content = written.getvalue()
        data = content.encode(encoding) if isinstance(content, str) else content
        with self.perm_to_403(os_path):
            write_notebook(path, data)


def _may_be_replaced(path: Path) -> bool:
    """Whether a new file in its place is the same to everybody: not where it has another name too,
    or is another user's, or can be written in a folder that takes no new file."""
    try:
        found = path.stat()
    except OSError:
        return True
    if found.st_nlink > 1 or os.geteuid() not in (0, found.st_uid):
        return False
    return os.access(path.parent, os.W_OK) or not os.access(path, os.W_OK)


def not_saved(path: str, folder: Path, error: OSError) -> HTTPError:
    """What the page shows where a file was not saved.

    Args:
        path: the file, as the page names it.
        folder: the one that it is in.
        error: what came of it.
    """
    language = parse_language("", os.environ)
    kind = "full" if of_full_disk(error) else "other" if folder.is_dir() else "gone"
    why, then = _WHY[language][kind]
    said = why.format(folder=folder, error=error.strerror or str(error))
    code = {"full": 507, "gone": 500}.get(kind, 403 if isinstance(error, PermissionError) else 500)
    return HTTPError(code, _SAVED[language].format(path=path.strip("/"), why=said, next=then))
