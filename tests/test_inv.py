"""The script `inv`: it makes the runner's environment, once, and hands over to invoke."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOBODY = 65534
REAL = Path(sys.base_prefix, "bin", "python3")

# A Python as far as the script looks at it: it tells its version, makes environments that hold a
# copy of itself, installs nothing, and as `invoke` prints what it was given; each step is a line in
# `steps`. A file `stop-at` names a step that waits for the file `go`; `fail-at` one that fails.
# Only a lock is the real Python's to take, where the user may run it.
PYTHON = """\
#!/bin/sh
desk="@desk@"
isolated=""
if [ "$1" = -I ]; then isolated=yes && shift; fi
case "$1 $2" in
"-c "*flock*) [ -x "@real@" ] || exit 0; exec "@real@" "$@" ;;
"-c "*) step=version ;;
"-m lab.command_line") step=invoke ;;
*) step=$2 ;;
esac
[ "$step" = version ] || echo "$step" >>"$desk/steps"
if [ "$step" = "$(cat "$desk/stop-at" 2>/dev/null)" ]; then
  : >"$desk/waiting"
  while ! [ -e "$desk/go" ]; do sleep 0.05; done
fi
if [ "$step" = "$(cat "$desk/fail-at" 2>/dev/null)" ]; then
  echo "the words of $step"
  exit 1
fi
case $step in
venv) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
pip)
  shift 2
  printf '%s\\n' "$@" >"$desk/pip-arguments"
  echo "${PIP_CERT:-}" >"$desk/pip-cert"
  echo "$isolated" >"$desk/pip-isolated"
  ;;
invoke)
  shift 2
  printf '<%s>' "$@"
  printf '\\n%s|%s|%s|%s\\n' "$LAB_STATE" "$LAB_RUNNER" "$PYTHONPATH" "$PYTHONNOUSERSITE"
  ;;
