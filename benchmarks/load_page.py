"""One page of JupyterLab as its server sees it: what it fetches, what it asks and how often.

The requests and their times are those that Chromium sent with one notebook open (JupyterLab 4.6):
92 files of 6.9 MB and 30 calls to open it; then, for as long as it is open, what EVERY lists. A
page here has one connection beside its sockets, where a browser has up to six. Nothing is cached:
each page is a student's first.
"""

import contextlib
import heapq
import json
import random
import re
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import websocket

from benchmarks.load_client import Address, Api, Kernel, Socket

T = TypeVar("T")
CHUNKS = 80  # files that a page loads beside the entry points and JupyterLab's core

# What an open page asks: seconds between two times, method, path; $ is its notebook.
EVERY: list[tuple[float, str, str]] = [
    (5, "GET", "/api/metrics/v1"),
    (10, "GET", "/api/kernels"),
    (10, "GET", "/api/sessions"),
    (10, "GET", "/api/terminals"),
    (10, "GET", "/lab/api/workspaces"),
    (10, "GET", "/api/contents?content=1&hash=0"),
    (10, "PUT", "/lab/api/workspaces/$"),
    (30, "SAVE", "$"),
    (10, "RUN", "1 + 1"),  # a student's own doing
]
OPENS = [
    "/api/me", "/api/kernelspecs", "/lab/api/settings", "/api/kernels", "/api/terminals",
    "/api/sessions", "/lab/api/workspaces", "/api/me", "/api/kernelspecs",
    "/lab/api/translations/en", "/lab/api/translations", "/api/contents?content=1&hash=0",
    "/lab/api/settings/@jupyterlab/docmanager-extension:plugin",
    "/lab/api/settings/@jupyterlab/codemirror-extension:plugin",
    "/lab/api/settings/@jupyterlab/notebook-extension:panel",
    "/lab/api/themes/@jupyterlab/theme-light-extension/index.css", "/api/metrics/v1",
    "/lab/api/settings?ids_only=true", "/api/contents/$?content=0&hash=0",
    "/api/contents/$?content=0&hash=0", "/api/contents?content=1&hash=0",
    "/api/contents/$?content=0&hash=0", "/api/nbconvert", "/api/contents?content=1&hash=0",
    "/api/contents/$?type=notebook&content=1&hash=1", "/api/contents/$/checkpoints",
    "/api/contents/$/checkpoints", "/api/metrics/v1", "/api/sessions",
]  # fmt: skip


class Call(NamedTuple):
    """One request: what kind, seconds from when it was due to its answer, and what went wrong."""

    kind: str
    latency_s: float
    error: str


class Page:
    """One student's page, with a notebook of its own."""

    def __init__(self, address: Address, notebook: str, content: object, seed: int) -> None:
        """Asks nothing yet; `content` is what it saves, `seed` draws when it asks."""
        self.notebook, self._content = notebook, content
        self._address, self._random, self._api = address, random.Random(seed), Api(address)
        self._events: Socket | None = None
        self._kernel: Kernel | None = None
        self._session = ""
        self.calls: list[Call] = []

    def open(self) -> None:
        """Fetch all that a page does until its notebook shows; every request is noted."""
        html = self._noted("page", lambda: self._api("GET", f"/lab/tree/{self.notebook}"))
        if html is None:
            return
        for path in self._files(html.decode()):
            self._noted("file", lambda path=path: self._api("GET", path))
        for path in OPENS:
            self._noted("call", lambda path=path: self._api("GET", self._with_name(path)))
        self._noted("socket", self._subscribe)

    def _subscribe(self) -> None:
        self._events = Socket(self._address, "/api/events/subscribe")

    def _files(self, html: str) -> Iterator[str]:
        """The scripts of a page: those that it names, and the first that the main one knows."""
        settings = json.loads(html.split('type="application/json">')[1].partition("</script>")[0])
        for extension in settings["federated_extensions"]:
            yield f"/lab/extensions/{extension['name']}/{extension['load']}"
        main = html.rpartition('src="')[2].partition('"')[0]
        script = (self._noted("file", lambda: self._api("GET", main)) or b"").decode()
        digests = dict(re.findall(r'\b(\d+):"([0-9a-f]{16})"', script))
        core = re.findall(r'(\d+)===e\?"jlab_core"', script)[0]
        yield f"/static/lab/jlab_core.{digests.pop(core)}.js"
        for number, digest in list(digests.items())[:CHUNKS]:
            yield f"/static/lab/{number}.{digest}.js?v={digest}"

    def start_kernel(self) -> None:
        """Start the notebook's kernel and wait until it says what it is."""
        self._noted("kernel", self._begin_session)

    def _begin_session(self) -> None:
        made = json.loads(self._api("POST", "/api/sessions", {
            "path": self.notebook, "name": self.notebook, "type": "notebook",
            "kernel": {"name": "python3"},
        }))  # fmt: skip
        self._session = made["id"]
        self._kernel = Kernel(self._address, made["kernel"]["id"])
        self._kernel.information()

    def close(self) -> None:
        """Close the page, and end its kernel."""
        for socket in (self._events, self._kernel):
            if socket is not None:
                socket.close()
        if self._session:
            with contextlib.suppress(OSError):
                self._api("DELETE", f"/api/sessions/{self._session}")
        self._api.close()

    def work(self, seconds: float) -> None:
        """Ask what an open page asks, when it does.

        A latency counts from when the request was due, so a slow answer shows in those behind it.
        """
        now = time.monotonic()
        until = now + seconds
        due = [(now + self._random.uniform(0, row[0]), n) for n, row in enumerate(EVERY)]
        heapq.heapify(due)
        while due[0][0] < until:
            moment, number = heapq.heappop(due)
            time.sleep(max(0.0, moment - time.monotonic()))
            every_s, method, path = EVERY[number]
            self._do(method, path, moment)
            heapq.heappush(due, (moment + every_s, number))

    def hurry(self, seconds: float) -> None:
        """Ask the same in the same proportion, without a pause."""
        until = time.monotonic() + seconds
        turns = [row for row in EVERY for _ in range(round(30 / row[0]))]
        while True:
            for _, method, path in self._random.sample(turns, len(turns)):
                if time.monotonic() >= until:
                    return
                self._do(method, path, time.monotonic())

    def _do(self, method: str, path: str, due: float) -> None:
        if method == "RUN":
            kernel = self._kernel
            if kernel is not None:
                self._noted("cell", lambda: kernel.run(path), due)
        elif method == "SAVE":
            self._noted("save", self._save, due)
        else:
            body = {"data": {}, "metadata": {"id": self.notebook}} if method == "PUT" else None
            self._noted("call", lambda: self._api(method, self._with_name(path), body), due)

    def _save(self) -> None:
        """As JupyterLab saves: did it change, here it is, what is it now, what is in the folder."""
        about = self._with_name("/api/contents/$?content=0&hash=1")
        self._api("GET", about)
        self._api("PUT", self._with_name("/api/contents/$"), {
            "type": "notebook", "format": "json", "content": self._content,
        })  # fmt: skip
        self._api("GET", about)
        self._api("GET", "/api/contents?content=1&hash=0")

    def _with_name(self, path: str) -> str:
        return path.replace("$", self.notebook)

    def _noted(self, kind: str, call: Callable[[], T], due: float | None = None) -> T | None:
        begun, error, result = time.monotonic() if due is None else due, "", None
        try:
            result = call()
        except (OSError, websocket.WebSocketException) as problem:
            error = str(problem) or type(problem).__name__
        self.calls.append(Call(kind, time.monotonic() - begun, error))
        return result
