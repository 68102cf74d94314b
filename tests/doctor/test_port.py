"""Ports with real servers on them."""

import errno
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from lab.doctor.port import PortState, check_port, read_port


@contextmanager
def listening(address: str = "127.0.0.1") -> Iterator[int]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.bind((address, 0))
        server.listen()
        yield server.getsockname()[1]


@contextmanager
def serving(answer: bytes) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/api" else 404)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def has_ipv6() -> bool:
    try:
        with listening("::1"):
            return True
    except OSError:
        return False


def test_port_that_nobody_has_is_free() -> None:
    state = read_port(free_port())
    assert state.free
    assert check_port(state, asked=True).status == "ok"


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_port_in_use_names_the_process(address: str) -> None:
    with listening(address) as port:
        state = read_port(port)
    found = check_port(state, asked=True)
    assert (state.bind_errno, found.status) == (errno.EADDRINUSE, "fail")
    assert f"process {os.getpid()}" in found.seen
    assert f"--port {port + 1}" in found.next


def test_port_bound_by_a_server_that_does_not_listen_yet_is_in_use() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        state = read_port(server.getsockname()[1])
    assert (state.answering, check_port(state, asked=True).status) == ((), "fail")


def test_port_in_use_is_no_trouble_where_the_lab_may_take_another() -> None:
    with serving(b"{}") as port:
        found = check_port(read_port(port), asked=False)
    assert found.status == "ok"
    assert "takes the next free one" in found.seen


@pytest.mark.parametrize(("asked", "status"), [(True, "fail"), (False, "warn")])
def test_port_of_another_jupyter_is_said(asked: bool, status: str) -> None:
    with serving(json.dumps({"version": "2.20.0"}).encode()) as port:
        found = check_port(read_port(port), asked=asked)
    assert found.status == status
    assert "looks like another Jupyter" in found.seen
    assert "token" in found.why


@pytest.mark.parametrize("answer", [b"", b"\xff\xfe", b"[1]", b'{"name": "x"}', b"<html>" * 9999])
def test_port_of_another_server_is_no_jupyter(answer: bytes) -> None:
    with serving(answer) as port:
        assert not read_port(port).jupyter


@pytest.mark.skipif(not has_ipv6(), reason="needs IPv6 on loopback")
@pytest.mark.parametrize(("asked", "status"), [(True, "fail"), (False, "warn")])
def test_port_masked_by_a_server_on_the_other_loopback_is_said(asked: bool, status: str) -> None:
    """localhost is ::1 first: a browser reaches that server and not the lab."""
    with listening("::1") as port:
        state = read_port(port)
    found = check_port(state, asked=asked)
    assert (state.bind_errno, state.answering, found.status) == (0, ("::1",), status)
    assert "answers on ::1" in found.seen


def test_port_of_the_lab_that_runs_is_no_trouble() -> None:
    with listening() as port:
        assert check_port(read_port(port), asked=True, own=True).status == "ok"


def test_port_of_a_container_names_the_container() -> None:
    state = PortState(port=8888, bind_errno=errno.EADDRINUSE, owner="docker-proxy", container="old")
    found = check_port(state, asked=True)
    assert "the container old" in found.seen
    assert "docker stop old" in found.next


@pytest.mark.parametrize(
    ("port", "another"), [(80, "--port 8888"), (8888, "--port 8889"), (65535, "--port 8888")]
)
def test_port_remedy_is_a_port_that_can_be_had(port: int, another: str) -> None:
    number = errno.EACCES if port == 80 else errno.EADDRINUSE
    found = check_port(PortState(port=port, bind_errno=number, owner="x"), asked=True)
    assert found.next.endswith(another)
    assert ("root" in found.why) == (port == 80)
