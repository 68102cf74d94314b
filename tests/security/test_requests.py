"""What the server answers to a page of another origin, and to who does not know the token."""

import http.client
import json
import urllib.parse
from collections.abc import Iterator
from contextlib import closing

import pytest
import websocket

from tests.jupyter import Server
from tests.security.conftest import Lab

pytestmark = pytest.mark.host

EVIL = "http://evil.example"


@pytest.fixture(scope="module")
def server(lab: Lab) -> Server:
    return lab.server


FORM = {"Content_Type": "application/x-www-form-urlencoded"}


class Visitor:
    """What a browser sends: the cookies that it was given, and no token."""

    def __init__(self, server: Server) -> None:
        self.netloc = server.base.removeprefix("http://")
        self.connection = http.client.HTTPConnection(self.netloc, timeout=60)
        self.cookies: dict[str, str] = {}

    def close(self) -> None:
        self.connection.close()

    def ask(
        self, method: str, path: str, body: str | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage]:
        """Status and headers of an answer; cookies are kept, as browsers do."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body=body, headers={"Cookie": self.cookie, **sent})
        answer = self.connection.getresponse()
        answer.read()
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer.status, answer.headers

    @property
    def cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())


@pytest.fixture
def browser(server: Server) -> Iterator[Visitor]:
    """The browser of a student who has opened the lab."""
    with closing(Visitor(server)) as found:
        assert found.ask("GET", f"/lab?token={server.token}")[0] in (200, 302)
        yield found


def kernels(server: Server) -> list[object]:
    listed: list[object] = server.request("GET", "/api/kernels")
    return listed


def test_student_is_let_in_by_the_cookie(browser: Visitor) -> None:
    """Without this the refusals below would show nothing."""
    own = f"http://{browser.netloc}"
    assert browser.ask("GET", "/api/contents", Referer=f"{own}/lab", Origin=own)[0] == 200
    xsrf = browser.cookies["_xsrf"]
    made = browser.ask(
        "POST", "/api/contents", '{"type": "file"}', Origin=own, X_XSRFToken=xsrf
    )  # fmt: skip
    assert made[0] == 201


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/contents", None),
        ("GET", "/api/kernels", None),
        ("POST", "/api/kernels", '{"name": "python3"}'),
        ("POST", "/api/terminals", "{}"),
        ("PUT", "/api/contents/evil.txt", '{"type": "file", "format": "text", "content": "x"}'),
        ("DELETE", "/api/contents/suya.txt", None),
        ("POST", "/api/shutdown", None),
    ],
)
def test_page_of_another_origin_cannot_call_the_api(
    browser: Visitor, server: Server, lab: Lab, method: str, path: str, body: str | None
) -> None:
    """The student's browser adds the cookies; the page knows neither token nor XSRF cookie."""
    server.save("suya.txt", "x")
    before = kernels(server), sorted(p.name for p in lab.work.iterdir())
    status, headers = browser.ask(method, path, body, Origin=EVIL, Referer=f"{EVIL}/")
    assert status in (403, 404)
    assert "Access-Control-Allow-Origin" not in headers
    assert (kernels(server), sorted(p.name for p in lab.work.iterdir())) == before


@pytest.mark.parametrize("headers", [{}, {"X_XSRFToken": "guessed"}])
def test_writing_without_the_xsrf_token_is_403(browser: Visitor, headers: dict[str, str]) -> None:
    """A form of another page sends no Origin in some browsers."""
    assert browser.ask("POST", "/api/kernels", "{}", **headers)[0] == 403


def test_name_that_leads_here_is_403(browser: Visitor, server: Server) -> None:
    """DNS rebinding: a page of evil.example whose name now means 127.0.0.1."""
    for path in ("/lab", "/api/contents", f"/api/contents?token={server.token}"):
        assert browser.ask("GET", path, Host="evil.example:8888", Origin=EVIL)[0] == 403


def open_socket(server: Server, path: str, *, cookie: str, origin: str) -> websocket.WebSocket:
    return websocket.create_connection(
        server.base.replace("http", "ws") + path, cookie=cookie, origin=origin, timeout=60
    )


def test_page_of_another_origin_opens_no_socket(browser: Visitor, server: Server) -> None:
    terminal = server.request("POST", "/api/terminals")["name"]
    with server.start_kernel() as kernel:
        sockets = [f"/api/kernels/{kernel.id}/channels", f"/terminals/websocket/{terminal}"]
        for path in [*sockets, "/api/events/subscribe"]:
            own = f"http://{browser.netloc}"
            open_socket(server, path, cookie=browser.cookie, origin=own).close()
            for cookie, origin in ((browser.cookie, EVIL), ("", EVIL), ("", own)):
                with pytest.raises(websocket.WebSocketBadStatusException) as refused:
                    open_socket(server, path, cookie=cookie, origin=origin)
                assert refused.value.status_code == 403
    server.request("DELETE", f"/api/terminals/{terminal}")


def test_who_once_had_the_token_cannot_leave_a_password(server: Server) -> None:
    """It would hold for later starts too, whose token is another."""

    def log_in(**form: str) -> int:
        with closing(Visitor(server)) as visitor:
            visitor.ask("GET", "/login")
            form["_xsrf"] = visitor.cookies["_xsrf"]
            return visitor.ask("POST", "/login", urllib.parse.urlencode(form), **FORM)[0]

    assert log_in(password=server.token) == 302
    log_in(password=server.token, new_password="mine")
    assert log_in(password="mine") == 401


def test_wrong_token_a_thousand_times_gets_nothing(server: Server, lab: Lab) -> None:
    """Also tokens that are nearly right; not even a cookie is given, and the right one still is."""
    right = server.token
    last = "a" if right[-1] != "a" else "b"
    wrong = ["", right[:-1], right[:-1] + last, right + "a", right.swapcase(), f" {right}x"]
    netloc = server.base.removeprefix("http://")
    with closing(http.client.HTTPConnection(netloc, timeout=60)) as connection:
        for number in range(1000):
            token = wrong[number] if number < len(wrong) else f"{number:043d}"
            if number % 2:
                connection.request("GET", f"/api/contents?token={token.replace(' ', '+')}")
            else:
                connection.request(
                    "GET", "/api/contents", headers={"Authorization": f"token {token}"}
                )
            answer = connection.getresponse()
            assert (answer.status, answer.headers.get("Set-Cookie")) == (403, None)
            assert set(json.loads(answer.read())) <= {"message", "reason"}
    assert server.status_of("GET", "/api/contents") == 200
    shown = lab.command("logs").out
    assert shown.count("403 GET /api/contents") >= 1000
    assert right not in shown
    assert f"{999:043d}" not in shown  # nor what was tried: it may be a token mistyped
