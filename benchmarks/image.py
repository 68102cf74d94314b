"""Size of the images, and how long they take to build: with no step of an earlier build, and
after a change in lab/.

    python3 benchmarks/image.py [--device cpu|cuda|all]

The change is made in a copy of the clone. Wheels that an earlier build fetched are used again.
Ends with 3 where a target is missed: cpu under 400 MB, cuda under 3000 MB, a change under 10 s.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT_BYTES = {"cpu": 400e6, "cuda": 3000e6}
CHANGE_S = 10


def build(clone: Path, *words: str) -> dict[str, float]:
    """One build's report."""
    done = subprocess.run(
        [str(clone / "inv"), "build", "--json", *words], stdout=subprocess.PIPE, check=True
    )
    report: dict[str, float] = json.loads(done.stdout)
    return report


def measure(device: str, place: Path) -> bool:
    """Measure one image and print its line; whether it reaches the targets."""
    whole = build(ROOT, "--device", device, "--no-cache")
    clone = place / device
    shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(".git", "env-*", "work", ".lab"))
    build(clone, "--device", device)  # makes the copy's runner; no step is new
    with (clone / "lab" / "units.py").open("a", encoding="utf-8") as file:
        file.write("\n# a change\n")
    changed = build(clone, "--device", device)
    print(
        f"{device}: {whole['compressed_bytes'] / 1e6:.0f} MB compressed, {whole['duration_s']:.0f}"
        f" s from nothing, {changed['duration_s']:.1f} s after a change in lab/"
    )
    return whole["compressed_bytes"] < LIMIT_BYTES[device] and changed["duration_s"] < CHANGE_S


def main() -> int:
    """Measure what was asked for; 0 when all targets are reached, else 3."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", choices=["cpu", "cuda", "all"], default="cpu")
    device = parser.parse_args().device
    devices = ["cpu", "cuda"] if device == "all" else [device]
    with tempfile.TemporaryDirectory() as place:
        reached = [measure(name, Path(place)) for name in devices]  # all, also after a miss
        return 0 if all(reached) else 3


if __name__ == "__main__":
    sys.exit(main())
