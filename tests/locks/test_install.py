"""The environment on the host: made once per lock, by a uv of the test's own."""

import fcntl
import platform
import threading
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.locks import install
from lab.locks.install import ensure_environment, environment_folder, install_arguments, is_made
from lab.locks.sources import PackageSources
from tests.fakes import AsNobody, Programs

# Makes what uv makes, as far as the lab looks; a file beside it names the step that goes wrong.
UV = """\
fail=$(/bin/cat "$0.fail" 2>/dev/null)
if [ "$1" = venv ]; then
  [ "$fail" != venv ] || exit 2
  for folder; do :; done
  /bin/mkdir -p "$folder/bin" "$folder/lib/python3.11/site-packages"
  : >"$folder/bin/python"
  [ "$fail" != killed ] || kill -9 $$
  : >"$folder/pyvenv.cfg"
else
  [ "$fail" != sync ] || { echo "uv says why" >&2; exit 1; }
  [ "$fail" != killed-in-sync ] || kill -9 $$
  for lock; do case $lock in */wheels.txt) /bin/cat "$lock" >"${0%/*}/first.txt" ;; esac; done
fi
"""


class Uv:
    def __init__(self, programs: Programs) -> None:
        self.path = programs.add("uv", UV)
        self._programs = programs

    @property
    def syncs(self) -> list[list[str]]:
        """The arguments of each call that installs."""
        lines = [line.split() for line in self._programs.calls]
        return [words for words in lines if words[1:3] == ["pip", "sync"]]

    def fails_at(self, step: str) -> None:
        Path(f"{self.path}.fail").write_text(step)

    @property
    def calls(self) -> list[str]:
        """The first words of each call."""
        return [
            " ".join(line.split()[1:3]).replace(" --quiet", "") for line in self._programs.calls
        ]