esac
"""


@dataclass
class Tree:
    """A clone with the script alone, a small lock, and a stand-in for Python."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    user: int | None = None

    def __post_init__(self) -> None:
        self.root = self.folder / "un clon con eñe"
        self.desk = self.folder / "desk of the test"
        self.python = self.desk / "python"
        self.lock = self.root / "docker" / "locks" / "runner.txt"
        self.lock.parent.mkdir(parents=True)
        shutil.copy(ROOT / "inv", self.root / "inv")
        self.lock.write_text("# version 1\n")
        self.desk.mkdir()
        script = PYTHON.replace("@desk@", str(self.desk)).replace("@real@", str(REAL))
        self.python.write_text(script)
        self.python.chmod(0o755)

    @property
    def state(self) -> Path:
        return self.root / ".lab"

    @property
    def runner(self) -> Path:
        """The environment; there is one."""
        (found,) = (p for p in self.state.glob("runner-*") if p.is_dir())
        return found

    @property
    def steps(self) -> list[str]:
        path = self.desk / "steps"
        return path.read_text().split() if path.exists() else []

    def at(self, what: str, step: str) -> None:
        """Have a step `stop-at` or `fail-at`; an empty one ends that."""
        (self.desk / what).write_text(step)

    def begin(self, *words: str, **env: str) -> "subprocess.Popen[str]":
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("LAB_", "XDG_", "PIP_"))}
        kept.pop("SSL_CERT_FILE", None)
        variables = {**kept, "LAB_PYTHON": str(self.python), **self.env, **env}
        ids = {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}
        return subprocess.Popen(
            [str(self.root / "inv"), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env={k: v for k, v in variables.items() if v}, cwd="/",
            start_new_session=True, **ids,
        )  # type: ignore[call-overload, no-any-return]  # fmt: skip

    def __call__(self, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
        process = self.begin(*words, **env)
        try:
            out, err = process.communicate(timeout=60)
        except BaseException:  # also pytest's time limit: what hangs would hang the whole run
            end_all_of(process)
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    @contextmanager
    def stopped_at(self, step: str) -> "Iterator[subprocess.Popen[str]]":
        """A call that has come as far as a step and waits there; nothing of it is left then."""
        self.at("stop-at", step)
        process = self.begin("first")
        try:
            wait_for(lambda: (self.desk / "waiting").exists() or process.poll() is not None)
            assert process.poll() is None
            self.at("stop-at", "")
            yield process
        finally:
            end_all_of(process)


def end_all_of(process: "subprocess.Popen[str]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "what was waited for has not come"
        time.sleep(0.02)


def listing(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Every file by its inode, size and time: what shows that nothing was written."""
    found = {}
    for path in sorted(folder.rglob("*")):
        about = path.lstat()
        found[str(path)] = (about.st_ino, about.st_size, about.st_mtime_ns)
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_first_call_makes_the_environment_and_runs_invoke(tree: Tree) -> None:
    done = tree("lab", "--work", "mi carpeta", "")
    assert done.returncode == 0
    assert tree.steps == ["venv", "pip", "invoke"]
    first, second = done.stdout.splitlines()
    assert first == f"<--search-root><{tree.root}><lab><--work><mi carpeta><>"
    assert second == f"{tree.state}|{tree.runner}|{tree.root}|1"
    assert done.stderr == f"Making the runner's environment with {tree.python} ...\n"
    assert (tree.runner / "made-from.txt").read_bytes() == tree.lock.read_bytes()


def test_packages_come_from_the_lock_alone(tree: Tree) -> None:
    tree("x")
    words = (tree.desk / "pip-arguments").read_text().splitlines()
    assert words[0] == "install"
    assert {"--require-hashes", "--only-binary", ":all:", "--no-input"} <= set(words)
    assert words[-2:] == ["-r", str(tree.lock)]


def test_second_call_adds_nothing(tree: Tree) -> None:
    tree("first")
    before = listing(tree.root)
    done = tree("second")
    assert (done.returncode, done.stderr) == (0, "")
    assert "<second>" in done.stdout
    assert tree.steps == ["venv", "pip", "invoke", "invoke"]
    assert listing(tree.root) == before


def test_changed_lock_makes_the_environment_anew(tree: Tree) -> None:
    tree("first")
    (tree.runner / "left-over").touch()
    tree.lock.write_text("# version 2\n")
    done = tree("second")
    assert done.returncode == 0
    assert tree.steps == ["venv", "pip", "invoke", "venv", "pip", "invoke"]
    assert not (tree.runner / "left-over").exists()
    assert (tree.runner / "made-from.txt").read_text() == "# version 2\n"
    tree("third")
    assert tree.steps[6:] == ["invoke"]


def test_environment_without_its_python_is_made_anew(tree: Tree) -> None:
    tree("first")
    (tree.runner / "bin" / "python").unlink()
    assert tree("second").returncode == 0
    assert tree.steps[3:] == ["venv", "pip", "invoke"]


@pytest.mark.parametrize("step", ["venv", "pip"])
def test_killed_making_does_not_keep_the_next_call(tree: Tree, step: str) -> None:
    with tree.stopped_at(step) as process:
        process.kill()
        process.wait(60)
        done = tree("second")
    assert done.returncode == 0
    assert "<second>" in done.stdout
    assert (tree.runner / "made-from.txt").read_bytes() == tree.lock.read_bytes()


def test_many_at_once_after_a_killed_one_all_work(tree: Tree) -> None:
    with tree.stopped_at("pip") as process:
        process.kill()
        process.wait(60)
        (tree.desk / "steps").unlink()
        all_work(tree, 6)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "term"])
def test_interrupted_making_leaves_no_stamp(tree: Tree, number: signal.Signals) -> None:
    with tree.stopped_at("pip") as process:
        os.killpg(process.pid, number)
        assert process.wait(60) == -number
    assert not (tree.runner / "made-from.txt").exists()
    assert tree("second").returncode == 0
    assert tree.steps == ["venv", "pip", "venv", "pip", "invoke"]


def test_second_of_two_at_once_waits_for_the_first(tree: Tree) -> None:
    with tree.stopped_at("venv") as first:
        second = tree.begin("second")
        try:
            assert second.stderr is not None
            line = second.stderr.readline()
            assert line == "another ./inv is making the environment; waiting for it ...\n"
            assert tree.steps == ["venv"]
            (tree.desk / "go").touch()
            assert "<first>" in first.communicate(timeout=60)[0]
            assert "<second>" in second.communicate(timeout=60)[0]
        finally:
            end_all_of(second)
    assert (first.returncode, second.returncode) == (0, 0)
    assert sorted(tree.steps) == ["invoke", "invoke", "pip", "venv"]


def test_ctrl_c_while_waiting_is_no_traceback(tree: Tree) -> None:
    with tree.stopped_at("venv"):
        second = tree.begin("second")
        try:
            assert second.stderr is not None
            assert second.stderr.readline().endswith("waiting for it ...\n")
            os.killpg(second.pid, signal.SIGINT)
            out, err = second.communicate(timeout=60)
        finally:
            end_all_of(second)
    assert (second.returncode, out, err) == (-signal.SIGINT, "", "")


def test_running_command_holds_no_lock(tree: Tree) -> None:
    """A lab that runs for hours must not keep others from a renewed environment."""
    with tree.stopped_at("invoke"):
        tree.lock.write_text("# version 2\n")
        assert tree("second").returncode == 0
    assert sorted(tree.steps) == ["invoke", "invoke", "pip", "pip", "venv", "venv"]


def all_work(tree: Tree, count: int) -> None:
    """Start this many calls at once: each works, and the environment is made once."""
    calls = [tree.begin(f"call-{number}") for number in range(count)]
    try:
        for number, process in enumerate(calls):
            out, err = process.communicate(timeout=120)
            assert process.returncode == 0, err
            assert f"<call-{number}>" in out
    finally:
        for process in calls:
            end_all_of(process)
    assert sorted(tree.steps) == ["invoke"] * count + ["pip", "venv"]


def test_many_at_once_all_work(tree: Tree) -> None:
    all_work(tree, 6)


@pytest.mark.parametrize("step", ["venv", "pip"])
def test_failed_making_is_exit_2_with_the_last_words(tree: Tree, step: str) -> None:
    tree.at("fail-at", step)
    done = tree("x")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"the words of {step}\n" in done.stderr
    assert "The runner's environment could not be made.\n  why:  " in done.stderr
    assert "PIP_FIND_LINKS" in done.stderr
    tree.at("fail-at", "")
    assert tree("x").returncode == 0


def test_exit_code_is_the_commands(tree: Tree) -> None:
    tree("first")
    tree.at("fail-at", "invoke")
    assert tree("second").returncode == 1


def test_private_ca_reaches_pip(tree: Tree) -> None:
    tree("x", SSL_CERT_FILE="/etc/private ca.pem")
    assert (tree.desk / "pip-cert").read_text() == "/etc/private ca.pem\n"


def test_packages_on_the_callers_path_are_not_taken_for_installed(tree: Tree) -> None:
    tree(PYTHONPATH="/somebody/elses/packages")
    assert (tree.desk / "pip-isolated").read_text() == "yes\n"


def test_pips_own_ca_wins(tree: Tree) -> None:
    tree("x", SSL_CERT_FILE="/etc/one.pem", PIP_CERT="/etc/two.pem")
    assert (tree.desk / "pip-cert").read_text() == "/etc/two.pem\n"


def test_state_folder_can_be_named(tree: Tree) -> None:
    state = tree.folder / "a state" / "of mine"
    done = tree("x", LAB_STATE=str(state))
    assert done.stdout.splitlines()[1].startswith(f"{state}|{state}/runner-")
    assert not tree.state.exists()


def tools_without_python(folder: Path) -> str:
    """A PATH with all that the script calls, except any Python."""
    folder.mkdir()
    for name in (
        "cat", "cksum", "cmp", "cp", "cut", "dirname", "mkdir", "mv", "rm", "sh", "sleep", "tail",
        "uname",
    ):  # fmt: skip
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    return str(folder)


def test_machine_without_python_is_told_what_to_install(tree: Tree) -> None:
    done = tree("x", PATH=tools_without_python(tree.folder / "bin"), LAB_PYTHON="")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("No Python that can make the runner's environment was found.\n")
    assert "it needs Python 3.11 or newer with the venv and ensurepip modules" in done.stderr
    for words in ("apt install python3 python3-venv", "dnf install python3", "brew install",
                  "LAB_PYTHON="):  # fmt: skip
        assert words in done.stderr


def test_python_that_cannot_make_environments_is_passed_over(tree: Tree) -> None:
    """Debian's Python without python3-venv answers, but lacks ensurepip."""
    path = Path(tools_without_python(tree.folder / "bin"))
    (path / "python3.11").write_text("#!/bin/sh\nexit 1\n")
    (path / "python3.11").chmod(0o755)
    assert tree("x", PATH=str(path), LAB_PYTHON="").returncode == 2
    (path / "python3").symlink_to(tree.python)
    done = tree("x", PATH=str(path), LAB_PYTHON="")
    assert done.returncode == 0
    assert done.stderr == "Making the runner's environment with python3 ...\n"


def test_named_python_that_is_not_there_is_named_in_the_error(tree: Tree) -> None:
    done = tree("x", LAB_PYTHON="/no/such python")
    assert done.returncode == 2
    assert "looked for: /no/such python" in done.stderr


# --- folders that may not be written; as nobody where the tests run as root -----------------


@pytest.fixture
def shared(entered_by_all: Path) -> Tree:
    """A clone that its user may not write to."""
    tree = Tree(entered_by_all, env={"HOME": str(entered_by_all / "home")})
    (entered_by_all / "home").mkdir()
    tree.desk.chmod(0o777)
    if os.geteuid() == 0:
        tree.user = NOBODY
        os.chown(entered_by_all / "home", NOBODY, NOBODY)
    tree.root.chmod(0o555)
    return tree


@pytest.mark.parametrize("named", [True, False], ids=["XDG_STATE_HOME", "HOME"])
def test_clone_that_cannot_be_written_keeps_its_state_at_home(shared: Tree, named: bool) -> None:
    home = Path(shared.env["HOME"])
    env = {"XDG_STATE_HOME": str(home / "my state")} if named else {}
    done = shared("first", **env)
    assert done.returncode == 0, done.stderr
    (state,) = (home / ("my state" if named else ".local/state") / "pytorch-lab").iterdir()
    assert done.stdout.splitlines()[1].startswith(f"{state}|{state}/runner-")
    assert not shared.state.exists()
    assert shared("second", **env).stdout.splitlines()[1] == done.stdout.splitlines()[1]
    assert shared.steps == ["venv", "pip", "invoke", "invoke"]


def test_two_shared_clones_have_a_state_each(shared: Tree) -> None:
    shared("first")
    other = shared.folder / "another clone"
    shutil.copytree(shared.root, other)
    other.chmod(0o555)
    shared.root.chmod(0o755)
    shared.root = other
    assert shared("second").returncode == 0
    states = Path(shared.env["HOME"]) / ".local" / "state" / "pytorch-lab"
    assert len(list(states.iterdir())) == 2


def test_no_place_for_the_state_is_exit_2(shared: Tree) -> None:
    locked = shared.folder / "locked"
    locked.mkdir(mode=0o555)
    done = shared("x", XDG_STATE_HOME=str(locked / "state"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("No folder for the lab's state can be made.\n")
    assert f"neither {shared.root}/.lab nor {locked}/state/pytorch-lab/" in done.stderr
    assert "set LAB_STATE to a folder that you may write to" in done.stderr


def test_named_state_that_cannot_be_written_is_exit_2(shared: Tree) -> None:
    """What was asked for is not quietly replaced by another place."""
    locked = shared.folder / "locked"
    locked.mkdir(mode=0o555)
    for state in (locked, locked / "below"):
        done = shared("x", LAB_STATE=str(state))
        assert (done.returncode, done.stdout) == (2, "")
        assert (
            done.stderr == f"The folder for the lab's state cannot be written: {state}\n"
            "  why:  LAB_STATE names it\n"
            "  next: name a folder that you may write to, or unset LAB_STATE\n"
        )
    assert shared.steps == []


def test_state_of_somebody_else_is_left_alone(shared: Tree) -> None:
    """The owner has used the clone: the state there is not ours to change."""
    shared.root.chmod(0o755)
    shared.state.mkdir(mode=0o555)
    shared.root.chmod(0o555)
    assert shared("x").returncode == 0
    assert list(shared.state.iterdir()) == []


# --- with a real Python ---------------------------------------------------------------------------


def test_real_python_makes_an_environment_that_serves(tree: Tree) -> None:
    """An empty lock needs no network; what runs invoke is a stand-in in the clone."""
    package = tree.root / "lab"
    package.mkdir()
    (package / "command_line.py").write_text(
        "import pathlib, sys\nprint(sys.prefix, sys.argv[1:], sys.version_info >= (3, 11))\n"
    )
    python = {"LAB_PYTHON": str(REAL)}
    done = tree("lab", "mi carpeta", PYTHONDONTWRITEBYTECODE="1", **python)
    assert done.returncode == 0, done.stderr
    expected = ["--search-root", str(tree.root), "lab", "mi carpeta"]
    assert done.stdout == f"{tree.runner} {expected} True\n"
    before = listing(tree.root)
    again = tree("lab", "mi carpeta", PYTHONDONTWRITEBYTECODE="1", **python)
    assert (again.returncode, again.stdout, again.stderr) == (0, done.stdout, "")
    assert listing(tree.root) == before
