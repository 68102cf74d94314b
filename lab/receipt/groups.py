"""Many students' receipts beside one: who has the same, and how the others differ."""

from pathlib import Path

from lab.errors import LabError
from lab.receipt.compare import verify
from lab.receipt.identity import hash_receipt, read_receipt
from lab.records.receipt import ClassReport, Finding, Group, Receipt


def group_class(reference: Receipt, folder: Path) -> ClassReport:
    """Compare every receipt of a folder; those that differ in the same things are one group.

    Args:
        reference: what all are to be like.
        folder: holds a file for each student, `NAME.json`.

    Returns:
        The groups, the largest first; one without differences before others of its size.

    Raises:
        LabError: the folder holds no receipt.
    """
    found: dict[tuple[tuple[str, str], ...], tuple[list[str], list[Finding]]] = {}
    unreadable = {}
    for path in _files(folder):
        try:
            differences = _differences(reference, path)
        except LabError as error:
            unreadable[path.name] = error.why
            continue
        key = tuple((f.name, _alike(f)) for f in differences)
        found.setdefault(key, ([], differences))[0].append(path.stem)
    if not found:
        raise _nothing(folder, unreadable)
    groups = [Group(members=names, differences=said) for names, said in found.values()]
    groups.sort(key=lambda g: (-len(g.members), len(g.differences), g.members))
    return ClassReport(against=hash_receipt(reference), groups=groups, unreadable=unreadable)


def _alike(finding: Finding) -> str:
    """What of a difference is not of the student's processor."""
    if ": " in finding.name:  # by how much a computation differs
        return ""
    return finding.seen.partition("; ")[2] if finding.name == "threads" else finding.seen


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise LabError(
            f"There is no folder {folder}.", why="--class takes a folder of students' receipts",
            next_step="collect what ./inv verify --output NAME.json wrote into one folder",
        )  # fmt: skip
    return sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))


def _differences(reference: Receipt, path: Path) -> list[Finding]:
    receipt = read_receipt(path)
    if receipt.machine is None or not receipt.environments:
        raise LabError(
            f"{path} was not taken on a machine.", why="it is a receipt without a machine",
            next_step="./inv verify --output NAME.json takes a student's",
        )  # fmt: skip
    return [f for f in verify(reference, receipt).findings if f.status == "differs"]


def _nothing(folder: Path, unreadable: dict[str, str]) -> LabError:
    name, why = next(iter(unreadable.items()), ("", ""))
    return LabError(
        f"The folder {folder} holds no student's receipt.",
        why=f"{name}: {why}" if name else "no file in it ends in .json",
        next_step="collect what ./inv verify --output NAME.json wrote into it",
    )
