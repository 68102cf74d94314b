"""A visit to a running lab: `python -m tests.conformance.visit URL` prints what it saw as JSON.

A process of its own, so that it can be put into the network of a container that has no other.
"""

import json
import sys
from pathlib import Path

from lab.server import address
from tests.conftest import wait_for
from tests.jupyter import Server

_PLOT = """
import torch
from matplotlib import pyplot
pyplot.plot(torch.arange(10.0) ** 2)
print(int(torch.arange(10).sum()))
pyplot.show()
"""


def visit(url: str) -> dict[str, object]:
    """Ask the page with its token and without, and a kernel for what it finds."""
    server = Server(url)
    wait_for(lambda: address.answers(int(server.base.rpartition(":")[2]), server.token), "the page")
    asked = {"token": server.status_of("GET", "/api/contents")}
    asked |= {key: server.status_of("GET", "/api/contents", token=key) for key in ("", "wrong")}
    server.save("from the page.txt", "saved")
    with server.start_kernel() as kernel:
        plot = kernel.run(_PLOT)
        looked = kernel.run((Path(__file__).with_name("inside.py")).read_text())
        kernel.run("from pathlib import Path\nPath('from a kernel.txt').write_text('saved')")
    return {
        "asked": asked, "sum": plot.text.strip(), "error": plot.error + looked.message,
        "plots": sum("image/png" in data for data in plot.data),
        "inside": json.loads(looked.text or "{}"),
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(visit(sys.argv[1])))
