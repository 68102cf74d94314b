"""The merge of an update beside merges by line: what is lost of the student's and the teacher's.

Random notebooks with 1 to 8 random edits of each side (update_edits.py). Beside ours: git's merge
of the two files by line, left with its conflict marks, and with `--ours` and `--union`, which leave
none. A loss is silent where nothing is said of it and the file opens. Needs git. Run it in the
lab's environment: `python benchmarks/update.py`; a minute. Ends with 1 where ours loses anything.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

import nbformat
from update_edits import Case, lost, random_case

from lab.course import merge

CASES = 1000


class Result(NamedTuple):
    """What a merge made: the notebook, None where it does not open; and all that it said."""

    notebook: Any
    reported: set[str]


def ours(case: Case) -> Result:
    """By cell, with reports."""
    merged = merge(*case)
    nbformat.validate(merged.notebook)
    words = {word for report in merged.reports for word in report.text.replace("»", " ").split()}
    return Result(merged.notebook, words | {r.cell for r in merged.reports if r.cell})


def by_line(*options: str) -> Callable[[Case], Result]:
    """Git's, with options of `git merge-file`."""

    def run(case: Case) -> Result:
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / name for name in ("student", "base", "teacher")]
            for file, notebook in zip(files, (case.student, case.base, case.teacher), strict=True):
                file.write_text(nbformat.writes(notebook), encoding="utf-8")
            command = ["git", "merge-file", "--stdout", "--quiet", *options, *map(str, files)]
            text = subprocess.run(command, capture_output=True, check=False).stdout.decode()
        try:
            notebook = nbformat.reads(text, as_version=4)
            nbformat.validate(notebook)
        except Exception:  # broken JSON, or no valid notebook: it does not open, and that shows
            return Result(None, set())
        return Result(notebook, set())

    return run


WAYS: dict[str, Callable[[Case], Result]] = {
    "ours, by cell": ours,
    "git merge-file": by_line(),
    "git merge-file --ours": by_line("--ours"),
    "git merge-file --union": by_line("--union"),
}


def main() -> int:
    """Merge all cases in each way and print a table."""
    print(f"{CASES} pairs; in how many of them\n")
    head = ("", "does not open", "student's cell", "student's output", "teacher's change",
            "any of these", "time")  # fmt: skip
    print("{:<24}{:>15}{:>16}{:>18}{:>18}{:>14}{:>8}".format(*head))
    fault = False
    for name, way in WAYS.items():
        broken, losses, began = 0, [0, 0, 0, 0], time.perf_counter()
        for seed in range(CASES):
            case = random_case(seed)
            result = way(case)
            if result.notebook is None:
                broken += 1
                continue
            verdict = lost(case, result.notebook, result.reported)
            found = [*map(bool, verdict), any(verdict)]
            losses = [n + what for n, what in zip(losses, found, strict=True)]
        took = time.perf_counter() - began
        shown = "{:>16}{:>18}{:>18}{:>14}".format(*losses)
        print(f"{name:<24}{broken:>15}{shown}{took:>6.1f} s")
        fault |= name.startswith("ours") and bool(broken or any(losses))
    print("\nis lost, with nothing said of it.")
    return int(fault)


if __name__ == "__main__":
    sys.exit(main())
