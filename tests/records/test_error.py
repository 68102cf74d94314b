"""An error as a record."""

import json

from lab.errors import CheckFailed, LabError
from lab.records.error import of_error
from lab.records.save import to_json


def test_error_record_says_all_that_the_text_says() -> None:
    error = LabError("No GPU.", why="none shows", next_step="pass --device cpu")
    assert json.loads(to_json(of_error(error))) == {
        "schema": "lab/error/1",
        "what": "No GPU.",
        "why": "none shows",
        "next_step": "pass --device cpu",
        "exit_code": 2,
    }


def test_error_record_of_a_failed_check_has_its_code() -> None:
    error = CheckFailed("Two builds differ.", why="a file", next_step="look")
    assert of_error(error).exit_code == 3
