"""`lab.course.merge`: a teacher's new version comes into a student's notebook, cell by cell.

Nothing of the student's is lost, and no change of the teacher's is left out in silence.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from lab.course.cells import Cell, Notebook, content, fingerprint, free_id, headline, normal, shown
from lab.course.matching import match
from lab.course.ordering import merge_order
from lab.course.source import KEY
from lab.course.texts import phrase
from lab.language import Language
from lab.records.course import ChangeReport

_MISSING = object()


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What a merge gives.

    Args:
        notebook: nbformat.NotebookNode, valid, in nbformat 4.5.
        reports: one for each change of the teacher's that was not applied, or is there twice.
        stale: ids of cells that the teacher changed and whose outputs are still those of before.
    """

    notebook: Notebook
    reports: tuple[ChangeReport, ...]
    stale: tuple[str, ...] = ()


def merge(base: Notebook, student: Notebook, teacher: Notebook) -> Merged:
    """Bring what changed from base to teacher into the student's notebook.

    A cell that only one of both changed is as that one made it; where both did, the student's
    stays, the teacher's follows it under a note, and a report says so. The student's cells,
    outputs and order stay. A cell that the teacher took out stays where the student worked in it.

    Args:
        base: what the student was given, nbformat.NotebookNode.
        student: what the student made of it.
        teacher: the new version.

    Returns:
        The merged notebook, and what was not applied. The arguments stay as they are.
    """
    return _Merge(*(normal(notebook) for notebook in (base, student, teacher))).done()


@dataclass
class _Trio:
    """One cell in the three notebooks, as far as it is there."""

    base: Cell | None = None
    student: Cell | None = None
    teacher: Cell | None = None
    # What it becomes: nothing, one cell, or the student's, a note and the teacher's.
    result: list[Cell] = field(default_factory=list)


