"""Where packages come from: a private CA and a wheelhouse."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.doctor.words import few
from lab.locks.sources import TORCH_CPU_WHEEL, PackageSources
from lab.records.doctor import Finding

CA_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT")
# A system's bundle has some 140 certificates, of which one or two are always past their date: no
# trouble. A file of a few is a private CA's own, and there each one counts.
_SMALL_BUNDLE = 10


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """What a file of certificates holds.

    Args:
        problem: why it cannot be read; empty when it can.
        total: how many certificates.
        expired: names of the authorities whose date has passed.
        early: names of those whose date has not come. Python shows the dates of authorities alone.
    """

    problem: str = ""
    total: int = 0
    expired: tuple[str, ...] = ()
    early: tuple[str, ...] = ()


def read_certificates(path: Path, now_s: float) -> Certificates:
    """Read a PEM file as Python's own TLS does.

    Args:
        path: the file.
        now_s: seconds since 1970.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        content = path.read_bytes()
    except OSError as error:
        return Certificates(problem=error.strerror or type(error).__name__)
    if b"-----BEGIN CERTIFICATE-----" not in content:
        return Certificates(problem="it holds no certificate in PEM form")
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        return Certificates(problem=f"it is damaged ({error.reason})")
    found = context.get_ca_certs()
    return Certificates(
        total=context.cert_store_stats()["x509"],
        expired=tuple(_name(c) for c in found if _seconds(c["notAfter"]) < now_s),
        early=tuple(_name(c) for c in found if _seconds(c["notBefore"]) > now_s),
    )


def _seconds(date: object) -> float:
    return float(ssl.cert_time_to_seconds(str(date)))


def _name(certificate: Mapping[str, object]) -> str:
    """The common name of a certificate, or its organisation's."""
    subject = certificate.get("subject", ())
    parts = dict(pair for group in subject for pair in group) if isinstance(subject, tuple) else {}
    return str(parts.get("commonName") or parts.get("organizationName") or "one without a name")


def check_ca(variable: str, path: str, found: Certificates) -> Finding:
    """Say whether a file of certificates that a variable names can be used.

    Args:
        variable: SSL_CERT_FILE or PIP_CERT.
        path: its value.
        found: what the file holds.
    """
    seen = f"{variable}={path}"
    outdated = _outdated(found)
    if found.problem:
        return _bad_ca(variable, f"{seen}: {found.problem}")
    if outdated and found.total == len(found.expired) + len(found.early):
        return _bad_ca(variable, f"{seen}: {outdated}")
    if outdated and found.total <= _SMALL_BUNDLE:
        return Finding(
            name=_ca_name(variable),
            status="warn",
            seen=f"{seen}: {outdated}",
            why="servers that it vouches for are refused",
            next="ask those who run your network for the new certificate; check the clock",
        )
    noun = "certificate" if found.total == 1 else "certificates"
    return Finding(name=_ca_name(variable), status="ok", seen=f"{seen}: {found.total} {noun}")


def _outdated(found: Certificates) -> str:
    if found.expired:
        return f"past its date: {few(list(found.expired))}"
    return f"not valid yet: {few(list(found.early))}" if found.early else ""


def _bad_ca(variable: str, seen: str) -> Finding:
    return Finding(
        name=_ca_name(variable),
        status="fail",
        seen=seen,
        why="every download of a package is refused: no server can be trusted with it",
        next=f"set {variable} to your network's certificates (PEM), or unset it; check the clock",
    )


def _ca_name(variable: str) -> str:
    return "ca" if variable == "SSL_CERT_FILE" else "ca-pip"


def check_wheelhouse(
    sources: PackageSources, *, system: str, machine: str, device: str, offline: bool
) -> Finding | None:
    """Say whether the wheelhouses exist and have torch for this machine.

    Args:
        sources: what the environment says.
        system: platform.system().
        machine: platform.machine().
        device: torch's CPU build for Linux is in no ordinary index; other builds are.
        offline: whether indexes are switched off, so that a wheelhouse must hold everything.
    """
    if not sources.find_links:
        return None
    missing = [str(folder) for folder in sources.folders if not folder.is_dir()]
    if missing:
        return Finding(
            name="wheelhouse",
            status="fail",
            seen=f"PIP_FIND_LINKS names what is not a folder: {few(missing)}",
            why="uv stops at a wheelhouse that it cannot read",
            next="mount or make that folder, or unset PIP_FIND_LINKS",
        )
    shown = few(list(sources.find_links))
    if system != "Linux" or device == "cuda" or _has_torch(sources, machine):
        return Finding(name="wheelhouse", status="ok", seen=f"wheelhouse: {shown}")
    other = " for this processor" if sources.holds_torch_cpu else ""
    return Finding(
        name="wheelhouse",
        status="fail" if offline else "warn",
        seen=f"{shown} has no {TORCH_CPU_WHEEL.replace('*', machine)}",
        why=f"torch's CPU build{other} must then come from PyTorch's own index"
        + (", and indexes are switched off" if offline else "; without a network nothing installs"),
        next="put that wheel into the wheelhouse",
    )


def _has_torch(sources: PackageSources, machine: str) -> bool:
    if sources.remote_links:
        return True
    wheels = (wheel.name for folder in sources.folders for wheel in folder.glob(TORCH_CPU_WHEEL))
    return any(name.endswith(f"_{machine}.whl") for name in wheels)
