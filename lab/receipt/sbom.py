"""A software bill of materials in CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lab import __version__
from lab.records.receipt import Package, PackageSet

if TYPE_CHECKING:
    from cyclonedx.model.component import Component


def make_sbom(packages: PackageSet, hashes: Mapping[str, tuple[str, ...]], epoch_s: int) -> str:
    """A bill of the packages of an image, as JSON; the same for the same packages.

    Args:
        packages: with licences.
        hashes: by package, `sha256:…` of the files that the lock allows.
        epoch_s: its time stamp, in seconds since 1970.
    """
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6

    root = Component(
        name="pytorch-lab", version=__version__, type=ComponentType.CONTAINER,
        bom_ref=f"pytorch-lab:{packages.lock}",
    )  # fmt: skip
    bom = Bom(components=[_component(p, hashes.get(p.name, ())) for p in packages.packages])
    bom.metadata.component = root
    bom.metadata.timestamp = datetime.fromtimestamp(epoch_s, UTC)
    named = "\n".join(f"{p.name}=={p.version} {p.files}" for p in packages.packages)
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_OID, named)
    bom.register_dependency(root, bom.components)
    return str(JsonV1Dot6(bom).output_as_string(indent=2))


def _component(package: Package, hashes: tuple[str, ...]) -> "Component":
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    url = PackageURL(type="pypi", name=package.name, version=package.version)
    files = [Property(name="pytorch-lab:files", value=package.files)] if package.files else []
    licence = [LicenseFactory().make_from_string(package.licence)] if package.licence else []
    return Component(
        name=package.name, version=package.version, type=ComponentType.LIBRARY, purl=url,
        bom_ref=str(url), licenses=licence, properties=files,
        hashes=[
            HashType(alg=HashAlgorithm.SHA_256, content=value.partition(":")[2])
            for value in hashes
        ],
    )  # fmt: skip
