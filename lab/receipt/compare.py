"""Sets a machine beside a receipt, item by item: the same, different, or not to be told."""

import shlex
from collections.abc import Iterator, Mapping, Sequence

from lab.receipt.bits import compare_fingerprints
from lab.receipt.identity import hash_receipt
from lab.receipt.settings import is_of_threads
from lab.records.receipt import (
    Finding,
    Machine,
    Package,
    PackageSet,
    Receipt,
    Status,
    Verification,
)

_CONTAINERS = ("docker", "podman", "apptainer")
_MOST_NAMES = 4
_NOT_COMPUTED = (
    "see `packages` and `files` above, and whether torch loads: ./inv shell --command"
    " 'python -c \"import torch\"'"
)
# In a clone alone: an image has no use for what makes and starts it.
_OF_CLONE = ("inv", "compose.yaml", "docker/Dockerfile")


def verify(reference: Receipt, seen: Receipt) -> Verification:
    """Compare what was seen on a machine with a receipt.

    Args:
        reference: the repository's, or a teacher's.
        seen: with a machine.
    """
    findings = list(compare(reference, seen))
    verdict: Status = "differs" if any(f.status == "differs" for f in findings) else "same"
    return Verification(against=hash_receipt(reference), verdict=verdict, findings=findings)


def compare(reference: Receipt, seen: Receipt) -> Iterator[Finding]:
    """Every finding, in the order in which a person reads them."""
    machine = seen.machine
    assert machine is not None
    yield _locks(reference, seen)
    yield _base(reference, seen)
    yield _code(reference, seen, machine)
    if machine.engine in _CONTAINERS:
        yield _image(reference, machine)
        yield _code_in_image(seen, machine)
    yield _python(reference, machine)
    yield from _packages(reference, seen.environments[0])
    yield _files(seen.environments[0], machine)
    yield from _settings(reference, machine)
    for name, why in machine.not_computed.items():
        yield _differs(name, f"could not be computed: {why}", _NOT_COMPUTED)
    if seen.fingerprints or not machine.not_computed:
        yield from compare_fingerprints(reference.fingerprints, seen.fingerprints)


def _same(name: str, seen: str) -> Finding:
    return Finding(name=name, status="same", seen=seen)


def _differs(name: str, seen: str, next_step: str) -> Finding:
    return Finding(name=name, status="differs", seen=seen, next=next_step)


def _unknown(name: str, seen: str, next_step: str) -> Finding:
    return Finding(name=name, status="cannot tell", seen=seen, next=next_step)


