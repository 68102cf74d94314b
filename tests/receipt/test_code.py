"""The lab's own files, and what git says of them."""

import subprocess
from pathlib import Path

import pytest

from lab.receipt.code import edited_files, hash_code


def git(root: Path, *words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", str(root), *who, *words], check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    root = tmp_path / "a clone"
    for name in ("lab/a.py", "lab/b ñ.py", "docker/receipt.json", "tasks.py", "inv", "README.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{name}\n")
    git(tmp_path, "init", "--quiet", str(root))
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "x")
    return root


def test_files_as_committed(clone: Path) -> None:
    (clone / "README.md").write_text("no part of what runs\n")
    (clone / "inv").chmod(0o755)
    assert edited_files(clone) == ([], "")


def test_each_change_is_named(clone: Path) -> None:
    (clone / "lab" / "b ñ.py").write_text("changed\n")
    (clone / "lab" / "new.py").write_text("")
    (clone / "docker" / "receipt.json").unlink()
    (clone / "tasks.py").write_text("staged\n")
    git(clone, "add", "tasks.py")
    found, unknown = edited_files(clone)
    assert sorted(found) == [
        "docker/receipt.json (deleted)", "lab/b ñ.py (edited)", "lab/new.py (added)",
        "tasks.py (edited)",
    ]  # fmt: skip
    assert unknown == ""


def test_without_git_it_cannot_be_told(
    clone: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert edited_files(clone) == ([], "git is not installed")


def test_folder_that_is_no_clone_cannot_be_told(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (_, why) = edited_files(tmp_path / "copy")
    assert why
    assert str(tmp_path / "copy") not in why
    (clone / "lab" / "inner").mkdir()
    assert "another repository" in edited_files(clone / "lab" / "inner")[1]


def test_every_file_that_runs_has_its_hash(clone: Path) -> None:
    before = hash_code(clone)
    assert before.keys() >= {"lab/a.py", "lab/b ñ.py", "tasks.py", "inv"}
    (clone / "inv").write_text("x")
    assert {n for n, value in hash_code(clone).items() if value != before[n]} == {"inv"}