@pytest.fixture
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "locks"
    folder.mkdir()
    (folder / "cpu.txt").write_text("numpy==1\n")
    (folder / "dev.txt").write_text("pytest==1\n")
    monkeypatch.setattr(install, "LOCKS", folder)
    monkeypatch.setenv("LAB_STATE", str(tmp_path / "state of mine"))
    for name in ("PIP_FIND_LINKS", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def uv(locks: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch) -> Uv:
    found = Uv(programs)
    monkeypatch.setattr(install, "uv_program", lambda: str(found.path))
    return found


def say_nothing(line: str) -> None:
    pass


def test_environment_folder_is_one_per_locks_and_machine(locks: Path, tmp_path: Path) -> None:
    machine = f"{platform.system()}-{platform.machine()}"
    state = tmp_path / "state of mine"
    assert environment_folder("cpu") == state / f"env-cpu-{machine}"
    assert environment_folder("cpu", "dev") == state / f"env-cpu-dev-{machine}"


def test_environment_is_made_once(uv: Uv) -> None:
    lines: list[str] = []
    folder = ensure_environment("cpu", "dev", say=lines.append)
    assert folder == environment_folder("cpu", "dev")
    assert (folder / "bin" / "python").exists()
    assert is_made("cpu", "dev")
    assert uv.calls == ["venv", "pip sync"]
    assert lines == [
        "making an environment with Python 3.11 ...",
        "installing the packages of the lock cpu and dev ...",
    ]
    assert ensure_environment("cpu", "dev", say=lines.append) == folder
    assert len(uv.calls) == len(lines) == 2


def test_environment_imports_this_clone(uv: Uv) -> None:
    folder = ensure_environment("cpu", say=say_nothing)
    link = folder / "lib" / "python3.11" / "site-packages" / "lab.pth"
    assert link.read_text() == f"{Path(__file__).resolve().parents[2]}\n"


def test_changed_lock_installs_again_into_the_same_environment(uv: Uv, locks: Path) -> None:
    ensure_environment("cpu", say=say_nothing)
    (locks / "cpu.txt").write_text("numpy==2\n")
    assert not is_made("cpu")
    ensure_environment("cpu", say=say_nothing)
    assert uv.calls == ["venv", "pip sync", "pip sync"]
    assert is_made("cpu")


def test_environments_of_two_locks_are_two(uv: Uv) -> None:
    ensure_environment("cpu", say=say_nothing)
    assert not is_made("cpu", "dev")
    assert not is_made("dev")


@pytest.mark.parametrize("step", ["sync", "killed-in-sync"])
def test_interrupted_install_leaves_no_stamp_and_the_next_starts_over(uv: Uv, step: str) -> None:
    uv.fails_at(step)
    with pytest.raises(LabError) as caught:
        ensure_environment("cpu", say=say_nothing)
    assert caught.value.what == "The lab's packages could not be installed."
    assert "PIP_FIND_LINKS" in caught.value.next_step
    assert not is_made("cpu")
    uv.fails_at("")
    ensure_environment("cpu", say=say_nothing)
    assert is_made("cpu")
    assert uv.calls == ["venv", "pip sync", "venv", "pip sync"]


def test_renewal_that_fails_takes_the_old_stamp_away(uv: Uv, locks: Path) -> None:
    """The environment is then neither lock's: also going back to the old one installs."""
    ensure_environment("cpu", say=say_nothing)
    before = (locks / "cpu.txt").read_text()
    (locks / "cpu.txt").write_text("numpy==2\n")
    uv.fails_at("sync")
    with pytest.raises(LabError):
        ensure_environment("cpu", say=say_nothing)
    (locks / "cpu.txt").write_text(before)
    assert not is_made("cpu")


def test_environment_cut_off_while_it_was_made_is_made_anew(uv: Uv) -> None:
    """Without pyvenv.cfg its Python is the system's, whose packages a sync would take away."""
    uv.fails_at("killed")
    with pytest.raises(LabError):
        ensure_environment("cpu", say=say_nothing)
    assert (environment_folder("cpu") / "bin" / "python").exists()
    uv.fails_at("")
    ensure_environment("cpu", say=say_nothing)
    assert uv.calls == ["venv", "venv", "pip sync"]


def test_environment_whose_python_has_gone_is_made_anew(uv: Uv) -> None:
    folder = ensure_environment("cpu", say=say_nothing)
    python = folder / "bin" / "python"
    python.unlink()
    python.symlink_to("/python/that/was/removed")
    assert not is_made("cpu")
    ensure_environment("cpu", say=say_nothing)
    assert uv.calls == ["venv", "pip sync", "venv", "pip sync"]
    assert python.exists()


def test_python_that_cannot_be_had_is_an_error(uv: Uv) -> None:
    uv.fails_at("venv")
    with pytest.raises(LabError) as caught:
        ensure_environment("cpu", say=say_nothing)
    assert caught.value.what == "No Python 3.11 for the lab's own environment could be had."
    assert "apt install python3.11-venv" in caught.value.next_step
    assert uv.calls == ["venv"]


def test_uvs_own_words_are_shown(uv: Uv, capfd: pytest.CaptureFixture[str]) -> None:
    uv.fails_at("sync")
    with pytest.raises(LabError):
        ensure_environment("cpu", say=say_nothing)
    assert "uv says why" in capfd.readouterr().err


def test_two_at_once_take_turns(uv: Uv) -> None:
    """The second waits for the first, and then has nothing to do."""
    folder = environment_folder("cpu")
    folder.parent.mkdir(parents=True)
    waiting = threading.Event()
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        waiting.set()

    with folder.with_name(folder.name + ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        second = threading.Thread(target=lambda: ensure_environment("cpu", say=say))
        second.start()
        assert waiting.wait(30)
        assert lines == ["another command is making the environment; waiting for it ..."]
        assert uv.calls == []
        # what the first makes
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").touch()
        (folder / "pyvenv.cfg").touch()
        (folder / "made-from.txt").write_text("numpy==1\n")
    second.join(30)
    assert not second.is_alive()
    assert uv.calls == []


def test_source_is_built_last_by_what_the_lock_has(uv: Uv, locks: Path) -> None:
    """Its build then takes nothing from outside, where no hash would be compared."""
    hashes = f" \\\n    --hash=sha256:{'0' * 64}\n"
    (locks / "peers.txt").write_text(f"gpustat==1{hashes}setuptools==2{hashes}")
    ensure_environment("peers", say=say_nothing)
    first, second = uv.syncs
    assert "--no-build-isolation" not in first
    assert "--no-build-isolation" in second
    assert str(locks / "peers.txt") not in first
    assert str(locks / "peers.txt") in second
    assert (uv.path.parent / "first.txt").read_text() == f"setuptools==2{hashes}"
    assert is_made("peers")


@pytest.mark.parametrize("step", ["sync", "killed-in-sync"])
def test_source_whose_build_tools_fail_to_come_leaves_no_stamp(
    uv: Uv, locks: Path, step: str
) -> None:
    (locks / "peers.txt").write_text("gpustat==1\n")
    uv.fails_at(step)
    with pytest.raises(LabError):
        ensure_environment("peers", say=say_nothing)
    assert uv.calls == ["venv", "pip sync"]
    assert not is_made("peers")


def test_install_arguments_are_the_whole_line(locks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pipe:
        def isatty(self) -> bool:
            return False

    monkeypatch.setattr("sys.stderr", Pipe())
    sources = PackageSources(find_links=("/wheels",))
    start = ["/uv", "pip", "sync", "--python", "/env/bin/python", "--require-hashes",
             "--only-binary", ":all:", "--compile-bytecode", "--find-links", "/wheels"]  # fmt: skip
    dev = [*start, f"{locks}/runner.txt", f"{locks}/dev.txt", "--quiet"]
    assert install_arguments("/uv", Path("/env"), ("runner", "dev"), sources) == dev
    monkeypatch.setattr("sys.platform", "linux")
    cpu = [*start, "--torch-backend", "cpu", f"{locks}/cpu.txt", "--quiet"]
    assert install_arguments("/uv", Path("/env"), ("cpu",), sources) == cpu
    monkeypatch.setattr("sys.platform", "darwin")
    mac = [*start, f"{locks}/cpu.txt", "--quiet"]
    assert install_arguments("/uv", Path("/env"), ("cpu",), sources) == mac


def test_install_arguments_show_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stderr", Terminal())
    assert "--quiet" not in install_arguments("/uv", Path("/env"), ("cuda",), PackageSources())


@pytest.mark.parametrize("place", ["bin", "made-from.txt"])
@pytest.mark.root
def test_environment_that_may_not_be_read_is_left_alone(
    uv: Uv, as_nobody: AsNobody, entered_by_all: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("LAB_STATE", str(entered_by_all))
    folder = ensure_environment("cpu", say=say_nothing)
    calls = list(uv.calls)
    (folder / place).chmod(0)
    with as_nobody():
        assert not is_made("cpu")
        with pytest.raises(LabError) as caught:
            ensure_environment("cpu", say=say_nothing)
    assert str(folder) in caught.value.what
    assert "LAB_STATE" in caught.value.next_step
    assert uv.calls == calls
    assert is_made("cpu")


def test_stamp_that_is_no_text_is_not_the_locks(uv: Uv) -> None:
    folder = ensure_environment("cpu", say=say_nothing)
    (folder / "made-from.txt").write_bytes(b"numpy\xff")
    assert not is_made("cpu")


def test_lock_that_is_gone_is_named(uv: Uv, locks: Path) -> None:
    ensure_environment("cpu", say=say_nothing)
    (locks / "cpu.txt").unlink()
    with pytest.raises(LabError, match=r"cpu\.txt cannot be read"):
        ensure_environment("cpu", say=say_nothing)
