"""How long `inv lab` takes until its page answers, beside a bare `docker run … jupyter lab`.

Both run the same image, in turn, in one run of this script: a warm-up of each that is not
counted, then five pairs. Run it with the lab's own Python, from the clone:

    ./inv shell --engine host --command "python $PWD/benchmarks/start.py"

Ends with 3 when the median of `inv lab` is more than 1.15 times the bare one's.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = 1.15
TOKEN = "start-benchmark"


def free_port() -> int:
    """A port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int, token: str) -> bool:
    """Whether the server on this port answers its user."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/status", headers={"Authorization": f"token {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def bare_s(image: str, work: Path) -> float:
    """Seconds from `docker run` until the page of a bare JupyterLab answers."""
    port = free_port()
    command = [
        "docker", "run", "--detach", "--rm", f"--publish=127.0.0.1:{port}:8888",
        f"--user={os.getuid()}:{os.getgid()}", f"--volume={work}:/work", image,
        "jupyter", "lab", "--ip=0.0.0.0", "--port=8888", "--no-browser", "--allow-root",
        f"--IdentityProvider.token={TOKEN}",
    ]  # fmt: skip
    begun = time.perf_counter()
    container = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    try:
        while not answers(port, TOKEN):
            if time.perf_counter() - begun > 120:
                raise SystemExit("the bare JupyterLab does not answer")
            time.sleep(0.01)
        return time.perf_counter() - begun
    finally:
        subprocess.run(["docker", "rm", "--force", container], capture_output=True, check=True)


def lab_s(work: Path, state: Path) -> float:
    """Seconds from `./inv lab` until its address has been printed and answers."""
    variables = {**os.environ, "LAB_STATE": str(state)}
    command = [str(ROOT / "inv"), "lab", "--engine", "docker", "--work", str(work), "--json"]
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    session = json.loads(done.stdout)
    if not answers(session["port"], session["url"].rpartition("=")[2]):
        raise SystemExit("the lab said that it was ready, and it does not answer")
    spent = time.perf_counter() - begun
    subprocess.run([str(ROOT / "inv"), "stop"], env=variables, capture_output=True, check=True)
    return spent


def main() -> int:
    """Measure and print; 0 when the target is reached, else 3."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=5, help="how many pairs are measured")
    parser.add_argument("--json", action="store_true", help="print JSON alone on standard output")
    options = parser.parse_args()
    variables = {**os.environ, "LAB_STATE": os.environ.get("LAB_STATE", str(ROOT / ".lab"))}
    built = subprocess.run(
        [str(ROOT / "inv"), "build", "--json"], env=variables, stdout=subprocess.PIPE, check=True
    )
    image = json.loads(built.stdout)["image"]
    bare, lab = [], []
    with tempfile.TemporaryDirectory() as place:
        work, state = Path(place) / "work", Path(place) / "state"
        work.mkdir()
        for number in range(options.pairs + 1):
            pair = (bare_s(image, work), lab_s(work, state))
            counted = "" if number else "  (warm-up, not counted)"
            print(f"bare {pair[0]:.2f} s   inv lab {pair[1]:.2f} s{counted}", file=sys.stderr)
            if number:
                bare.append(pair[0])
                lab.append(pair[1])
    result = {
        "bare_s": bare, "lab_s": lab, "bare_median_s": statistics.median(bare),
        "lab_median_s": statistics.median(lab), "target": TARGET, "image": image,
        "ratio": statistics.median(lab) / statistics.median(bare),
    }  # fmt: skip
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        print(
            f"median of {options.pairs}: bare {result['bare_median_s']:.2f} s, inv lab"
            f" {result['lab_median_s']:.2f} s, ratio {result['ratio']:.2f} (target: at most"
            f" {TARGET})"
        )
    return 0 if result["ratio"] <= TARGET else 3


if __name__ == "__main__":
    sys.exit(main())
