"""A client of a running server: its contents, its kernels and what a cell gives."""

import json
import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass, field
from typing import Any

import websocket


@dataclass
class Outcome:
    """What one cell gave: text on the streams, rich outputs, and the error's name, empty if
    none."""

    text: str = ""
    data: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    message: str = ""


class Server:
    """One server, by the address that `inv lab` printed."""

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        self.base = f"{parts.scheme}://{parts.netloc}"
        self.token = urllib.parse.parse_qs(parts.query)["token"][0]

    def request(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        """Call the server's API; an HTTP error is raised with its code."""
        request = urllib.request.Request(
            self.base + urllib.parse.quote(path),
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token if token is None else token}"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def status_of(self, method: str, path: str, token: str | None = None) -> int:
        """The HTTP status that a call gives."""
        try:
            self.request(method, path, token=token)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        return 200

    def save(self, path: str, content: str) -> None:
        """Save a text file as the page does."""
        body = {"type": "file", "format": "text", "content": content}
        self.request("PUT", f"/api/contents/{path}", body)

    def start_kernel(self) -> "Kernel":
        """Start a kernel and connect to it."""
        return Kernel(self, self.request("POST", "/api/kernels", {"name": "python3"})["id"])


class Kernel:
    """One kernel, over the same socket that the page uses."""

    def __init__(self, server: Server, kernel_id: str) -> None:
        self.server, self.id = server, kernel_id
        self.session = uuid.uuid4().hex
        self.socket = websocket.create_connection(
            f"{server.base.replace('http', 'ws')}/api/kernels/{kernel_id}/channels",
            header=[f"Authorization: token {server.token}"],
            timeout=900,
        )

    def __enter__(self) -> "Kernel":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
        self.server.request("DELETE", f"/api/kernels/{self.id}")

    def run(self, code: str) -> Outcome:
        """Run a cell and wait until the kernel is idle again."""
        message = self._send(code)
        outcome = Outcome()
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("parent_header", {}).get("msg_id") != message:
                continue
            kind, content = answer["header"]["msg_type"], answer["content"]
            if kind == "stream":
                outcome.text += content["text"]
            elif kind in ("display_data", "execute_result"):
                outcome.data.append(content["data"])
            elif kind == "error":
                outcome.error, outcome.message = content["ename"], content["evalue"]
            elif kind == "status" and content["execution_state"] == "idle":
                return outcome

    def begin(self, code: str) -> None:
        """Have a cell run, and do not wait for it."""
        self._send(code)

    def wait_for_state(self, *states: str) -> None:
        """Wait until the kernel is said to be in one of these states."""
        while True:
            answer = json.loads(self.socket.recv())
            if answer["content"].get("execution_state") in states:
                return

    def _send(self, code: str) -> str:
        identity = uuid.uuid4().hex
        header = {
            "msg_id": identity, "session": self.session, "username": "student", "version": "5.4",
            "msg_type": "execute_request", "date": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        content = {
            "code": code, "silent": False, "store_history": True, "user_expressions": {},
            "allow_stdin": False, "stop_on_error": True,
        }  # fmt: skip
        self.socket.send(json.dumps({
            "header": header, "parent_header": {}, "metadata": {}, "content": content,
            "channel": "shell",
        }))  # fmt: skip
        return identity
