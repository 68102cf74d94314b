"""Small wheels, made here, and a server that hands files out in parts."""

import base64
import hashlib
import re
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LICENCE = "License-Expression: MIT\n"


def make_wheel(
    folder: Path, name: str, version: str, files: dict[str, str] | None = None,
    more: str = LICENCE, tag: str = "py3-none-any",
) -> Path:  # fmt: skip
    """Write a wheel of these files; `more` are lines of its METADATA."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    content = {
        f"{name.replace('-', '_')}/__init__.py": "", **(files or {}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }  # fmt: skip
    lines = []
    for path, text in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        lines.append(f"{path},sha256={digest.decode()},{len(text.encode())}\n")
    content[f"{info}/RECORD"] = "".join(lines) + f"{info}/RECORD,,\n"
    wheel = folder / f"{stem}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in content.items():
            archive.writestr(path, text)
    return wheel


def pin(wheel: Path, where: str = "") -> str:
    """The line of a lock for a wheel."""
    name, version = wheel.name.split("-")[:2]
    condition = f" ; {where}" if where else ""
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"{name.replace('_', '-')}=={version}{condition} \\\n    --hash=sha256:{digest}\n"


class Server(ThreadingHTTPServer):
    """Files of a folder under `/files/`, and an index of them under `/simple/`, as PyPI has one."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.in_parts, self.sent = folder, True, 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        _, kind, name, *_ = f"{self.path}//".split("/")
        if kind == "simple":
            self._send(200, self._index(name), {"Content-Type": "text/html"})
            return
        path = self.server.folder / name
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not wanted or not self.server.in_parts:
            self._send(200, data, {})
            return
        begin, end = int(wanted[1]), min(int(wanted[2]) + 1, len(data))
        self._send(206, data[begin:end], {"Content-Range": f"bytes {begin}-{end - 1}/{len(data)}"})

    do_HEAD = do_GET

    def _index(self, name: str) -> bytes:
        links = [
            f'<a href="/files/{p.name}#sha256={hashlib.sha256(p.read_bytes()).hexdigest()}">'
            f"{p.name}</a>"
            for p in sorted(self.server.folder.glob("*.whl"))
            if p.name.split("-")[0].replace("_", "-") == name
        ]
        return ("<!DOCTYPE html><html><body>" + "".join(links) + "</body></html>").encode()

    def _send(self, code: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)
            self.server.sent += len(data)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal."""


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server on loopback."""
    with Server(folder) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
