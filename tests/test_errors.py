"""An error's text and exit code."""

from lab.errors import CheckFailed, LabError


def test_error_says_what_why_and_next() -> None:
    error = LabError("No GPU can be read.", why="NVML is not loaded", next_step="run nvidia-smi")
    assert str(error) == "No GPU can be read.\n  why:  NVML is not loaded\n  next: run nvidia-smi"
    assert error.args == ("No GPU can be read.",)


def test_exit_codes_tell_a_failed_check_apart() -> None:
    about = {"why": "w", "next_step": "n"}
    assert LabError("x", **about).exit_code == 2
    assert CheckFailed("x", **about).exit_code == 3
    assert isinstance(CheckFailed("x", **about), LabError)
