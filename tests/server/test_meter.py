"""The meter's figures: one look for many pages, for those alone that may see them."""

import asyncio
from typing import Any

import pytest
from jupyter_resource_usage import server_extension
from tornado import web

from lab.server.meter import FRESH_S, share_readings, shared


class Extension:
    """What the meter's handler does, as far as it matters here."""

    looks = 0
    status = 200

    def __init__(self, user: str = "student") -> None:
        self.current_user, self.request, self.written = user, self, ""
        self.method = "GET"

    def get_login_url(self) -> str:
        raise web.HTTPError(403)

    def get_status(self) -> int:
        return self.status

    async def get(self) -> None:
        type(self).looks += 1
        self.write(f"look {self.looks}")

    def write(self, chunk: str) -> None:
        self.written += chunk


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def handler(clock: Clock) -> Any:
    return shared(type("One", (Extension,), {}), clock)


def asked(handler: Any, **how: str) -> str:
    page = handler(**how)
    asyncio.run(page.get())
    return str(page.written)


def test_pages_that_ask_within_two_seconds_get_one_look(handler: Any, clock: Clock) -> None:
    assert [asked(handler) for _ in range(40)] == ["look 1"] * 40
    clock.now += FRESH_S - 0.1
    assert asked(handler) == "look 1"
    clock.now += 0.1
    assert [asked(handler) for _ in range(2)] == ["look 2"] * 2


def test_who_may_not_see_it_is_refused_also_while_it_is_fresh(handler: Any) -> None:
    asked(handler)
    with pytest.raises(web.HTTPError, match="403"):
        asked(handler, user="")


def test_error_is_not_kept(handler: Any) -> None:
    handler.status = 500
    assert asked(handler) == "look 1"
    handler.status = 200
    assert asked(handler) == "look 2"


def test_extension_is_given_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name that its start looks up."""
    own = server_extension.ApiHandler
    monkeypatch.setattr(server_extension, "ApiHandler", own)
    share_readings()
    assert server_extension.ApiHandler is not own
    assert issubclass(server_extension.ApiHandler, own)
    assert "ApiHandler" in server_extension.load_jupyter_server_extension.__code__.co_names
