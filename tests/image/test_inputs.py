"""The hash of all that an image is made of."""

import fnmatch
import os
import shutil
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from lab.image.inputs import hash_file, hash_inputs, input_files

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "docker/Dockerfile": "FROM scratch\n",
    "docker/Dockerfile.dockerignore": "*\n",
    "docker/make.sh": "true\n",
    "docker/locks/cpu.in": "numpy\n",
    "docker/locks/cpu.txt": "numpy==1\n",
    "docker/locks/torch-cpu.sha256": "a\n",
    "docker/compose.cdi.yaml": "services: {}\n",
    "lab/__init__.py": "",
    "lab/deep/er/module.py": "x = 1\n",
    "lab/server/settings/overrides.json": "{}\n",
    "lab/.hidden": "h\n",
    "lab/__pycache__/errors.cpython-311.pyc": "bytes",
    "lab/deep/__pycache__/note.txt": "n",
    "lab/stray.pyc": "bytes",
    "pyproject.toml": "[project]\n",
    "tasks.py": "import lab\n",
    "README.md": "# lab\n",
    "tests/test_x.py": "",
    "docker/other/make.sh": "",
}
MADE_OF = [
    "docker/Dockerfile",
    "docker/Dockerfile.dockerignore",
    "docker/locks/cpu.txt",
    "docker/make.sh",
    "lab/.hidden",
    "lab/__init__.py",
    "lab/deep/er/module.py",
    "lab/server/settings/overrides.json",
    "pyproject.toml",
    "tasks.py",
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "el árbol"
    for name, content in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_input_files_are_what_the_image_is_made_of(tree: Path) -> None:
    assert [p.relative_to(tree).as_posix() for p in input_files(tree)] == MADE_OF


@pytest.mark.parametrize("name", MADE_OF)
def test_hash_changes_with_one_byte(tree: Path, name: str) -> None:
    before = hash_inputs(tree)
    with (tree / name).open("a") as file:
        file.write("x")
    assert hash_inputs(tree) != before
    (tree / name).write_text(FILES[name])
    assert hash_inputs(tree) == before


@pytest.mark.parametrize("name", [n for n in MADE_OF if n.startswith("lab/")])
def test_hash_changes_with_a_name(tree: Path, name: str) -> None:
    before = hash_inputs(tree)
    (tree / name).rename((tree / name).with_name("renamed.py"))
    assert hash_inputs(tree) != before


@pytest.mark.parametrize(
    "name", ["lab/new.py", "lab/new/data", "docker/new.sh", "docker/locks/n.txt"]
)
def test_hash_changes_with_a_file_more(tree: Path, name: str) -> None:
    before = hash_inputs(tree)
    (tree / name).parent.mkdir(exist_ok=True)
    (tree / name).touch()
    assert hash_inputs(tree) != before


def test_hash_changes_with_a_file_less(tree: Path) -> None:
    before = hash_inputs(tree)
    (tree / "lab" / "__init__.py").unlink()  # it is empty: its name alone counts
    assert hash_inputs(tree) != before


def test_hash_tells_content_from_name(tree: Path) -> None:
    """Two files whose names and contents, one after the other, read the same."""
    (tree / "lab" / "a").write_text("bc")
    one = hash_inputs(tree)
    (tree / "lab" / "a").rename(tree / "lab" / "ab")
    (tree / "lab" / "ab").write_text("c")
    assert hash_inputs(tree) != one


def test_hash_keeps_to_what_matters(tree: Path, tmp_path: Path) -> None:
    """Times, bytecode, files outside and the place of the clone change nothing."""
    before = hash_inputs(tree)
    for path in input_files(tree):
        os.utime(path, (1, 1))
    for name in FILES.keys() - set(MADE_OF):
        (tree / name).write_text("other")
    (tree / "lab" / "__pycache__" / "new.pyc").touch()
    (tree / "work").mkdir()
    (tree / "work" / "notebook.ipynb").touch()
    (tree / "docker" / "locks" / "new.in").touch()
    assert hash_inputs(tree) == before
    copied = tmp_path / "elsewhere"
    shutil.copytree(tree, copied)
    for path in (copied, *copied.rglob("*")):  # as with another umask
        path.chmod(0o700)
    assert hash_inputs(copied) == before


def test_hash_does_not_depend_on_the_order_of_making(tree: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for name in reversed(FILES):
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_text(FILES[name])
    assert hash_inputs(other) == hash_inputs(tree)


def test_hash_file_is_sha256_of_the_content(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert hash_file(path) == expected


def let_in(name: str, rules: list[str]) -> bool:
    """Whether a .dockerignore lets a file in: the last rule for it, or a folder above, decides."""
    path = PurePosixPath(name)
    above = [path, *path.parents[:-1]]
    let = True
    for rule in rules:
        pattern = rule.removeprefix("!")
        if any(_meets(part, pattern) for part in above):
            let = rule.startswith("!")
    return let


def _meets(path: PurePosixPath, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatchcase(path.name, pattern[3:])
    parts = pattern.split("/")
    return len(parts) == len(path.parts) and all(map(fnmatch.fnmatchcase, path.parts, parts))


def rules() -> list[str]:
    text = (ROOT / "docker" / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_dockerignore_uses_only_the_patterns_that_this_test_understands() -> None:
    for rule in rules():
        assert "**" not in rule.removeprefix("!").removeprefix("**/"), rule


# These go to the builder by another way.
APART = {"docker/Dockerfile", "docker/Dockerfile.dockerignore"}


def test_builder_sees_the_files_that_are_hashed(tree: Path) -> None:
    """Of the small tree."""
    seen = [name for name in sorted(FILES) if let_in(name, rules())]
    assert seen == [name for name in MADE_OF if name not in APART]


def test_builder_sees_the_committed_files_that_are_hashed() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not a git checkout")
    present = {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}
    hashed = {path.relative_to(ROOT).as_posix() for path in input_files(ROOT)} & present
    seen = {name for name in present if let_in(name, rules())}
    assert len(seen) > 50
    assert seen == hashed - APART


def test_every_script_that_the_dockerfile_calls_is_hashed() -> None:
    text = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    called = {word.rsplit("/", 1)[1] for word in text.split() if word.startswith("/dev/docker/")}
    assert called
    assert called <= {path.name for path in input_files(ROOT)}
