"""The course's update in each student's own place, whatever becomes of one of them."""

from pathlib import Path

from lab.errors import LabError
from lab.hub.labs import Lab
from lab.hub.students import student_named
from lab.hub.updating import Place, update
from lab.process import Finished
from lab.records.course import CourseReport, NotebookChange
from lab.records.error import of_error
from lab.records.hub import UpdatedStudent
from lab.records.save import to_json

NEW, OLD = "sha256:new", "sha256:old"
LAB = Lab(id="c1", running=True, image=NEW, intact=True, since_utc="")


def report(*states: str) -> str:
    notebooks = [NotebookChange(notebook=f"n{i}", language="es", state=s)  # type: ignore[arg-type]
                 for i, s in enumerate(states)]  # fmt: skip
    return to_json(CourseReport(action="update", folder="/work", notebooks=notebooks))


def place(tmp_path: Path, login: str, lab: Lab | None = None, course: bool = True) -> Place:
    work = tmp_path / login
    (work / ".lab-course" if course else work).mkdir(parents=True)
    return Place(student=student_named(login, login), work=work, lab=lab)


def told(places: list[Place], out: str, code: int = 0, err: str = "") -> list[UpdatedStudent]:
    def go(argv: list[str]) -> Finished:
        return Finished(argv=tuple(argv), code=code, stdout=out, stderr=err)

    return update(places, NEW, rootless=False, language="es", say=lambda line: None, go=go)


def test_running_lab_is_asked_and_others_get_a_container_of_their_own(tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def go(argv: list[str]) -> Finished:
        asked.append(argv)
        return Finished(argv=tuple(argv), code=0, stdout=report("updated"), stderr="")

    places = [place(tmp_path, "ana", LAB), place(tmp_path, "luis")]
    update(places, NEW, rootless=False, language="es", say=lambda line: None, go=go)
    ana, luis = sorted(asked, key=lambda argv: argv[1])
    assert ana[:3] == ["docker", "exec", "c1"]
    owner = places[1].work.stat()
    for words in ("--rm", "--network=none", "--read-only", "--cap-drop=ALL", NEW,
                  f"--user={owner.st_uid}:{owner.st_gid}"):  # fmt: skip
        assert words in luis
    assert f"type=bind,source={places[1].work},target=/work" in luis
    assert "cd /opt/lab" in ana[-1]
    assert "cd /opt/lab" in luis[-1]


def test_folder_where_the_course_never_was_is_left_to_the_first_login(tmp_path: Path) -> None:
    (one,) = told([place(tmp_path, "ana", course=False)], report("updated"))
    assert one.state == "not_started"
    assert not list((tmp_path / "ana").iterdir())


def test_what_was_left_is_told_and_what_was_changed(tmp_path: Path) -> None:
    cases = {
        ("updated", "current"): "updated", ("placed",): "updated", ("current", "copy"): "current",
        ("updated", "open"): "left", ("failed",): "left", ("deleted", "retired"): "current",
    }  # fmt: skip
    for number, (states, expected) in enumerate(cases.items()):
        (one,) = told([place(tmp_path, f"ana{number}", LAB)], report(*states))
        assert one.state == expected, states


def test_lab_that_runs_an_older_image_has_an_older_course(tmp_path: Path) -> None:
    old = Lab(id="c1", running=True, image=OLD, intact=True, since_utc="")
    (one,) = told([place(tmp_path, "ana", old)], report("current"))
    assert (one.state, bool(one.why)) == ("old_image", True)


def test_failure_of_one_is_told_with_its_reason(tmp_path: Path) -> None:
    error = LabError("The lab does not say.", why="its page does not answer", next_step="later")
    refused = to_json(of_error(error))
    (one,) = told([place(tmp_path, "ana", LAB)], refused, code=2)
    assert (one.state, one.why) == ("failed", "The lab does not say. its page does not answer")
    (one,) = told([place(tmp_path, "luis", LAB)], "", 1, "Error: pids limit\n")
    assert (one.state, one.why) == ("failed", "Error: pids limit")
    (one,) = told([place(tmp_path, "eva", LAB)], '{"schema": "lab/course/1"}')
    assert one.state == "failed"
