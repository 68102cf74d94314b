"""What `build` made."""

from msgspec import Struct


class BuildReport(Struct, frozen=True, kw_only=True):
    """An image that was built. Version 1 of the schema is the first."""

    schema: str = "lab/build/1"
    image: str
    device: str
    digest: str | None = None
    """Of the platform's manifest, `sha256:…`; null where the engine does not keep images as
    built."""
    compressed_bytes: int | None = None
    """What a student downloads; null likewise."""
    inputs: str
    """Hash of all that the image is made of."""
    lock: str
    """Hash of the lock its packages came from."""
    base: str | None
    """The image it was built on, by digest, or the stand-in's name; null where an archive was
    taken."""
    archive: str | None = None
    """The file that holds the image, to be carried elsewhere."""
    sif: str | None = None
    """The image file for Apptainer; its label `pytorch-lab.digest` is `digest`."""
    sif_bytes: int | None = None
    identical: bool | None = None
    """Whether two builds from nothing gave this digest; null where that was not tried."""
    duration_s: float
    receipt: str | None = None
    """The file that students compare with, where one was asked for."""
    sbom: str | None = None
    """The list of packages in CycloneDX's form, likewise."""
