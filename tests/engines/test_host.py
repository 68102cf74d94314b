"""The command on the host: the same words, in the locked environment."""

from pathlib import Path

from lab.engines.host import run_arguments, variables
from lab.engines.request import LaunchRequest


def a_request(*command: str, **more: object) -> LaunchRequest:
    return LaunchRequest(command=command, image="", work=Path("/w"), **more)  # type: ignore[arg-type]


def test_run_arguments_take_a_program_of_the_environment(tmp_path: Path) -> None:
    environment = tmp_path / "env with spaces"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").touch()
    line = run_arguments(a_request("python", "-c", "print(1)"), environment)
    assert line == [f"{environment}/bin/python", "-c", "print(1)"]


def test_run_arguments_leave_other_programs_to_the_path(tmp_path: Path) -> None:
    assert run_arguments(a_request("bash", "-c", "a b"), tmp_path) == ["bash", "-c", "a b"]
    assert run_arguments(a_request("/bin/ls"), tmp_path) == ["/bin/ls"]


def test_run_arguments_pass_over_image_user_and_gpu(tmp_path: Path) -> None:
    request = LaunchRequest(
        command=("bash",), image="i", work=Path("/w"), user="1:1", gpu="nvidia", memory_bytes=1
    )
    assert run_arguments(request, tmp_path) == ["bash"]


def test_variables_put_the_environment_first() -> None:
    request = a_request("bash", environment=(("LANG", "es_ES.UTF-8"),))
    assert variables(request, Path("/env"), Path("/clone"), "/usr/bin:/bin") == {
        "PATH": "/env/bin:/usr/bin:/bin",
        "VIRTUAL_ENV": "/env",
        "PYTHONPATH": "/clone",
        "PYTHONNOUSERSITE": "1",
        "LANG": "es_ES.UTF-8",
    }


def test_variables_of_the_request_win() -> None:
    request = a_request("bash", environment=(("PYTHONPATH", "/mine"),))
    assert variables(request, Path("/env"), Path("/clone"), "")["PYTHONPATH"] == "/mine"
