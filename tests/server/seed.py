"""The notebook that the lab grew from, run cell by cell as far as a CPU can."""

import json
import os
from pathlib import Path

from tests.jupyter import Outcome, Server

NOTEBOOK = Path(__file__).resolve().parent.parent / "data" / "introduccion-a-pytorch.ipynb"
# 100 products of 614 GFLOP take minutes on two cores; two print the same line. LAB_SEED_WHOLE=1
# runs all of them.
_SHORTER = (("test_speed('cpu',100)", "test_speed('cpu',2)"),)


def run_seed(server: Server) -> list[tuple[str, Outcome]]:
    """Put the notebook into the student's folder, run its code cells in order in one kernel.

    Args:
        server: a running lab without a GPU.

    Returns:
        Source and outcome of each code cell.
    """
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    body = {"type": "notebook", "format": "json", "content": content}
    server.request("PUT", "/api/contents/introducción a PyTorch.ipynb", body)
    opened = server.request("GET", "/api/contents/introducción a PyTorch.ipynb")
    sources = [c["source"] for c in opened["content"]["cells"] if c["cell_type"] == "code"]
    if not os.environ.get("LAB_SEED_WHOLE"):
        sources = [_shorter(source) for source in sources]
    with server.start_kernel() as kernel:
        return [(source, kernel.run(source)) for source in sources]


def _shorter(source: str) -> str:
    if "def test_speed" in source:
        for whole, part in _SHORTER:
            assert whole in source, f"the notebook no longer says {whole}"
            source = source.replace(whole, part)
    return source


def check_seed(cells: list[tuple[str, Outcome]]) -> None:
    """Every cell does on a CPU what the notebook shows, up to the line that asks for CUDA."""
    (_, imported), (_, tensors), (_, empty), (speed, timed), (_, gradients) = cells
    assert not imported.error
    assert not tensors.error
    assert tensors.text.startswith("tensor([1, 2, 3])\ntensor([[0., 0., 0.],\n")
    assert not empty.error
    lines = timed.text.splitlines()
    assert [line.split(".")[0] for line in lines] == ["Dispositivo: cpu"] * speed.count("('cpu'")
    assert all("Cantidad de repeticiones" in line and line.endswith("ms") for line in lines)
    assert timed.error == "AssertionError"
    assert "not compiled with CUDA" in timed.message
    assert not gradients.error
    assert gradients.text.startswith("None\nNone\ntensor([[")
