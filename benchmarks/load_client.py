"""A client of JupyterLab's server: requests over one connection, and kernels over their sockets."""

import contextlib
import http.client
import json
import queue
import struct
import threading
import time
import uuid
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import websocket

PATIENCE_S = 180  # without an answer
PROTOCOL = "v1.kernel.websocket.jupyter.org"


class Address(NamedTuple):
    """Where a server is and what it wants to be shown."""

    host: str
    port: int
    token: str

    @classmethod
    def of(cls, url: str) -> "Address":
        """From the address that `inv lab` prints."""
        parts = urlsplit(url)
        return cls(str(parts.hostname), int(parts.port or 80), parse_qs(parts.query)["token"][0])


class Api:
    """A connection to the server that is kept, as a browser keeps it."""

    def __init__(self, address: Address) -> None:
        """Connects with the first request."""
        self.address = address
        self._connection = http.client.HTTPConnection(
            address.host, address.port, timeout=PATIENCE_S
        )

    def __call__(self, method: str, path: str, body: object = None) -> bytes:
        """Answer of one request; OSError, with the status in it, where it is not a success."""
        data = None if body is None else json.dumps(body)
        headers = {"Authorization": f"token {self.address.token}"}
        try:
            self._connection.request(method, path, data, headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except http.client.HTTPException as error:
            self._connection.close()
            raise OSError(f"{type(error).__name__}: {error}") from error
        except OSError:
            self._connection.close()
            raise
        if answer.status >= 400:
            raise OSError(f"{answer.status} {answer.reason} for {method} {path.partition('?')[0]}")
        return content

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()


class Socket:
    """A socket that is listened to all the time, as a browser does: so the server's pings are
    answered."""

    def __init__(self, address: Address, path: str, **options: Any) -> None:
        """Connects at once."""
        self._socket = websocket.create_connection(
            f"ws://{address.host}:{address.port}{path}", timeout=PATIENCE_S,
            header=[f"Authorization: token {address.token}"], **options,
        )  # fmt: skip
        self._socket.settimeout(None)
        self._heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError, websocket.WebSocketException):
            while message := self._socket.recv():
                self._heard.put(message.encode() if isinstance(message, str) else message)
        self._heard.put(b"")

    def send(self, message: bytes) -> None:
        """Send a message."""
        self._socket.send_binary(message)

    def receive(self) -> bytes:
        """The next message.

        Raises:
            OSError: the server closed the socket, or says nothing.
        """
        try:
            message = self._heard.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise OSError(f"no message came in {PATIENCE_S} s") from None
        if not message:
            raise OSError("the socket was closed")
        return message

    def close(self) -> None:
        """Close it, and wait for what listens."""
        with contextlib.suppress(OSError, websocket.WebSocketException):
            self._socket.send_close()
        self._socket.abort()  # wakes what listens
        self._listener.join()


class Kernel:
    """A kernel over a page's socket, in the protocol that JupyterLab asks for."""

    def __init__(self, address: Address, kernel_id: str) -> None:
        """Connects at once."""
        self._session = uuid.uuid4().hex
        path = f"/api/kernels/{kernel_id}/channels?session_id={self._session}"
        self._socket = Socket(address, path, subprotocols=[PROTOCOL])

    def information(self) -> None:
        """What a page asks first of all; returns when the kernel has answered."""
        self._ask("kernel_info_request", {})

    def run(self, code: str) -> str:
        """Run a cell; what it prints, when the kernel is idle again.

        Raises:
            OSError: the cell ended in an error.
        """
        return self._ask("execute_request", {
            "code": code, "silent": False, "store_history": True, "user_expressions": {},
            "allow_stdin": True, "stop_on_error": True,
        })  # fmt: skip

    def _ask(self, kind: str, content: dict[str, object]) -> str:
        identity, printed, replied, idle = uuid.uuid4().hex, "", False, False
        header = {
            "msg_id": identity, "session": self._session, "username": "student", "version": "5.4",
            "msg_type": kind, "date": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        self._socket.send(packed("shell", header, {}, {}, content))
        while not (replied and idle):
            head, parent, content = unpacked(self._socket.receive())
            if parent.get("msg_id") != identity:
                continue
            if head["msg_type"] == "error":
                raise OSError(f"{content['ename']}: {content['evalue']}")
            printed += str(content.get("text", "")) if head["msg_type"] == "stream" else ""
            replied |= str(head["msg_type"]).endswith("_reply")
            idle |= content.get("execution_state") == "idle"
        return printed

    def close(self) -> None:
        """Close the socket; the kernel goes on."""
        self._socket.close()


def packed(channel: str, *parts: dict[str, object]) -> bytes:
    """A message as jupyter_server documents v1.kernel.websocket.jupyter.org: offsets, parts."""
    data = [channel.encode(), *(json.dumps(part).encode() for part in parts)]
    offsets = [8 * (len(data) + 2)]
    for part in data:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets) + b"".join(data)


def unpacked(message: bytes) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Header, parent's header and content of a message."""
    count = struct.unpack_from("<Q", message)[0]
    offsets = struct.unpack_from(f"<{count}Q", message, 8)
    _, header, parent, _, content = (message[a:b] for a, b in pairwise(offsets[:6]))
    return json.loads(header), json.loads(parent), json.loads(content)


class Prober:
    """Asks the server ten times a second, from its own thread, until it is told to stop."""

    def __init__(self, address: Address) -> None:
        """Asks from `with` on."""
        self._api, self._end = Api(address), threading.Event()
        self.times: list[float] = []
        self.failed = 0
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        due = time.monotonic()
        while not self._end.wait(max(0.0, due - time.monotonic())):
            try:
                self._api("GET", "/api/status")
            except OSError:
                self.failed += 1
            self.times.append(time.monotonic() - due)
            due += 0.1

    def __enter__(self) -> "Prober":
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._end.set()
        self._thread.join()
