"""A file behind an address, of which only the parts that are asked for are fetched."""

import io
import ssl
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.request import Request, url2pathname, urlopen

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_TIMEOUT_S = 60
# A zip file's directory and what lies before it come with a request or two.
_AT_ONCE = 128 << 10


def open_in_parts(url: str, context: ssl.SSLContext) -> io.BufferedIOBase:
    """Open a file to read and to seek in.

    Args:
        url: `https://…`, `http://…`, or `file://…`.
        context: which certificates are trusted.

    Raises:
        OSError: it cannot be had, or its server sends whole files alone.
    """
    if url.startswith("file://"):
        return open(url2pathname(url.removeprefix("file://")), "rb")  # noqa: PTH123
    return io.BufferedReader(_Parts(url, context), buffer_size=_AT_ONCE)


class _Parts(io.RawIOBase):
    """By HTTP's header Range, https://www.rfc-editor.org/rfc/rfc9110#name-range-requests."""

    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        super().__init__()
        self._url, self._context, self._place = url, context, 0
        self._size = self._fetch(0, 1)[1]

    def _fetch(self, begin: int, end: int) -> tuple[bytes, int]:
        """The bytes from `begin` to before `end`, and the size of the whole file."""
        request = Request(self._url, headers={"Range": f"bytes={begin}-{end - 1}"})
        try:
            with urlopen(request, timeout=_TIMEOUT_S, context=self._context) as answer:
                told, whole = answer.headers.get("Content-Range", ""), answer.status != 206
                data = b"" if whole else answer.read(end - begin)
        except HTTPException as error:
            raise OSError(f"{self._url}: {error}") from error
        size = told.rpartition("/")[2]
        if whole or not size.isdigit() or not told.startswith(f"bytes {begin}-"):
            raise OSError(f"{self._url}: the server sends no parts of files")
        return data, int(size)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        end = min(self._place + len(view), self._size)
        if end <= self._place:
            return 0
        data, _ = self._fetch(self._place, end)
        view[: len(data)] = data
        self._place += len(data)
        return len(data)
