"""What the course did to a folder, and how far students are, as text."""

from __future__ import annotations

from lab.records.course import CourseProgress, CourseReport, NotebookChange, StudentProgress
from lab.render.clean import clean

_STATES = {
    "placed": "new",
    "present": "there already, left as it is",
    "updated": "updated",
    "current": "nothing to do",
    "recovered": "was damaged; what could be read was kept and brought up to date",
    "open": "open in the lab, left as it is: save and close it (or ./inv stop), then again",
    "read_only": "may not be written, left as it is",
    "unreadable": "cannot be read, left as it is",
    "failed": "FAILED, left as it is",
    "busy": "saved again and again meanwhile, left as it is: update again",
    "copy": "a copy of your own, left as it is",
    "deleted": "not in this folder any more; ./inv course brings it again",
    "retired": "not in the course any more; it is yours to keep",
    "restored": "as it was before the update",
    "removed": "came with the update; taken away again",
    "kept": "came with the update; stays, since you worked in it",
}


def course_text(report: CourseReport) -> str:
    """A line for each notebook, below it what was not applied, and what to do next."""
    lines = [f"The course in {clean(report.folder)}"]
    for change in report.notebooks:
        lines += _change(change)
    lines += _next(report)
    return "\n".join(lines)


def _change(change: NotebookChange) -> list[str]:
    name = clean(change.file or f"{change.notebook} ({change.language})")
    why = f": {clean(change.reason)}" if change.reason else ""
    lines = [f"  {name}: {_STATES[change.state]}{why}"]
    lines += [f"    ! {clean(report.text)}" for report in change.reports]
    if change.stale:
        lines.append(
            f"    {len(change.stale)} cell(s) are new but show what they gave before: run them"
        )
    return lines


def _next(report: CourseReport) -> list[str]:
    kept = next((change.backup for change in report.notebooks if change.backup), None)
    lines = []
    if any(change.reports for change in report.notebooks):
        lines.append("What is marked ! was not applied as it is; both are there, or yours stayed.")
    if report.action == "update" and kept:
        lines.append(f"The state before is in {clean(kept)}; ./inv course --undo takes this back.")
    elif kept:
        lines.append(f"The state before this is in {clean(kept)}.")
    if report.action == "place":
        lines.append("Next: ./inv lab")
    return lines


def progress_text(progress: CourseProgress) -> str:
    """A student's exercises one by one; of a class a line for each student."""
    if len(progress.students) == 1:
        return _one(progress.students[0])
    if not progress.students:
        return "There is no student's folder here."
    width = max(len(clean(student.student)) for student in progress.students)
    return "\n".join(
        f"{clean(student.student):<{width}}  {student.right:>2} of {student.total}  "
        + "".join(_sign(exercise.state) for exercise in student.exercises)
        for student in progress.students
    )


def _one(student: StudentProgress) -> str:
    lines = [f"{student.right} of {student.total} exercises are right."]
    for exercise in student.exercises:
        tries = "" if not exercise.attempts else f"  {exercise.attempts} attempt(s)"
        made = f": {', '.join(map(clean, exercise.mistakes))}" if exercise.mistakes else ""
        lines.append(f"{_sign(exercise.state)} {exercise.number}{tries}{made}")
    return "\n".join(lines)


def _sign(state: str) -> str:
    return {"right": "✓", "wrong": "✗"}.get(state, "○")
