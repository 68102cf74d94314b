import pytest

from lab.doctor.platform import check_host_python, check_platform, check_runner_python
from lab.process import Finished, run

GLIBC = ("glibc", "2.36")


def finished(code: int, stdout: str = "", stderr: str = "") -> Finished:
    return Finished(argv=("uv",), code=code, stdout=stdout, stderr=stderr)


@pytest.mark.parametrize(
    ("system", "machine"),
    [("Linux", "x86_64"), ("Linux", "aarch64"), ("Linux", "arm64"), ("Darwin", "arm64")],
)
@pytest.mark.parametrize("on_host", [True, False])
def test_platform_of_the_locks_is_fine(system: str, machine: str, on_host: bool) -> None:
    libc = GLIBC if system == "Linux" else ("", "")
    assert check_platform(system, machine, libc=libc, on_host=on_host).status == "ok"


@pytest.mark.parametrize(
    ("system", "machine", "remedy"),
    [
        ("Windows", "AMD64", "wsl --install"),
        ("Darwin", "x86_64", "arm64 Python"),
        ("Linux", "riscv64", "use one of these"),
        ("FreeBSD", "x86_64", "use one of these"),
    ],
)
def test_platform_without_packages_is_refused(system: str, machine: str, remedy: str) -> None:
    found = check_platform(system, machine, libc=GLIBC, on_host=False)
    assert found.status == "fail"
    assert remedy in found.next


@pytest.mark.parametrize(
    ("release", "status"),
    [("4.4.0-19041-Microsoft", "fail"), ("5.15.90.1-microsoft-standard-WSL2", "ok")],
)
def test_platform_tells_wsl_1_from_wsl_2(release: str, status: str) -> None:
    found = check_platform("Linux", "x86_64", release=release, libc=GLIBC, on_host=True)
    assert found.status == status
    assert "under WSL" in found.seen


@pytest.mark.parametrize(
    ("libc", "on_host", "status"),
    [
        (("glibc", "2.28"), True, "ok"),
        (("glibc", "2.17"), True, "fail"),
        (("", ""), True, "fail"),
        (("glibc", "2.17"), False, "ok"),  # the image has its own
    ],
)
def test_platform_needs_a_new_glibc_on_the_host(
    libc: tuple[str, str], on_host: bool, status: str
) -> None:
    assert check_platform("Linux", "x86_64", libc=libc, on_host=on_host).status == status


@pytest.mark.parametrize(
    ("version", "status"), [((3, 11, 0), "ok"), ((3, 14, 1), "ok"), ((3, 10, 12), "fail")]
)
def test_runner_python_is_new_enough(version: tuple[int, int, int], status: str) -> None:
    found = check_runner_python(version)
    assert found.status == status
    assert ".".join(map(str, version)) in found.seen


def test_host_python_is_named_where_uv_found_it() -> None:
    found = check_host_python(finished(0, "/usr/bin/python3.11\n"), downloads=False, on_host=True)
    assert (found.status, found.seen[-19:]) == ("ok", "/usr/bin/python3.11")


@pytest.mark.parametrize(
    ("downloads", "on_host", "status"),
    [
        (True, True, "warn"),
        (False, True, "fail"),
        (True, False, "ok"),  # the container has its own
        (False, False, "ok"),
    ],
)
def test_host_python_may_be_fetched(downloads: bool, on_host: bool, status: str) -> None:
    found = check_host_python(finished(2), downloads=downloads, on_host=on_host)
    assert found.status == status
    assert "no Python 3.11" in found.seen


@pytest.mark.parametrize(("on_host", "status"), [(True, "fail"), (False, "warn")])
def test_host_python_without_uv_is_said(on_host: bool, status: str) -> None:
    done = run(["/no/such/uv", "python", "find", "3.11"])
    found = check_host_python(done, downloads=True, on_host=on_host)
    assert found.status == status
    assert "/no/such/uv" in found.seen