def few(names: Sequence[str]) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def differing(wanted: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """The names under which two mappings differ, each with what became of it."""
    said = []
    for name in sorted(wanted.keys() | found.keys()):
        if name not in found:
            said.append(f"{name} (missing)")
        elif name not in wanted:
            said.append(f"{name} (added)")
        elif wanted[name] != found[name]:
            said.append(f"{name} (edited)")
    return said


def _locks(reference: Receipt, seen: Receipt) -> Finding:
    found = differing(reference.locks, seen.locks)
    if found:
        return _differs(
            "locks", few(found),
            "git checkout docker/locks; after a renewal on purpose ./inv build --receipt",
        )  # fmt: skip
    return _same("locks", f"{len(reference.locks)} locks")


def _base(reference: Receipt, seen: Receipt) -> Finding:
    if not seen.base:
        return _unknown("base", "no Dockerfile lies here", "verify from the clone on the host")
    if reference.base != seen.base:
        return _differs(
            "base", f"the Dockerfile names {seen.base}, the receipt {reference.base}",
            "take the version of the lab that the receipt is of",
        )  # fmt: skip
    return _same("base", seen.base)


def _code(reference: Receipt, seen: Receipt, machine: Machine) -> Finding:
    name = "lab"
    if reference.code:
        wanted = reference.code
        if machine.engine == "image":
            wanted = {p: h for p, h in wanted.items() if _in_image(p)}
        found = differing(wanted, seen.code)
        if found:
            return _differs(
                name, few(found), "git status shows what was edited; git pull, or the version of"
                " the lab that the receipt is of",
            )  # fmt: skip
        return _same(name, f"{len(wanted)} files")
    if machine.edited:
        return _differs(
            name, few(machine.edited), "git diff shows it, git checkout FILE takes it back"
        )
    if machine.edited_unknown:
        return _unknown(
            name, machine.edited_unknown,
            "a teacher's receipt names every file: ./inv verify --receipt FILE",
        )  # fmt: skip
    return _same(name, f"{len(seen.code)} files, as committed")


def _in_image(path: str) -> bool:
    return path not in _OF_CLONE and not path.endswith(".sh")


def _image(reference: Receipt, machine: Machine) -> Finding:
    found = f"{machine.image}, {machine.image_digest or 'no digest'}"
    wanted = [i for i in reference.images if i.target == _target(machine)]
    if not wanted:
        return _unknown(
            "image", f"{found}; the receipt names no image",
            "a teacher's names it: ./inv build --receipt",
        )  # fmt: skip
    if machine.image_digest is None and machine.image_inputs is None:
        return _unknown(
            "image", f"{machine.image}, of which {machine.engine} tells neither digest nor labels",
            "what it holds is compared below",
        )  # fmt: skip
    known = {image.digest for image in wanted if image.digest}
    if machine.image_digest in known:
        return _same("image", found)
    inputs = {image.inputs for image in wanted}
    if machine.image_inputs in inputs:
        told = ", ".join(sorted(f"{i.base} ({i.base_digest})" for i in wanted))
        return _unknown(
            "image",
            f"{found}; of the same files as the receipt's, on another base than {told}, for another"
            " platform, or kept in another form",
            "what it holds is compared below; for the very image take your teacher's: --image NAME",
        )  # fmt: skip
    return _differs(
        "image", f"{found}; the receipt has {few(sorted(known)) or 'no digest'}",
        "build it from the same version of the lab (./inv build), or take your teacher's image",
    )  # fmt: skip


def _target(machine: Machine) -> str:
    return "cuda" if machine.device == "cuda" else "cpu"


def _code_in_image(seen: Receipt, machine: Machine) -> Finding:
    wanted = {path: value for path, value in seen.code.items() if _in_image(path)}
    found = differing(wanted, machine.code)
    if found:
        return _differs(
            "lab in image", few(found), "./inv build makes the image of this clone's files"
        )
    return _same("lab in image", f"{len(wanted)} files, as in the clone")


def _python(reference: Receipt, machine: Machine) -> Finding:
    exact = {image.python for image in reference.images if image.target == _target(machine)}
    if machine.engine in _CONTAINERS and exact and machine.python not in exact:
        return _differs(
            "python", f"{machine.python}; the receipt has {few(sorted(exact))}",
            "build the image on the same base, or take your teacher's image",
        )  # fmt: skip
    if not f"{machine.python}.".startswith(f"{reference.python}."):
        return _differs(
            "python", f"{machine.python}; the receipt has {reference.python}",
            "delete the environment under .lab/, and let ./inv make it anew",
        )  # fmt: skip
    return _same("python", f"{machine.python}, a {reference.python}")


def _packages(reference: Receipt, seen: PackageSet) -> Iterator[Finding]:
    wanted = _package_set(reference, seen)
    if wanted is None:
        yield _unknown(
            "packages", f"the receipt has no packages of the lock {seen.lock}",
            f"a teacher's has: ./inv build --device {seen.lock} --receipt",
        )  # fmt: skip
        return
    yield _versions(wanted, seen)
    yield _contents(wanted, seen)


def _package_set(reference: Receipt, seen: PackageSet) -> PackageSet | None:
    """The set of this very platform, or else the lock's."""
    sets = {e.platform: e for e in reference.environments if e.lock == seen.lock}
    return sets.get(seen.platform) or sets.get("any")


def _versions(wanted: PackageSet, seen: PackageSet) -> Finding:
    asked, found = _by_version(wanted.packages), _by_version(seen.packages)
    said: list[str] = []
    perhaps: list[str] = []
    for name in sorted(asked.keys() | found.keys()):
        if name not in found:
            # A lock also names what other platforms need.
            (perhaps if wanted.platform == "any" else said).append(f"{name} is missing")
        elif name not in asked:
            said.append(f"{name} {found[name]} was added")
        elif found[name] != asked[name] and found[name] not in asked[name].split(" and "):
            said.append(f"{name} {found[name]} in place of {asked[name]}")
    if said:
        return _differs("packages", few(said), _ANEW)
    if perhaps:
        return _unknown(
            "packages",
            f"{len(seen.packages)} packages, at the versions of {wanted.lock};"
            f" {few(perhaps)}, which another platform may need",
            f"a receipt made on {seen.platform} tells: ./inv build --receipt",
        )  # fmt: skip
    return _same("packages", f"{len(seen.packages)} packages, at the versions of {wanted.lock}")


_ANEW = (
    "on the host delete the environment under .lab/, and let ./inv make it anew; else ./inv build"
)


def _by_version(packages: Sequence[Package]) -> dict[str, str]:
    versions: dict[str, list[str]] = {}
    for package in packages:
        versions.setdefault(package.name, []).append(package.version)
    return {name: " and ".join(sorted(set(v))) for name, v in versions.items()}


def _contents(wanted: PackageSet, seen: PackageSet) -> Finding:
    """Whether each package is the one of the receipt, by its list of files."""
    asked = {(p.name, p.version): p.files for p in wanted.packages if p.files}
    both = [p for p in seen.packages if (p.name, p.version) in asked]
    others = [p.name for p in both if p.files != asked[p.name, p.version]]
    if others:
        return _differs("wheels", f"of the same version, but another build: {few(others)}", _ANEW)
    if len(both) < len(seen.packages):
        return _unknown(
            "wheels",
            f"the receipt knows the contents of {len(both)} of {len(seen.packages)} packages on"
            f" {seen.platform}",
            "a receipt made on this platform knows them: ./inv build --receipt",
        )  # fmt: skip
    return _same("wheels", f"{len(both)} packages, each with the files of the receipt's")


def _files(seen: PackageSet, machine: Machine) -> Finding:
    changed = [
        f"{path.removeprefix('../../../')} of {package.name} (edited or missing)"
        for package in seen.packages
        for path in package.changed
    ]
    changed += [f"{path} (of no package)" for path in machine.strangers]
    if changed:
        return _differs("files", few(changed), _ANEW)
    return _same("files", "every file of every package has the hash that came with it")


def _settings(reference: Receipt, machine: Machine) -> Iterator[Finding]:
    wanted = reference.machine.settings if reference.machine else {}
    said = {
        name: f"{name} is {_value(machine.settings, name)}, in the receipt {_value(wanted, name)}"
        for name in sorted(wanted.keys() | machine.settings.keys())
        if wanted.get(name) != machine.settings.get(name)
    }
    threads = [text for name, text in said.items() if is_of_threads(name)]
    others = [text for name, text in said.items() if not is_of_threads(name)]
    seen = f"{machine.threads} on {machine.processors} processors"
    if threads:
        yield _differs("threads", f"{seen}; {few(threads)}", _undo(said, wanted, threads=True))
    else:
        chosen = any(map(is_of_threads, wanted))
        yield _same(
            "threads", f"{seen}, " + ("as in the receipt" if chosen else "torch's own choice")
        )
    if others:
        yield _differs("settings", few(others), _undo(said, wanted, threads=False))
    else:
        same = "the same variables as in the receipt"
        yield _same("settings", same if wanted else "no variable changes what torch computes")


def _value(settings: Mapping[str, str], name: str) -> str:
    return repr(settings[name]) if name in settings else "not set"


def _undo(said: Mapping[str, str], wanted: Mapping[str, str], *, threads: bool) -> str:
    names = [name for name in said if is_of_threads(name) == threads]
    to_set = [f"export {name}={shlex.quote(wanted[name])}" for name in names if name in wanted]
    to_unset = [name for name in names if name not in wanted]
    words = [*to_set, *([f"unset {' '.join(to_unset)}"] if to_unset else [])]
    return "set it as in the receipt: " + "; ".join(words)
