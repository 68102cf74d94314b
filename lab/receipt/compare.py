"""Sets a machine beside a receipt, item by item: the same, different, or not to be told."""

import shlex
from collections.abc import Iterator, Mapping

from lab.receipt.bits import compare_fingerprints
from lab.receipt.contents import compare_files, compare_packages
from lab.receipt.finding import differing, differs, few, same, unknown
from lab.receipt.identity import hash_receipt
from lab.receipt.settings import is_of_threads
from lab.records.receipt import Finding, Machine, Receipt, Status, Verification

_CONTAINERS = ("docker", "podman", "apptainer")
_NOT_COMPUTED = (
    "see `packages` and `files` above, and whether torch loads: ./inv shell --command"
    " 'python -c \"import torch\"'"
)
# An image has no use for what makes and starts it.
_IN_IMAGE = ("lab/", "docker/locks/", "pyproject.toml", "tasks.py")


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
    yield from compare_packages(reference, seen.environments[0])
    yield compare_files(seen.environments[0], machine)
    yield from _settings(reference, machine)
    for name, why in machine.not_computed.items():
        yield differs(name, f"could not be computed: {why}", _NOT_COMPUTED)
    if seen.fingerprints or not machine.not_computed:
        yield from compare_fingerprints(reference.fingerprints, seen.fingerprints)


def _locks(reference: Receipt, seen: Receipt) -> Finding:
    found = differing(reference.locks, seen.locks)
    if found:
        return differs(
            "locks", few(found),
            "git checkout docker/locks; after a renewal on purpose ./inv build --receipt",
        )  # fmt: skip
    return same("locks", f"{len(reference.locks)} locks")


def _base(reference: Receipt, seen: Receipt) -> Finding:
    if not seen.base:
        return unknown("base", "no Dockerfile lies here", "verify from the clone on the host")
    if reference.base != seen.base:
        return differs(
            "base", f"the Dockerfile names {seen.base}, the receipt {reference.base}",
            "take the version of the lab that the receipt is of",
        )  # fmt: skip
    return same("base", seen.base)


def _code(reference: Receipt, seen: Receipt, machine: Machine) -> Finding:
    name = "lab"
    if reference.code:
        wanted = reference.code
        if machine.engine == "image":
            wanted = {p: h for p, h in wanted.items() if _in_image(p)}
        found = differing(wanted, seen.code)
        if found:
            return differs(
                name, few(found), "git status shows what was edited; git pull, or the version of"
                " the lab that the receipt is of",
            )  # fmt: skip
        return same(name, f"{len(wanted)} files")
    if machine.edited:
        return differs(
            name, few(machine.edited), "git diff shows it, git checkout FILE takes it back"
        )
    if machine.edited_unknown:
        return unknown(
            name, machine.edited_unknown,
            "a teacher's receipt names every file: ./inv verify --receipt FILE",
        )  # fmt: skip
    return same(name, f"{len(seen.code)} files, as committed")


def _in_image(path: str) -> bool:
    return path.startswith(_IN_IMAGE)


def _image(reference: Receipt, machine: Machine) -> Finding:
    found = f"{machine.image}, {machine.image_digest or 'no digest'}"
    wanted = [i for i in reference.images if i.target == _target(machine)]
    if not wanted:
        return unknown(
            "image", f"{found}; the receipt names no image",
            "a teacher's names it: ./inv build --receipt",
        )  # fmt: skip
    if machine.image_digest is None and machine.image_inputs is None:
        return unknown(
            "image", f"{machine.image}, of which {machine.engine} tells neither digest nor labels",
            "what it holds is compared below",
        )  # fmt: skip
    known = {image.digest for image in wanted if image.digest}
    if machine.image_digest in known:
        return same("image", found)
    inputs = {image.inputs for image in wanted}
    if machine.image_inputs in inputs:
        told = ", ".join(sorted(f"{i.base} ({i.base_digest})" for i in wanted))
        return unknown(
            "image",
            f"{found}; of the same files as the receipt's, on another base than {told}, for another"
            " platform, or kept in another form",
            "what it holds is compared below; for the very image take your teacher's: --image NAME",
        )  # fmt: skip
    return differs(
        "image", f"{found}; the receipt has {few(sorted(known)) or 'no digest'}",
        "build it from the same version of the lab (./inv build), or take your teacher's image",
    )  # fmt: skip


def _target(machine: Machine) -> str:
    return "cuda" if machine.device == "cuda" else "cpu"


def _code_in_image(seen: Receipt, machine: Machine) -> Finding:
    wanted = {path: value for path, value in seen.code.items() if _in_image(path)}
    found = differing(wanted, machine.code)
    if found:
        return differs(
            "lab in image", few(found), "./inv build makes the image of this clone's files"
        )
    return same("lab in image", f"{len(wanted)} files, as in the clone")


def _python(reference: Receipt, machine: Machine) -> Finding:
    exact = {image.python for image in reference.images if image.target == _target(machine)}
    if machine.engine in _CONTAINERS and exact and machine.python not in exact:
        return differs(
            "python", f"{machine.python}; the receipt has {few(sorted(exact))}",
            "build the image on the same base, or take your teacher's image",
        )  # fmt: skip
    if not f"{machine.python}.".startswith(f"{reference.python}."):
        return differs(
            "python", f"{machine.python}; the receipt has {reference.python}",
            "delete the environment under .lab/, and let ./inv make it anew",
        )  # fmt: skip
    return same("python", f"{machine.python}, a {reference.python}")


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
        yield differs("threads", f"{seen}; {few(threads)}", _undo(said, wanted, threads=True))
    else:
        chosen = any(map(is_of_threads, wanted))
        yield same(
            "threads", f"{seen}, " + ("as in the receipt" if chosen else "torch's own choice")
        )
    if others:
        yield differs("settings", few(others), _undo(said, wanted, threads=False))
    else:
        alike = "the same variables as in the receipt"
        yield same("settings", alike if wanted else "no variable changes what torch computes")


def _value(settings: Mapping[str, str], name: str) -> str:
    return repr(settings[name]) if name in settings else "not set"


def _undo(said: Mapping[str, str], wanted: Mapping[str, str], *, threads: bool) -> str:
    names = [name for name in said if is_of_threads(name) == threads]
    to_set = [f"export {name}={shlex.quote(wanted[name])}" for name in names if name in wanted]
    to_unset = [name for name in names if name not in wanted]
    words = [*to_set, *([f"unset {' '.join(to_unset)}"] if to_unset else [])]
    return "set it as in the receipt: " + "; ".join(words)
