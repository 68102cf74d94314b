"""Runs JupyterLab for one student; `python -m lab.server.start`, in the image and on the host
alike.

The token is made here, new for each start, and leaves the process only through a file that nobody
else may read: so it is in no argument list, no environment, no image and no log.
"""

import argparse
import contextlib
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lab.course import shelf, updating
from lab.course.formats import lighten
from lab.errors import LabError, naming, of_full_disk
from lab.language import Language
from lab.memory import cgroup_limits
from lab.server import sockets
from lab.server.jupyter import jupyter_settings, settings_in
from lab.server.meter import share_readings
from lab.whole import write_whole


def main(argv: list[str] | None = None) -> int:
    """Start the server and serve until a signal ends it; 2 when the folder cannot be used."""
    options = _parse(argv)
    root = options.root.resolve()
    if problem := unusable(root):
        print(problem, file=sys.stderr)
        return 2
    try:
        language = updating.spoken_in(root, os.environ)
        runtime = sockets.make(options.state)
        try:
            with naming(options.state):
                return _serve_folder(root, language, runtime, options)
        finally:
            (options.state / "session.json").unlink(missing_ok=True)
            shutil.rmtree(runtime, ignore_errors=True)
    except LabError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        full = of_full_disk(error)
        if full is None:
            raise
        print(f"{full.what} {full.next_step}", file=sys.stderr)  # one line of `inv lab`'s error
    return 2


def _serve_folder(
    root: Path, language: Language, runtime: Path, options: argparse.Namespace
) -> int:
    token = secrets.token_urlsafe(32)
    _prepare_environment(runtime, options.state)
    os.environ["LAB_LANGUAGE"] = language  # the kernels' too
    os.environ["LAB_SERVER"] = str(options.state)  # for ./inv course in a terminal of ours
    if options.ends is not None:
        os.environ["LAB_ENDS"] = str(options.ends)  # they warn before it comes
    secret = {
        "token": token, "port": options.port, "pid": os.getpid(), "started": time.time(),
        "work": options.seen_as or str(root), "device": options.device, "runtime": str(runtime),
        "page": first_page(root, language), "image": options.image,
    }  # fmt: skip
    write_private(options.state / "session.json", json.dumps(secret))
    if options.attached:
        end_with_input()
    settings = jupyter_settings(
        root=root, ip=options.ip, port=options.port, token=token, memory_bytes=memory_bytes(),
        shell=os.environ.get("SHELL") or "bash", page=str(secret["page"]),
        settings=settings_in(language, options.state / "settings"),
    )  # fmt: skip
    return _serve(settings)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lab.server.start", description=__doc__)
    parser.add_argument("--ip", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--port", type=int, default=8888, help="port to listen on; no other is tried"
    )
    parser.add_argument("--root", type=Path, required=True, help="the student's folder")
    device = os.environ.get("LAB_IMAGE_DEVICE", "cpu")
    parser.add_argument("--device", default=device, help="what torch is to run on, for the record")
    state = Path(os.environ.get("LAB_STATE", "~/.lab")).expanduser() / "server"
    parser.add_argument("--state", type=Path, default=state, help="folder for the token file")
    parser.add_argument("--image", help="image file that it runs in, for the record")
    parser.add_argument("--seen-as", help="what the machine calls the folder, for the record")
    parser.add_argument("--found-by", help="a mark by which the machine finds its process")
    parser.add_argument("--attached", action="store_true", help="end when standard input does")
    parser.add_argument("--ends", type=int, help="when its time is up, in seconds since the epoch")
    return parser.parse_args(argv)


def end_with_input() -> None:
    """From now on end as by a signal when nobody holds our standard input any more."""

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def unusable(root: Path) -> str:
    """Say why a folder cannot hold a student's work; empty when it can."""
    if not root.is_dir():
        return f"There is no folder {root}: it must be mounted, or made first."
    try:
        with tempfile.TemporaryFile(dir=root):
            return ""
    except OSError as error:
        return (
            f"The folder {root} cannot be written by user {os.getuid()}: {error.strerror}.\n"
            f"  why:  it belongs to user {root.stat().st_uid}\n"
            "  next: start the lab with `./inv lab`, or name the user: LAB_USER=$(id -u):$(id -g)"
        )


def first_page(root: Path, language: Language) -> str:
    """Put the course into a folder that never had it, and say what JupyterLab opens.

    That is the first notebook, until the student has a layout of their own, which comes again.
    """
    lighten()
    try:
        if not updating.has_course(root, language):
            updating.place(root, language, print)
        if any((root / ".lab" / "workspaces").glob("*")):
            return "/lab"
        found = sorted(shelf.find(root), key=lambda f: (f.edition.language != language,
                                                       f.edition.key))  # fmt: skip
    except Exception as error:  # a full disk, an odd file: it keeps nobody from what is there
        print(f"the course could not be put into {root}: {error}", file=sys.stderr)
        return "/lab"
    return f"/lab/tree/{quote(str(found[0].path.relative_to(root)))}" if found else "/lab"


def memory_bytes(root: Path = Path("/")) -> int:
    """What the lab may take: the machine's memory, or less where a control group says so."""
    import psutil

    total = int(psutil.virtual_memory().total)
    return min(total, cgroup_limits(root).memory_bytes or total)


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user may read, all at once: no moment shows half of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    write_whole(path, text.encode(), mode=0o600)


def _prepare_environment(runtime: Path, state: Path) -> None:
    """Keep the user's own Jupyter and IPython settings out of the lab, and the lab's out of
    theirs."""
    folders = {
        "JUPYTER_RUNTIME_DIR": runtime,
        "JUPYTER_CONFIG_DIR": state / "config",
        "JUPYTER_DATA_DIR": state / "data",
        "IPYTHONDIR": state / "ipython",
        "MPLCONFIGDIR": state / "matplotlib",
    }
    os.environ.update({name: str(folder) for name, folder in folders.items()})
    os.environ["PYTHONNOUSERSITE"] = "1"
    _teach_kernels(state / "ipython")


def _teach_kernels(folder: Path) -> None:
    """Have every kernel know %check, and draw graphs; a student's own startup files stay.

    The folders are those that IPython makes for a kernel, which would not start on a disk that has
    become full.
    """
    profile = folder / "profile_default"
    startup = profile / "startup"
    for name in ("startup", "log", "pid", "security", "static"):
        (profile / name).mkdir(parents=True, exist_ok=True)
    (startup / "README").touch()
    (startup / "00-lab.py").write_text('get_ipython().run_line_magic("load_ext", "lab.notebook")\n')


def _serve(settings: dict[str, dict[str, Any]]) -> int:
    lighten()
    from jupyterlab.labapp import LabApp
    from traitlets.config import Config

    share_readings()
    LabApp.initialize_server(argv=[], config=Config(settings)).start()
    return 0


if __name__ == "__main__":
    sys.exit(main())
