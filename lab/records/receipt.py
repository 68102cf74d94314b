"""What an installation of the lab is, down to the file and the bit, as a record."""

from typing import Literal

from msgspec import Struct

Status = Literal["same", "differs", "cannot tell"]


class Computed(Struct, frozen=True, kw_only=True):
    """The result of one small computation.

    Values are a few of the result's numbers, evenly spaced; the hash is over all of them."""

    name: str
    bound: bool
    """Every machine must give these very bits: the arithmetic leaves no choice."""
    tolerance: float | None = None
    """Where it does leave one: how far apart results may be, as a share of the largest value."""
    sha256: str
    values: list[float | None]
    """Null where JSON has no such number: nan, or infinite."""


class Fingerprint(Struct, frozen=True, kw_only=True):
    """What a machine computes. `deterministic` is the mode that `lab.seed` can turn on."""

    device: str
    mode: Literal["ordinary", "deterministic"]
    processor: str
    """The CPU's or the GPU's model."""
    capability: str
    """The widest instruction set that torch used."""
    threads: int
    results: list[Computed]


class Package(Struct, frozen=True, kw_only=True):
    """One package, as it was installed, or as the index has it. What is known from a lock alone
    lacks licence and files."""

    name: str
    version: str
    licence: str | None = None
    files: str | None = None
    """SHA-256 over its list of files with their hashes, without what each installation writes
    anew."""
    changed: list[str] = []
    """Files that are not what that list says, or are missing."""


class PackageSet(Struct, frozen=True, kw_only=True):
    """The packages that a lock gives on one platform, such as `Linux-x86_64`."""

    lock: str
    platform: str
    """`any` where they are read from the lock, which serves several."""
    packages: list[Package]


class BuiltImage(Struct, frozen=True, kw_only=True):
    """One image as built; null where the engine does not keep images as they were built."""

    target: str
    platform: str
    name: str
    digest: str | None = None
    base: str
    base_digest: str | None = None
    inputs: str
    """Hash of all files that the image is made of."""
    python: str
    builder: str
    """The engine that built it."""


class Machine(Struct, frozen=True, kw_only=True):
    """Where a receipt was taken. Nothing in it names a person or a host."""

    engine: str
    device: str
    image: str | None = None
    image_digest: str | None = None
    image_inputs: str | None = None
    python: str
    platform: str
    threads: int
    """That torch uses in one operator."""
    processors: int
    settings: dict[str, str] = {}
    """Variables that change what is computed, or with how many threads."""
    strangers: list[str] = []
    """Files beside the packages that belong to none of them."""
    code: dict[str, str] = {}
    """The lab's own files as the process sees them, with their hashes."""
    not_computed: dict[str, str] = {}
    """Fingerprints that could not be had, such as `cpu, ordinary`, and why."""
    edited: list[str] = []
    """The lab's files in the clone that are not as they were committed."""
    edited_unknown: str = ""
    """Why that could not be seen."""


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was compared."""

    name: str
    status: Status
    seen: str
    next: str = ""
    """What to do; with every status but `same`."""

    def __post_init__(self) -> None:
        """Refuse a difference without a remedy."""
        if (self.status == "same") == bool(self.next):
            raise ValueError(f"{self.name}: `next` goes with every status but same")


class Verification(Struct, frozen=True, kw_only=True):
    """A machine beside a receipt."""

    against: str
    """SHA-256 of the receipt that it was compared with."""
    verdict: Status
    findings: list[Finding]


class Receipt(Struct, frozen=True, kw_only=True):
    """What makes an installation of the lab what it is. Version 1 of the schema is the first.

    The one in the repository holds what does not depend on the base image. A teacher's build adds
    `images` and `code`, a look at a machine `machine` and `verification`."""

    schema: Literal["lab/receipt/1"] = "lab/receipt/1"
    base: str
    """The base image that the Dockerfile names, with its digest."""
    python: str
    """Such as `3.11`."""
    tools: dict[str, str]
    locks: dict[str, str]
    """SHA-256 of each lock."""
    environments: list[PackageSet]
    fingerprints: list[Fingerprint]
    images: list[BuiltImage] = []
    code: dict[str, str] = {}
    """SHA-256 of every file that the image is made of."""
    machine: Machine | None = None
    verification: Verification | None = None


class Group(Struct, frozen=True, kw_only=True):
    """Receipts that differ in the same things, or in nothing."""

    members: list[str]
    differences: list[Finding] = []


class ClassReport(Struct, frozen=True, kw_only=True):
    """The receipts of a class beside one another. Version 1 of the schema is the first."""

    schema: Literal["lab/class/1"] = "lab/class/1"
    against: str
    groups: list[Group]
    unreadable: dict[str, str] = {}
    """Files that are no receipts, and why."""
