"""What an image is made of, as one hash: two checkouts with the same hash give the same image."""

import hashlib
from pathlib import Path

# The same files as docker/Dockerfile.dockerignore lets into a build, it, and the Dockerfile itself.
_PATTERNS = (
    "docker/Dockerfile",
    "docker/Dockerfile.dockerignore",
    "docker/*.sh",
    "docker/locks/*.txt",
    "lab/**/*",
    "pyproject.toml",
    "tasks.py",
)


def input_files(root: Path) -> list[Path]:
    """List the files that an image is built from, sorted by their path under root."""
    found = {path for pattern in _PATTERNS for path in root.glob(pattern) if path.is_file()}
    return sorted(p for p in found if "__pycache__" not in p.parts and p.suffix != ".pyc")


def hash_inputs(root: Path) -> str:
    """SHA-256, in hexadecimal, over path and content of every input file."""
    digest = hashlib.sha256()
    for path in input_files(root):
        name = path.relative_to(root).as_posix().encode()
        content = path.read_bytes()
        digest.update(b"%d %s %d " % (len(name), name, len(content)))
        digest.update(content)
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 of one file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
