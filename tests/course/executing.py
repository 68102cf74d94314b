"""Runs notebooks as JupyterLab would; as a program, all of the course, in both languages.

It imports nothing of the tests: the image runs it too.
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from lab.course.source import build, sources
from lab.language import LANGUAGES


def execute(notebook: Any, folder: Path) -> Any:
    """Run it from the first cell to the last, in a kernel that has the lab's extension."""
    startup = folder / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True, exist_ok=True)
    (startup / "00-lab.py").write_text('get_ipython().run_line_magic("load_ext", "lab.notebook")\n')
    environment = {
        **os.environ, "IPYTHONDIR": str(folder / "ipython"), "LAB_LANGUAGE": "es",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }  # fmt: skip
    client = NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": str(folder)}},
        coalesce_streams=True,  # on a busy machine one cell's words come in several pieces
    )  # fmt: skip
    client.execute(env=environment)
    nbformat.validate(notebook)
    return notebook


def complaints(notebook: Any) -> list[str]:
    """What its cells said on standard error, and the errors that they ended with."""
    return [
        output.get("text", "") or output.get("evalue", "")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "error" or output.get("name") == "stderr"
    ]


def _run(key: str, language: str, folder: Path) -> tuple[str, list[str]]:
    source = next(s for s in sources() if s.key == key)
    place = folder / f"{key}-{language}"
    place.mkdir()
    notebook = execute(build(source, "es" if language == "es" else "en"), place)
    return f"{key}-{language}", complaints(notebook)


if __name__ == "__main__":
    here = Path(sys.argv[1])
    work = [(source.key, language, here) for source in sources() for language in LANGUAGES]
    with ThreadPoolExecutor(2) as pool:
        print(json.dumps(dict(pool.map(lambda one: _run(*one), work))))
