"""Looks up known holes of the locked packages, by `uv audit`, in the database osv.dev."""

import os
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from lab.errors import LabError
from lab.locks.install import PYTHON
from lab.locks.sources import PackageSources, uv_environment
from lab.process import run
from lab.records.lock import KnownHole

# What is installed, and what the lab's own checks run. `peers` is in neither.
AUDITED = ("cpu", "cuda", "runner", "dev")
# A pin, and for which platforms it is. Advisories know no local build, such as 2.13.0+cpu.
_PIN = re.compile(
    r"^(?P<pin>[A-Za-z0-9][\w.-]*={2,3}[^\s;\\+]+)(?:\+[^\s;\\]*)?\s*(?:;(?P<where>[^\\]*))?"
)


class _Dependency(msgspec.Struct):
    name: str
    version: str


class _Vulnerability(msgspec.Struct):
    dependency: _Dependency
    id: str
    summary: str | None = None
    link: str | None = None
    fix_versions: list[str] = []


class _Answer(msgspec.Struct):
    """Of uv's document, which is no settled one yet; the runner's lock has one version of uv."""

    vulnerabilities: list[_Vulnerability]


def audit(
    folder: Path, uv: str, sources: PackageSources, *, say: Callable[[str], None],
    environ: Mapping[str, str] = os.environ,
) -> list[KnownHole]:  # fmt: skip
    """Look up every package of the locks.

    Args:
        folder: of the locks.
        uv: the program.
        sources: where packages come from.
        say: takes a line of progress.
        environ: LAB_ADVISORIES names another service that answers as osv.dev does.

    Returns:
        The holes, by package; each names the locks that it is in.

    Raises:
        LabError: the database, or the index of packages, does not answer.
    """
    found: dict[tuple[str, str, str], KnownHole] = {}
    for lock in AUDITED:
        say(f"looking up the packages of {lock} ...")
        text = (folder / f"{lock}.txt").read_text(encoding="utf-8")
        for hole in _ask(lock, requirements(text), uv, sources, environ.get("LAB_ADVISORIES", "")):
            key = (hole.package, hole.version, hole.id)
            before = found.get(key)
            locks = [*(before.locks if before else []), lock]
            found[key] = msgspec.structs.replace(hole, locks=locks)
    return [found[key] for key in sorted(found)]


def requirements(text: str) -> list[str]:
    """The pins of a lock as a project would ask for them: without hashes and local builds."""
    pins = filter(None, map(_PIN.match, text.splitlines()))
    return [
        pin["pin"].replace("===", "==") + (f" ; {pin['where'].strip()}" if pin["where"] else "")
        for pin in pins
    ]


def _ask(
    lock: str, wanted: list[str], uv: str, sources: PackageSources, service: str
) -> list[KnownHole]:
    """uv takes a script that says what it needs, https://peps.python.org/pep-0723/."""
    quoted = "".join(f"#   {msgspec.json.encode(line).decode()},\n" for line in wanted)
    head = f'# /// script\n# requires-python = "=={PYTHON}.*"\n# dependencies = [\n{quoted}# ]\n'
    with tempfile.TemporaryDirectory(prefix="lab-audit-") as place:
        script = Path(place) / f"{lock}.py"
        script.write_text(f"{head}# ///\n", encoding="utf-8")
        argv = [
            uv, "audit", "--quiet", "--preview-features", "audit-command,json-output",
            "--output-format", "json", *(["--service-url", service] if service else []),
            "--script", str(script),
        ]  # fmt: skip
        done = run(argv, env=uv_environment(sources), cwd=Path(place), timeout_s=300)
    try:
        answer = msgspec.json.decode(done.stdout, type=_Answer)
    except msgspec.DecodeError:
        raise LabError(
            "Known holes could not be looked up.", why=_cause(done.stderr) or done.last_words,
            next_step="run it where osv.dev and the index of packages are reached; a service like"
            " it is named by LAB_ADVISORIES",
        ) from None  # fmt: skip
    return [
        KnownHole(
            locks=[lock], package=v.dependency.name, version=v.dependency.version, id=v.id,
            summary=v.summary or "", link=v.link or "", mended_in=v.fix_versions,
        )
        for v in answer.vulnerabilities
    ]  # fmt: skip


def _cause(said: str) -> str:
    """uv's causes come one below the other, the last is the root."""
    lines = [line.strip().removeprefix("cause: ") for line in said.splitlines()]
    told = [line for line in lines if line and not line.startswith(("warning:", "hint:"))]
    return "; ".join(dict.fromkeys(told))[:500]
