"""What this machine can serve, and the command line as a user calls it."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab.locks.install import ensure_environment
from tests.commands import tasks as tasks  # a fixture, as the next
from tests.fakes import as_nobody as as_nobody
from tests.fakes import entered_by_all as entered_by_all
from tests.fakes import programs as programs
from tests.nvml.library import Driver, build, has_compiler
from tests.order import rank, wait_until_alone
from tests.seeded import seed
from tests.sif import built as built

ROOT = Path(__file__).resolve().parent.parent


def _answers(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


def _spells() -> bool:
    if shutil.which("hunspell") is None:
        return False
    known = subprocess.run(
        ["hunspell", "-D"], capture_output=True, text=True, check=False, input=""
    )
    return all(f"/{name}\n" in known.stderr for name in ("es_ES", "en_GB"))


# A test that carries one of these marks runs where the machine has what it needs.
NEEDS = {
    "container": ("a container engine that answers", lambda: _answers("docker", "info")),
    "browser": ("Chromium at /usr/bin/chromium", lambda: Path("/usr/bin/chromium").exists()),
    "cluster": (
        "a Slurm cluster of four nodes that the program in TEST_CLUSTER can slow down and crash",
        lambda: "TEST_CLUSTER" in os.environ and _answers("sinfo", "--noheader"),
    ),
    "apptainer": ("Apptainer", lambda: _answers("apptainer", "version")),
    "podman": ("Podman, for root and for users", lambda: _answers("podman", "version")),
    "gpu": ("an NVIDIA GPU", lambda: _answers("nvidia-smi", "-L")),
    "clock": ("gcc", lambda: shutil.which("gcc") is not None),
    "root": ("root", lambda: os.geteuid() == 0),
    "driver": ("gcc and Debian's libcjson-dev", has_compiler),
    "spelling": ("Debian's hunspell, hunspell-es and hunspell-en-gb", _spells),
    "terminal": ("tmux", lambda: shutil.which("tmux") is not None),
}
# Nobody can give CI a GPU; anything else that it lacks is a fault of CI.
MAY_LACK_IN_CI = {"gpu"}


@pytest.fixture(scope="session")
def lacking() -> dict[str, str]:
    return _lacking()


_known: dict[str, str] = {}


def _lacking() -> dict[str, str]:
    """Marks that this machine cannot serve, each with what is missing; asked once."""
    if not _known:
        _known.update({mark: what for mark, (what, there) in NEEDS.items() if not there()})
        _known.setdefault("", "")
    return {mark: what for mark, what in _known.items() if mark}


def pytest_configure() -> None:
    """A shell that puts the tests in the background has all that they start ignore Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _marks(item: pytest.Item) -> set[str]:
    return {mark.name for mark in item.iter_markers()}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first."""
    items.sort(key=lambda item: rank(_marks(item)))


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before a test's time begins to count
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """What measures or ends processes has the machine to itself."""
    wait_until_alone(_marks(item))
    return (yield)


def pytest_runtest_setup(item: pytest.Item) -> None:
    marks = _marks(item) & NEEDS.keys()
    if not marks:
        return
    missing = sorted(marks & _lacking().keys())
    if not missing:
        return
    reason = "needs " + " and ".join(_lacking()[mark] for mark in missing)
    if os.environ.get("CI") and set(missing) - MAY_LACK_IN_CI:
        pytest.fail(f"CI must serve this test: it {reason}", pytrace=False)
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name every test that this machine could not serve."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section("not run on this machine")
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.line(f"{report.nodeid}: {str(reason).removeprefix('Skipped: ')}")


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = 60) -> None:
    """Wait until a condition holds; a test never sleeps for a time that it hopes is enough."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"waited {timeout_s:g} s in vain for {what}"
        time.sleep(0.05)


def copy_checkout(target: Path) -> Path:
    """A copy of the files that git knows or would take up: what a fresh clone would hold."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    return target


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one call of the command line gave."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, object]:
        """The one JSON document on standard output."""
        document: dict[str, object] = json.loads(self.out)
        return document


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """`./inv` of this checkout, with a state folder of its own; `prefix` is what it is run by."""

    state: Path
    root: Path = ROOT
    env: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()

    def variables(self, **env: str) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("LAB_")}
        return {**inherited, "LAB_STATE": str(self.state), **self.env, **env}

    def __call__(
        self, *words: str, timeout: float = 600, cwd: Path | None = None, **env: str
    ) -> Result:
        done = subprocess.run(
            [*self.prefix, str(self.root / "inv"), *words],
            capture_output=True, text=True, timeout=timeout,
            env=self.variables(**env), cwd=cwd or self.root, check=False,
        )  # fmt: skip
        return Result(code=done.returncode, out=done.stdout, err=done.stderr)

    def begin(self, *words: str, **env: str) -> subprocess.Popen[str]:
        """Start a command and leave it running, in a process group of its own."""
        return subprocess.Popen(
            [*self.prefix, str(self.root / "inv"), *words],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, env=self.variables(**env), cwd=self.root, start_new_session=True,
        )  # fmt: skip


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulated NVIDIA driver, compiled once."""
    return build(tmp_path_factory.mktemp("nvml"))


MakeDriver = Callable[..., Driver]


@pytest.fixture
def make_driver(nvml_library: Path, tmp_path: Path) -> MakeDriver:
    """Puts a scenario behind the simulated driver; its variables go to what is to see it."""

    def make(scenario: dict[str, object], library: Path = nvml_library) -> Driver:
        return Driver(library, scenario, tmp_path / "driver")

    return make


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One state folder for all tests, so that the runner and the environments are made once at
    most; a test of how they are made has a folder of its own."""
    folder = tmp_path_factory.mktemp("state")
    seed(folder)
    return folder


@pytest.fixture
def peers(state: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the programs that `inv gpu` is held beside: nvitop and gpustat."""
    monkeypatch.setenv("LAB_STATE", str(state))
    return ensure_environment("peers", say=print) / "bin"


@pytest.fixture
def inv(state: Path) -> Iterator[CommandLine]:
    """The command line; whatever a test leaves running is stopped."""
    command = CommandLine(state=state)
    yield command
    command("stop")
