"""Sets the packages of an installation beside a receipt's: versions, wheels, files."""

from collections.abc import Iterator, Sequence

from lab.receipt.finding import differs, few, same, unknown
from lab.records.receipt import Finding, Machine, Package, PackageSet, Receipt

_ANEW = (
    "on the host delete the environment under .lab/, and let ./inv make it anew; else ./inv build"
)


def compare_packages(reference: Receipt, seen: PackageSet) -> Iterator[Finding]:
    """Which packages there are, and whether each is the one of the receipt."""
    wanted = _package_set(reference, seen)
    if wanted is None:
        yield unknown(
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
        return differs("packages", few(said), _ANEW)
    if perhaps:
        return unknown(
            "packages",
            f"{len(seen.packages)} packages, at the versions of {wanted.lock};"
            f" {few(perhaps)}, which another platform may need",
            f"a receipt made on {seen.platform} tells: ./inv build --receipt",
        )  # fmt: skip
    return same("packages", f"{len(seen.packages)} packages, at the versions of {wanted.lock}")


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
        return differs("wheels", f"of the same version, but another build: {few(others)}", _ANEW)
    if len(both) < len(seen.packages):
        return unknown(
            "wheels",
            f"the receipt knows the contents of {len(both)} of {len(seen.packages)} packages on"
            f" {seen.platform}",
            "a receipt made on this platform knows them: ./inv build --receipt",
        )  # fmt: skip
    return same("wheels", f"{len(both)} packages, each with the files of the receipt's")


def compare_files(seen: PackageSet, machine: Machine) -> Finding:
    """Whether the files are those that the packages came with."""
    changed = [
        f"{path.removeprefix('../../../')} of {package.name} (edited or missing)"
        for package in seen.packages
        for path in package.changed
    ]
    changed += [f"{path} (of no package)" for path in machine.strangers]
    if changed:
        return differs("files", few(changed), _ANEW)
    return same("files", "every file of every package has the hash that came with it")