class _Merge:
    def __init__(self, base: Notebook, student: Notebook, teacher: Notebook) -> None:
        self.base, self.student, self.teacher = base, student, teacher
        told = {**student.metadata.get(KEY, {}), **teacher.metadata.get(KEY, {})}
        self.language: Language = "en" if told.get("language") == "en" else "es"
        self.reports: list[ChangeReport] = []
        self.stale: list[str] = []
        self.taken = {cell["id"] for side in (base, student, teacher) for cell in side.cells}

    def done(self) -> Merged:
        import nbformat

        trios = self._trios()
        self._drop_superseded(trios)
        for trio in trios:
            trio.result = self._resolve(trio)
        notebook = nbformat.from_dict(dict(deepcopy(self.student)))
        notebook["nbformat_minor"] = max(n.nbformat_minor for n in (self.student, self.teacher))
        notebook["metadata"] = self._metadata(self.base, self.student, self.teacher, None)
        if KEY in self.teacher.metadata:
            notebook["metadata"][KEY] = deepcopy(self.teacher.metadata[KEY])
        notebook["cells"] = [cell for trio in self._ordered(trios) for cell in trio.result]
        _make_ids_unique(notebook)
        nbformat.validate(notebook)
        return Merged(
            notebook=notebook, reports=tuple(self.reports), stale=tuple(self.stale)
        )  # fmt: skip

    def _trios(self) -> list[_Trio]:
        """Every cell once, with its forms in the three notebooks."""
        trios = [_Trio(base=cell) for cell in self.base.cells]
        new: list[_Trio] = []
        for side in ("student", "teacher"):
            cells = getattr(self, side).cells
            known = match(self.base.cells, cells)
            fresh = [place for place in range(len(cells)) if place not in known]
            for place, before in known.items():
                setattr(trios[before], side, cells[place])
            for place in fresh:
                twin = self._twin(cells[place], new) if side == "teacher" else None
                if twin is None:
                    new.append(_Trio(**{side: cells[place]}))
                else:
                    twin.teacher = cells[place]
        return trios + new

    def _twin(self, cell: Cell, new: list[_Trio]) -> _Trio | None:
        """The student's own cell that says what a new one of the teacher's says, if there is one:
        it came from a copy of the new version or by hand; or the version before is not known."""
        for trio in new:
            own = trio.student
            if trio.teacher is not None or own is None:
                continue
            if own["id"] == cell["id"] or content(own) == content(cell):
                return trio
        return None

    def _drop_superseded(self, trios: list[_Trio]) -> None:
        """Take out notes and copies of an earlier update whose cell now comes anew, where the
        student left them as they were."""
        coming = {
            trio.teacher["id"]
            for trio in trios
            if trio.base is not None and trio.teacher is not None
            and content(trio.base) != content(trio.teacher)
        }  # fmt: skip
        for trio in trios:
            cell = trio.student
            if cell is None or trio.base is not None:  # a copy that the student took up stays
                continue
            mark = cell["metadata"].get(KEY)
            if not isinstance(mark, dict) or str(mark.get("of")) not in coming:
                continue
            if mark.get("said") == fingerprint(cell) and not cell.get("outputs"):
                trio.student = None

    def _resolve(self, trio: _Trio) -> list[Cell]:
        base, student, teacher = trio.base, trio.student, trio.teacher
        if student is None and teacher is None:
            return []
        if student is None:
            return self._without_student(base, teacher)
        if teacher is None:
            return self._without_teacher(base, student)
        if base is not None:
            return self._of_three(base, student, teacher)
        if content(student) != content(teacher):
            return self._both(student, teacher)
        nothing = deepcopy(student)
        nothing["metadata"], nothing["outputs"], nothing["execution_count"] = {}, [], None
        return [self._merged_cell(nothing, student, teacher, said=student)]

    def _without_student(self, base: Cell | None, teacher: Cell) -> list[Cell]:
        if base is None:
            return [teacher]
        if content(base) == content(teacher):
            if (shown(base), base["metadata"]) != (shown(teacher), teacher["metadata"]):
                self._report("gone", teacher)
            return []  # the student took it out, and it says what it said
        self._report("deleted", teacher)
        return [self._note("deleted", teacher), self._marked(teacher, teacher["id"])]

    def _without_teacher(self, base: Cell | None, student: Cell) -> list[Cell]:
        if base is None:
            return [student]
        untouched = content(base) == content(student) and shown(base) == shown(student)
        if untouched and base["metadata"] == student["metadata"]:
            return []
        self._report("removed", student)
        return [student]

    def _of_three(self, base: Cell, student: Cell, teacher: Cell) -> list[Cell]:
        if content(student) == content(teacher) or content(teacher) == content(base):
            return [self._merged_cell(base, student, teacher, said=student)]
        ran = student.get("outputs") and shown(student) != shown(base)
        loses_outputs = ran and teacher["cell_type"] != "code"
        if content(student) == content(base) and not loses_outputs:
            return [self._merged_cell(base, student, teacher, said=teacher)]
        return self._both(student, teacher)

    def _both(self, student: Cell, teacher: Cell) -> list[Cell]:
        """The student's, a note, and the teacher's."""
        self._report("both", student)
        copy = self._marked(teacher, teacher["id"])
        copy["id"] = self._new_id(teacher["id"])
        return [student, self._note("both", teacher), copy]

    def _merged_cell(self, base: Cell, student: Cell, teacher: Cell, *, said: Cell) -> Cell:
        """One cell of three: who wrote it is settled; outputs and metadata are not yet."""
        cell = deepcopy(student)
        cell["id"] = teacher["id"]
        for key in ("cell_type", "source"):
            cell[key] = said[key]
        cell.pop("attachments", None)
        if said.get("attachments"):
            cell["attachments"] = deepcopy(said["attachments"])
        cell["metadata"] = self._metadata(base, student, teacher, teacher)
        if cell["cell_type"] != "code":
            cell.pop("outputs", None)
            cell.pop("execution_count", None)
            if teacher["cell_type"] == "code" and shown(teacher) != shown(base):
                self._report("outputs", teacher)
            return cell
        outputs, count = self._shown(base, student, teacher)
        cell["outputs"], cell["execution_count"] = deepcopy(outputs), count
        if outputs and said is teacher and content(student) != content(teacher):
            self.stale.append(cell["id"])
        return cell

    def _shown(self, base: Cell, student: Cell, teacher: Cell) -> tuple[Any, ...]:
        if shown(teacher) in (shown(base), shown(student)) or teacher["cell_type"] != "code":
            return shown(student) if student["cell_type"] == "code" else ([], None)
        if shown(student) == shown(base) or student["cell_type"] != "code":
            return shown(teacher)
        self._report("outputs", teacher)
        return shown(student)

    def _metadata(self, base: Any, student: Any, teacher: Any, cell: Cell | None) -> Any:
        """Key by key: the student's where the student changed it, else the teacher's."""
        was, theirs, new = (side["metadata"] for side in (base, student, teacher))
        merged = deepcopy(theirs)
        for key in sorted(set(was) | set(new)):
            before, now = was.get(key, _MISSING), new.get(key, _MISSING)
            here = theirs.get(key, _MISSING)
            if now in (before, here) or (cell is None and key == KEY):
                continue
            if here != before:
                self._report("metadata", cell, name=key)
            elif now is _MISSING:
                merged.pop(key, None)
            else:
                merged[key] = deepcopy(now)
        return merged

    def _ordered(self, trios: list[_Trio]) -> list[_Trio]:
        """The trios that have a result, in one order."""
        staying = [trio for trio in trios if trio.result]
        by_number = dict(enumerate(staying))
        sides = []
        for side in ("base", "student", "teacher"):
            place = {id(cell): n for n, cell in enumerate(getattr(self, side).cells)}
            there = [(place[id(getattr(t, side))], n) for n, t in by_number.items()
                     if getattr(t, side) is not None]  # fmt: skip
            sides.append([number for _, number in sorted(there)])
        order, moved = merge_order(*sides)
        for number in moved:
            self._report("moved", by_number[number].result[0])
        return [by_number[number] for number in order]

    def _new_id(self, wish: str) -> str:
        found = free_id(f"{wish[:50]}-new", self.taken)
        self.taken.add(found)
        return found

    def _marked(self, cell: Cell, of: str) -> Cell:
        """A copy that the next update may take out again, where it is still as it is now."""
        copy = deepcopy(cell)
        copy["metadata"][KEY] = {"of": of, "said": fingerprint(copy)}
        return copy

    def _note(self, kind: str, teacher: Cell) -> Cell:
        """The cell that tells the student, before the teacher's."""
        from nbformat import v4

        note = v4.new_markdown_cell(source=phrase(f"note_{kind}", self.language))
        note["id"] = self._new_id(f"note-{teacher['id']}")
        return self._marked(note, teacher["id"])

    def _report(self, kind: Any, cell: Cell | None, *, name: str = "") -> None:
        named = "" if cell is None else headline(cell)
        text = phrase(f"report_{kind}", self.language, cell=named, name=name)
        self.reports.append(
            ChangeReport(kind=kind, cell=None if cell is None else cell["id"], text=text)
        )


def _make_ids_unique(notebook: Notebook) -> None:
    taken: set[str] = set()
    for cell in notebook["cells"]:
        cell["id"] = free_id(cell["id"], taken)
        taken.add(cell["id"])
