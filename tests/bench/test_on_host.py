"""`inv bench` on the host, as a user calls it: its record, its files, its errors, and what ends
it too early."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import CommandLine, Result, wait_for
from tests.disks import mounted

pytestmark = pytest.mark.host

NO_ENGINE = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
# Short, and still every part: two cases, one process.
SHORT = ("bench", "--quick", "--only", "launch,matmul", "--budget", "12")
ENDLESS = (
    "bench",
    "--only",
    "launch,matmul",
    "--size",
    "256",
    "--dtype",
    "float32",
    "--budget",
    "600",
)
FIELDS = {
    "name", "params", "device", "dtype", "flop_per_call", "bytes_per_call", "calls_per_sample",
    "samples_s", "clean", "median_s", "p10_s", "p90_s", "ci95_s", "throughput_flop_per_s",
    "throughput_bytes_per_s", "percent_of_peak", "verdict", "reason",
}  # fmt: skip
VERDICTS = {"ok", "not_converged", "not_steady", "contaminated", "not_run"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def command(state: Path, folder: Path) -> CommandLine:
    return CommandLine(state=state, env={**NO_ENGINE, "LAB_RESULTS": str(folder)})


@pytest.fixture(scope="module")
def measured(command: CommandLine, folder: Path) -> Result:
    result = command(*SHORT, "--seed", "7", "--json", "--output", str(folder / "copy.json"))
    assert result.code == 0, result.err
    return result


@pytest.fixture(scope="module")
def kept(measured: Result, folder: Path) -> Path:
    (path,) = folder.glob("bench-*.json")
    return path


def check_refused(result: Result) -> None:
    assert result.code == 2
    assert "Traceback" not in result.err
    lines = result.err.rstrip().splitlines()[-3:]
    assert lines[1].startswith("  why:  ")
    assert lines[2].startswith("  next: ")


# --- the record -----------------------------------------------------------------------------------


def test_record_has_what_its_readers_rely_on(measured: Result) -> None:
    document = json.loads(measured.out)
    assert document["schema"] == "lab/bench/1"
    assert document["seed"] == 7
    assert document["argv"][0] == "bench"
    assert document["ended"] == "done"
    assert document["started_utc"].startswith("20")
    assert 0 < document["duration_s"] < 60
    environment = document["environment"]
    assert environment["engine"] == "host"
    assert len(environment["lock_sha256"]) == 64
    assert environment["torch"].startswith("2.")
    assert environment["threads"] >= 1
    assert environment["cpu"]["model"]
    assert {"cpus", "memory_bytes"} == environment["cgroup"].keys()
    assert [case["name"] for case in document["cases"]]
    for case in document["cases"]:
        assert case.keys() >= FIELDS
        assert case["verdict"] in VERDICTS
        assert (case["reason"] is None) == (case["verdict"] == "ok")
        assert len(case["samples_s"]) == len(case["clean"])


def test_figures_follow_from_the_samples(measured: Result) -> None:
    for case in json.loads(measured.out)["cases"]:
        if case["median_s"] is None:
            continue
        clean = sorted(
            s / case["calls_per_sample"]
            for s, good in zip(case["samples_s"], case["clean"], strict=True)
            if good
        )
        assert clean[0] <= case["p10_s"] <= case["p90_s"] <= clean[-1]
        assert clean[0] <= case["median_s"] <= clean[-1]
        if case["ci95_s"]:
            assert case["ci95_s"][0] <= case["median_s"] <= case["ci95_s"][1]
        if case["flop_per_call"]:
            rate = case["flop_per_call"] / case["median_s"]
            assert case["throughput_flop_per_s"] == pytest.approx(rate)
            if case["peak"]:
                percent = 100 * rate / case["peak"]["per_s"]
                assert case["percent_of_peak"] == pytest.approx(percent)
                assert case["peak"]["source"]


def test_run_is_kept_and_is_what_was_printed(measured: Result, kept: Path, folder: Path) -> None:
    printed = json.loads(measured.out)
    assert json.loads(kept.read_text()) == printed
    assert json.loads((folder / "copy.json").read_text()) == printed
    assert str(kept) in measured.err


def test_table_is_shown_again_from_the_file(command: CommandLine, kept: Path) -> None:
    shown = command("bench", "--show", str(kept))
    assert shown.code == 0, shown.err
    assert "matmul" in shown.out
    assert "size=512" in shown.out


def test_run_beside_itself_is_the_same_or_not_to_be_told(command: CommandLine, kept: Path) -> None:
    shown = command("bench", "--show", str(kept), "--compare", str(kept), "--json")
    assert shown.code == 0, shown.err
    comparisons = json.loads(shown.out)["comparisons"]
    assert comparisons
    assert {c["verdict"] for c in comparisons} <= {"SAME", "INCONCLUSIVE"}


def _changed(kept: Path, target: Path, change: Callable[[dict], None]) -> Path:
    document = json.loads(kept.read_text())
    change(document)
    target.write_text(json.dumps(document))
    return target


def test_slower_run_ends_with_3(command: CommandLine, kept: Path, tmp_path: Path) -> None:
    """The earlier run, three times as fast and without a doubt: what there is now is slower."""

    def hurry(document: dict) -> None:
        for case in document["cases"]:
            case["samples_s"] = [s / 3 for s in case["samples_s"]]
            if case["median_s"]:
                case["verdict"] = "ok"

    def believe(document: dict) -> None:
        for case in document["cases"]:
            if case["median_s"]:
                case["verdict"] = "ok"

    before = _changed(kept, tmp_path / "before.json", hurry)
    now = _changed(kept, tmp_path / "now.json", believe)
    shown = command("bench", "--show", str(now), "--compare", str(before))
    assert shown.code == 3, shown.out + shown.err
    assert "SLOWER" in shown.out


def test_other_processor_is_refused_unless_forced(
    command: CommandLine, kept: Path, tmp_path: Path
) -> None:
    def other(document: dict) -> None:
        document["environment"]["cpu"]["model"] = "Abacus 1"

    before = _changed(kept, tmp_path / "before.json", other)
    refused = command("bench", "--show", str(kept), "--compare", str(before))
    check_refused(refused)
    assert "Abacus 1" in refused.err
    assert command("bench", "--show", str(kept), "--compare", str(before), "--force").code == 0


def test_page_is_one_file_with_its_plots(command: CommandLine, kept: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    shown = command("bench", "--show", str(kept), "--report", str(page))
    assert shown.code == 0, shown.err
    text = page.read_text()
    assert text.startswith("<!")
    assert "<svg" in text
    assert "matmul" in text


def test_file_whose_samples_lack_a_part_is_refused(
    command: CommandLine, kept: Path, tmp_path: Path
) -> None:
    def spoil(document: dict) -> None:
        document["cases"][0]["samples_s"] = []

    spoilt = _changed(kept, tmp_path / "spoilt.json", spoil)
    for words in (("--show", str(spoilt)), ("--show", str(kept), "--compare", str(spoilt))):
        refused = command("bench", *words)
        check_refused(refused)
        assert "lack a part" in refused.err


def test_run_that_cannot_be_compared_is_refused_before_it_is_measured(
    command: CommandLine, kept: Path, folder: Path
) -> None:
    before = set(folder.iterdir())
    threads = json.loads(kept.read_text())["environment"]["threads"]
    refused = command(
        "bench", "--budget", "600", "--only", "launch", "--threads", str(threads + 1),
        "--compare", str(kept), timeout=120,
    )  # fmt: skip
    check_refused(refused)
    assert "threads" in refused.err
    assert set(folder.iterdir()) == before


def test_folder_for_results_that_is_a_file_is_named(command: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = command(*SHORT, LAB_RESULTS=str(tmp_path / "file"))
    check_refused(refused)
    assert "LAB_RESULTS" in refused.err


def test_cases_are_listed_with_what_they_measure(command: CommandLine) -> None:
    listed = command("bench", "--cases")
    assert listed.code == 0
    names = [line.split()[0] for line in listed.out.splitlines()]
    assert {"seed", "matmul", "memory", "training"} <= set(names)
    assert all(len(line.split()) > 3 for line in listed.out.splitlines())
    document = command("bench", "--cases", "--json").json()
    assert document["schema"] == "lab/cases/1"


def test_plan_is_printed_and_nothing_is_run(command: CommandLine) -> None:
    planned = command("bench", "--dry-run", "--json")
    assert planned.code == 0, planned.err
    assert json.loads(planned.out)["argv"][-2:] == ["-m", "lab.bench.worker"]


# --- what cannot be -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--only", "matmull"), "'matmull'"),
        (("--only", "launch", "--size", "512"), "size"),
        (("--size", "big"), "'big'"),
        (("--size", "-3"), "'-3'"),
        (("--dtype", "float33"), "'float33'"),
        (("--budget", "1"), "--budget"),
        (("--budget", "nan"), "--budget"),
        (("--threads", "1.5"), "--threads"),
        (("--precision", "x"), "--precision"),
        (("--quick", "--full"), "--quick and --full"),
        (("--compare", "/nonexistent.json"), "/nonexistent.json"),
        (("--show", "/etc/passwd"), "/etc/passwd"),
        (("--report", "/nonexistent/page.html"), "/nonexistent"),
        (("--device", "cuda"), "NVIDIA"),
        (("--show", ""), "--show names no file"),
        (("--compare", ""), "--compare names no file"),
        (("--show", "x.json", "--only", "matmul"), "--show and --only exclude"),
        (("--selftest", "--cases"), "exclude each other"),
        (("--selftest", "--dtype", "float32"), "--selftest and --dtype exclude"),
        (("--quick", "--output", "/nonexistent/x.json"), "/nonexistent"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(
    command: CommandLine, folder: Path, words: tuple[str, ...], told: str
) -> None:
    before = set(folder.iterdir())
    refused = command("bench", *words)
    check_refused(refused)
    assert told in refused.err
    assert set(folder.iterdir()) == before


def test_size_beyond_the_memory_is_refused_with_what_there_is(
    command: CommandLine, folder: Path
) -> None:
    before = set(folder.iterdir())
    refused = command("bench", "--quick", "--only", "matmul", "--size", "1000000")
    check_refused(refused)
    assert "1000000" in refused.err
    assert "memory" in refused.err
    assert set(folder.iterdir()) == before


# --- what ends it too early -----------------------------------------------------------------------


def _workers_of(runner: int) -> list[int]:
    try:
        children = psutil.Process(runner).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [child.pid for child in children if _alive(child.pid)]


@pytest.fixture
def going(
    command: CommandLine, tmp_path: Path
) -> Iterator[tuple[subprocess.Popen[str], int, Path]]:
    """A run that measures: its process, the one that measures, and its folder."""
    here = tmp_path / "results"
    process = command.begin(*ENDLESS, LAB_RESULTS=str(here))
    workers: list[int] = []

    def measures() -> bool:
        workers[:] = _workers_of(process.pid)
        return bool(workers) and _cpu_s(workers[0]) > 4

    try:
        wait_for(measures, "the measuring to begin")
        yield process, workers[0], here
    finally:
        process.kill()
        process.communicate()


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _alive(pid: int) -> bool:
    return "lab.bench.worker" in _arguments(pid)


def _arguments(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


Going = tuple[subprocess.Popen[str], int, Path]


def test_ctrl_c_keeps_what_was_measured_and_ends_with_2(going: Going) -> None:
    process, worker, folder = going
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 2, out
    assert "The speed test was interrupted." in out
    assert "Traceback" not in out
    (path,) = folder.iterdir()
    document = json.loads(path.read_text())
    assert document["ended"] == "interrupted"
    assert f"--show {path}" in out
    assert not _alive(worker)


def test_kill_leaves_a_whole_file_and_nothing_that_measures_on(going: Going) -> None:
    process, worker, folder = going
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    wait_for(lambda: not _alive(worker), "the measuring process to end")
    (path,) = folder.iterdir()
    assert json.loads(path.read_text())["ended"] == "running"


def test_killed_worker_is_named_and_the_run_goes_on(command: CommandLine, tmp_path: Path) -> None:
    here = tmp_path / "results"
    process = command.begin(
        "bench", "--only", "launch", "--budget", "20", "--json", LAB_RESULTS=str(here)
    )
    workers: list[int] = []

    def measures() -> bool:
        workers[:] = _workers_of(process.pid)
        return bool(workers)

    wait_for(measures, "a process that measures")
    os.kill(workers[0], signal.SIGKILL)
    process.communicate(timeout=120)
    assert process.returncode == 0
    (path,) = here.iterdir()
    document = json.loads(path.read_text())
    assert len(document["problems"]) == 1
    assert "it was killed" in document["problems"][0]
    assert document["cases"][0]["samples_s"]


@pytest.mark.root
def test_full_disk_shows_before_anything_is_measured(command: CommandLine, tmp_path: Path) -> None:
    with mounted(tmp_path / "full", "16k") as folder:
        (folder / "filler").write_bytes(bytes(4096 * 4))
        refused = command(*SHORT, LAB_RESULTS=str(folder))
        check_refused(refused)
        assert "No space left on device" in refused.err
        assert [path.name for path in folder.iterdir()] == ["filler"]


@pytest.mark.root
def test_disk_that_fills_meanwhile_costs_no_figure(command: CommandLine, tmp_path: Path) -> None:
    """The first, empty record fits; the one with samples does not: it goes to standard output
    all the same."""
    with mounted(tmp_path / "small", "12k") as folder:
        refused = command(*SHORT, "--json", LAB_RESULTS=str(folder))
        check_refused(refused)
        assert "No space left on device" in refused.err
        assert json.loads(refused.out)["cases"][0]["samples_s"]
        (path,) = folder.iterdir()
        assert json.loads(path.read_text())["ended"] == "running"
