"""What the packages may be used for: the licence of each, as the receipt has it."""

import pytest

from lab.receipt.licences import PAGE, licences_text
from lab.receipt.make import COMMITTED, read_receipt
from lab.records.receipt import Package
from tests.conftest import ROOT

# Plainly MIT, BSD or Apache, in the words of the packages.
PLAIN = {
    "Apache 2.0", "Apache License, Version 2.0", "Apache Software License", "Apache-2.0",
    "BSD", "BSD 2-Clause License", "BSD 3-Clause License", "BSD License", "BSD-2-Clause",
    "BSD-3-Clause", "MIT", "MIT License", "MIT license",
}  # fmt: skip

# Permissive too, each with its reason.
AS_GOOD = {
    "0BSD": "BSD without the duty to name the authors",
    "Apache-2.0 WITH LLVM-exception": "Apache with fewer duties",
    "BSL-1.0": "Boost's: as MIT, and binaries need no notice",
    "CC0-1.0": "given to the public",
    "ISC": "as BSD-2-Clause in fewer words",
    "ISC License (ISCL)": "the same in a classifier's words",
    "ISC license": "the same",
    "MIT-0": "MIT without the duty to name the authors",
    "MIT-CMU": "as MIT, with a ban on using the authors' names",
    "PSF-2.0": "Python's own: as BSD",
    "PSFL": "the same",
    "Zlib": "as BSD: changes are to be marked",
}
# Of one package each, with its reason.
NAMED = {
    "matplotlib": ("License agreement for matplotlib versions 1.3.0 and later", "modelled on PSF"),
    "certifi": ("MPL-2.0", "copyleft for its own files alone, which are shipped as they came"),
    "fqdn": ("MPL-2.0", "copyleft for its own files alone, which are shipped as they came"),
}
# The receipt knows licences of what the images hold; of these only name and version.
UNSEEN = {
    "appnope": "BSD-2-Clause, macOS alone, in no image",
    "colorama": "BSD, Windows alone, in no image",
    "pywinpty": "MIT, Windows alone, in no image",
    "cuda-toolkit": "its wheel tells none: a list of NVIDIA's libraries, without any code",
}
# Free of charge and not free software; in the cuda lock alone. SECURITY.md says so.
NVIDIAS = {"LicenseRef-NVIDIA-Proprietary", "NVIDIA Proprietary Software"}


def packages() -> list[Package]:
    receipt = read_receipt(ROOT / COMMITTED)
    return [package for e in receipt.environments for package in e.packages]


def is_permissive(name: str, licence: str) -> bool:
    """Whether a package may be used and passed on by anybody, all its parts or a choice of them."""
    if name in NAMED:
        return licence == NAMED[name][0]
    if licence in PLAIN | AS_GOOD.keys():
        return True
    choices = [choice.split(" AND ") for choice in licence.split(" OR ")]
    return any(all(part in PLAIN | AS_GOOD.keys() for part in parts) for parts in choices)


def is_nvidias(package: Package) -> bool:
    return package.name.startswith("nvidia-") and package.licence in NVIDIAS


def test_every_licence_is_permissive() -> None:
    told = {(p.name, p.licence) for p in packages() if p.licence and not is_nvidias(p)}
    assert len(told) > 100
    assert [pair for pair in sorted(told) if not is_permissive(*pair)] == []


def test_packages_without_a_licence_in_the_receipt_are_known() -> None:
    untold = {p.name for p in packages()} - {p.name for p in packages() if p.licence}
    assert untold == UNSEEN.keys()


def test_what_is_not_free_is_in_the_cuda_lock_alone() -> None:
    holding = {
        e.lock
        for e in read_receipt(ROOT / COMMITTED).environments
        for p in e.packages
        if is_nvidias(p)
    }
    assert holding == {"cuda"}


def test_page_lists_every_package_with_its_licence() -> None:
    receipt = read_receipt(ROOT / COMMITTED)
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    assert page == licences_text(receipt), "./inv build --receipt writes it"
    assert "| MPL-2.0 | certifi, fqdn |" in page
    assert "nvidia-cublas (cuda)" in page


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("other", "GPL-3.0-only"), ("other", "MPL-2.0"), ("other", "MIT AND LGPL-2.1-only"),
        ("other", "BSD License; other terms"), ("other", ""), ("certifi", "GPL-3.0-only"),
    ],
)  # fmt: skip
def test_another_licence_is_noticed(name: str, licence: str) -> None:
    assert not is_permissive(name, licence)


def test_choice_of_licences_is_permissive_by_one_of_them() -> None:
    assert is_permissive("other", "GPL-2.0-only OR MIT")
