"""Opens the lab's page, without the token in any argument list."""

import html
import os
import sys
import webbrowser
from collections.abc import Callable

from lab.paths import state
from lab.records.session import Session
from lab.server.start import write_private


def open_page(session: Session, say: Callable[[str], None]) -> None:
    """Open the page in the user's browser; over ssh, where none is, say how to reach it instead."""
    if session.url is None:
        return
    if session.job:
        say("the page is on another machine; run the ssh line above first, then open the address")
        return
    if session.ssh and not os.environ.get("DISPLAY"):
        say(
            "no browser can be opened over ssh; on your own machine run the ssh line above, then"
            " open the address"
        )
        return
    if not has_browser():
        say("no browser was found on this machine; open the address above in one")
        return
    # The address holds the token, and a browser's arguments show in `ps`: it is given a page to
    # go on from.
    page = state() / "server" / "open.html"
    target = html.escape(session.url, quote=True)
    write_private(
        page, f'<meta http-equiv="refresh" content="0; url={target}"><a href="{target}">lab</a>'
    )
    webbrowser.open(page.as_uri())


def has_browser() -> bool:
    """Whether this machine has a screen and a browser."""
    if sys.platform == "linux" and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True
