"""A class's receipts beside one another."""

from pathlib import Path

import msgspec
import pytest

from lab.errors import LabError
from lab.receipt.groups import group_class
from lab.records.receipt import Receipt
from lab.render.verify import class_text
from tests.receipt.samples import COMMITTED, seen


def put(folder: Path, **receipts: Receipt) -> Path:
    folder.mkdir(exist_ok=True)
    for name, receipt in receipts.items():
        (folder / f"{name}.json").write_bytes(msgspec.json.encode(receipt))
    return folder


def test_students_with_the_same_differences_are_one_group(tmp_path: Path) -> None:
    slow = seen(settings={"OMP_NUM_THREADS": "1"})
    folder = put(
        tmp_path / "class", ana=seen(), luis=slow, eva=seen(), marta=slow, iván=seen(),
        raúl=seen(python="3.12.0"),
    )  # fmt: skip
    (folder / "notes.txt").write_text("x")
    (folder / ".hidden.json").write_text("x")
    report = group_class(COMMITTED, folder)
    assert [group.members for group in report.groups] == [
        ["ana", "eva", "iván"], ["luis", "marta"], ["raúl"],
    ]  # fmt: skip
    assert [[f.name for f in g.differences] for g in report.groups] == [[], ["threads"], ["python"]]
    assert report.unreadable == {}
    text = class_text(report, width=100)
    assert "3 as the receipt: ana, eva, iván" in text
    assert "OMP_NUM_THREADS is '1'" in text


def test_same_setting_on_other_processors_is_one_group(tmp_path: Path) -> None:
    setting = {"OMP_NUM_THREADS": "1"}
    receipts = {
        f"s{count}": seen(settings=setting, processors=count, threads=1) for count in (2, 8, 16)
    }
    report = group_class(COMMITTED, put(tmp_path / "class", **receipts))
    assert [group.members for group in report.groups] == [["s16", "s2", "s8"]]


def test_file_that_is_no_students_is_passed_over_by_name(tmp_path: Path) -> None:
    folder = put(tmp_path / "class", ana=seen(), teacher=COMMITTED)
    (folder / "broken.json").write_text("{")
    report = group_class(COMMITTED, folder)
    assert report.groups[0].members == ["ana"]
    assert report.unreadable.keys() == {"teacher.json", "broken.json"}
    assert "broken.json was passed over" in class_text(report)


def test_folder_without_a_receipt_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("none", "empty"):
        with pytest.raises(LabError):
            group_class(COMMITTED, tmp_path / name)
    with pytest.raises(LabError) as caught:
        group_class(COMMITTED, put(tmp_path / "class", teacher=COMMITTED))
    assert "without a machine" in caught.value.why
