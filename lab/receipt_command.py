"""What `inv build --receipt` does after the build: writes receipts and a bill of materials."""

from pathlib import Path

from msgspec.structs import replace

from lab.engines.choose import Choice, choose
from lab.errors import LabError
from lab.image.build import BuildRequest
from lab.image.report import build_and_report
from lab.launch import Say, Wish, prepare
from lab.locks.lockfile import read_epoch, read_pins
from lab.paths import LOCKS, ROOT, results
from lab.process import run
from lab.receipt.identity import COMMITTED
from lab.receipt.licences import PAGE, licences_text
from lab.receipt.make import for_class, observed, read_earlier, renew
from lab.receipt.published import complete
from lab.receipt.sbom import make_sbom
from lab.receipt.worker import Look
from lab.records.build import BuildReport
from lab.records.receipt import BuiltImage, PackageSet
from lab.records.save import save, to_json
from lab.verify_command import look_through


def build_with_receipts(
    request: BuildRequest, *, check: bool, say: Say, archive: Path | None = None,
    with_sif: bool = False,
) -> BuildReport:  # fmt: skip
    """Build an image, look into it, and write what it is.

    The repository's receipt is written where it has changed; it is no part of the image.

    Args:
        request, check, say, archive, with_sif: as for `build_and_report`.

    Returns:
        The report of the image, with the files that were written.

    Raises:
        LabError: the image cannot be built or looked into, or a file cannot be written.
    """
    report = build_and_report(request, check=check, say=say, archive=archive, with_sif=with_sif)
    look = _look(report.image, say)
    path = ROOT / COMMITTED
    seen = renew(ROOT, look, request.device)
    committed = complete(seen, LOCKS, look.platform, request.sources, say)
    if committed != read_earlier(path):
        say(f"{COMMITTED} has changed: commit it")
        save(to_json(committed), path)
        save(licences_text(committed), ROOT / PAGE)
    folder = results()
    folder.mkdir(parents=True, exist_ok=True)
    receipt, bill = folder / "receipt.json", folder / f"sbom-{request.device}.cdx.json"
    image = _built(request, report, look)
    save(to_json(for_class(ROOT, committed, image, read_earlier(receipt))), receipt)
    save(_bill(observed(look, request.device)), bill)
    return replace(report, receipt=str(receipt), sbom=str(bill))


def _look(image: str, say: Say) -> Look:
    docker = choose("docker", "cpu")
    choice = Choice(engine="docker", device="cpu", gpu="none", why="", state=docker.state)
    wish = Wish(work=results(), engine="docker", device="cpu", image=image)
    command = ("python", "-m", "lab.receipt.worker", "cpu")
    say("looking into the image: every file of the packages, fingerprints ...")
    look = look_through(prepare(wish, command, say, piped=True, choice=choice))
    for name, why in look.not_computed.items():
        raise LabError(
            f"The fingerprint ({name}) could not be computed in the image.", why=why,
            next_step="see whether torch loads: ./inv shell --command 'python -c \"import torch\"'",
        )  # fmt: skip
    return look


def _built(request: BuildRequest, report: BuildReport, look: Look) -> BuiltImage:
    version = run(["docker", "version", "--format", "{{.Server.Version}}"], timeout_s=20)
    return BuiltImage(
        target=request.device, platform=look.platform, name=report.image, digest=report.digest,
        base=report.base or "", base_digest=_digest_of(report.base or ""), inputs=report.inputs,
        python=look.python, builder=f"docker {version.stdout.strip()}",
    )  # fmt: skip


def _digest_of(base: str) -> str | None:
    """Of a base image: in its name, or as the engine knows it."""
    if "@" in base:
        return base.partition("@")[2]
    done = run(["docker", "image", "inspect", "--format", "{{.Id}}", base], timeout_s=30)
    return done.stdout.strip() or None


def _bill(packages: PackageSet) -> str:
    locks = ROOT / "docker" / "locks"
    pins = read_pins((locks / f"{packages.lock}.txt").read_text(encoding="utf-8"))
    return make_sbom(packages, {pin.name: pin.hashes for pin in pins}, read_epoch(locks))
