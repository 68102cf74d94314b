"""The lab's own files: what they are here, and whether git says that they were edited."""

from pathlib import Path

from lab.image.inputs import hash_file, input_files
from lab.process import Finished, run

# Beside what images are made of: what starts them.
_BESIDE = (
    "inv", "compose.yaml", "docker/compose.cdi.yaml", "docker/compose.nvidia.yaml",
)  # fmt: skip
_WATCHED = ("lab", "docker", "inv", "tasks.py", "compose.yaml", "pyproject.toml")


def hash_code(root: Path) -> dict[str, str]:
    """SHA-256 of every file that the lab consists of, by its path under root."""
    files = [*input_files(root), *(root / name for name in _BESIDE if (root / name).is_file())]
    return {path.relative_to(root).as_posix(): hash_file(path) for path in files}


def edited_files(root: Path) -> tuple[list[str], str]:
    """The lab's files that are not as they were committed.

    Args:
        root: the clone.

    Returns:
        Their paths, each with git's letters for what became of it, and why git cannot tell; one of
        both is empty.
    """
    top = run(["git", "-C", str(root), "rev-parse", "--show-toplevel"], timeout_s=30)
    if not top.ok:
        return [], "git is not installed" if top.code == 127 else _words(top, root)
    if Path(top.stdout.strip()).resolve() != root.resolve():
        return [], "the lab is no clone of its own: it lies in another repository"
    done = run(
        ["git", "-C", str(root), "-c", "core.fileMode=false", "--no-optional-locks", "status",
         "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", *_WATCHED],
        timeout_s=60,
    )  # fmt: skip
    if not done.ok:
        return [], _words(done, root)
    entries = [entry for entry in done.stdout.split("\0") if entry]
    return [f"{entry[3:]} ({_what(entry[:2])})" for entry in entries], ""


def _words(done: Finished, root: Path) -> str:
    """Git's own, without the path, which may name the student: receipts are handed in."""
    if "dubious ownership" in done.stderr:
        return "the clone belongs to another user, and git refuses to read it"
    return done.last_words.replace(str(root), "the clone")


def _what(letters: str) -> str:
    words = {"??": "added", "A": "added", "D": "deleted", "M": "edited"}
    return words.get(letters) or words.get(letters.strip()[:1], "edited")
