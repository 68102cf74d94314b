"""A Docker daemon of the tests' own, to be killed and filled up; the machine's is left alone."""

import json
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

from tests.conftest import wait_for

_BRIDGE = "labfault0"
_ADDRESS = "172.31.77.1"
_SIZE = (
    "6G"  # the lab's image unpacked, its layers, and the base: 3 GB; the file takes what is used
)


def dockerd() -> Path | None:
    """The program of the daemon that runs here, or of one that is installed."""
    for process in psutil.process_iter(["name"]):
        if process.info["name"] == "dockerd":
            with suppress(psutil.Error):
                return Path(process.exe())
    found = shutil.which("dockerd")
    return Path(found) if found else None


class Engine:
    """One daemon with a disk and a bridge of its own; its containers reach no network."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.program, self.folder = program, folder
        self.data = folder / "data"
        self.socket = folder / "docker.sock"
        self.pidfile = folder / "pid"
        self.env = {"DOCKER_HOST": f"unix://{self.socket}"}
        self.daemon: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        """Make disk and bridge, and start."""
        disk = self.folder / "disk.img"
        subprocess.run(["truncate", f"--size={_SIZE}", disk], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", disk], check=True)
        self.data.mkdir()
        subprocess.run(["mount", "-o", "loop", disk, self.data], check=True)
        subprocess.run(["ip", "link", "add", _BRIDGE, "type", "bridge"], check=True)
        subprocess.run(["ip", "address", "add", f"{_ADDRESS}/24", "dev", _BRIDGE], check=True)
        subprocess.run(["ip", "link", "set", _BRIDGE, "up"], check=True)
        settings = {"features": {"containerd-snapshotter": True, "cdi": True}}
        (self.folder / "daemon.json").write_text(json.dumps(settings))
        self.start()

    def start(self) -> None:
        """Start the daemon and wait until it answers."""
        self.pidfile.unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            # Nothing answers at the bridge's address: names fail at once.
            self.daemon = subprocess.Popen(
                [
                    self.program, "--config-file", self.folder / "daemon.json",
                    "--data-root", self.data, "--exec-root", self.folder / "exec",
                    "--pidfile", self.pidfile, "--host", f"unix://{self.socket}",
                    "--iptables=false", "--ip6tables=false", "--bridge", _BRIDGE, "--dns", _ADDRESS,
                ],
                stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "PATH": f"{self.program.parent}:{os.environ['PATH']}"},
            )  # fmt: skip
        wait_for(lambda: self.docker("info").returncode == 0, "the daemon of the tests to answer")

    def docker(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the client against this daemon."""
        return subprocess.run(
            ["docker", *words], capture_output=True, text=True, check=False,
            env={**os.environ, **self.env},
        )  # fmt: skip

    def take(self, *images: str) -> None:
        """Copy images of the machine's own daemon into this one."""
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saved:
            subprocess.run(
                ["docker", "load", "--quiet"], stdin=saved.stdout, check=True, capture_output=True,
                env={**os.environ, **self.env},
            )  # fmt: skip
        assert saved.returncode == 0

    def processes(self) -> list[psutil.Process]:
        """The daemon, its containerd, and the shims that hold its containers."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                words = " ".join(process.cmdline()[1:])
                if f"{self.folder}/" in words and process.exe().startswith(
                    str(self.program.parent)
                ):
                    found.append(process)
        return found

    def shims(self) -> list[psutil.Process]:
        """The processes that hold a container each, also while no daemon runs."""
        return [p for p in self.processes() if "containerd-shim" in p.name()]

    def kill(self) -> None:
        """End the daemon as a crash would."""
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait()
        wait_for(
            lambda: len(self.processes()) == len(self.shims()),
            "the daemon and its containerd to end",
        )  # fmt: skip

    def revive(self) -> None:
        """Start the daemon again where a full disk has ended it, as an operator would.

        Its own databases are mapped files: a write that finds no room may end the whole daemon.
        """
        if self.docker("info").returncode != 0:
            self.kill()
            self.start()

    def remove(self) -> None:
        """End all that was started, whatever state it is in, and take away disk and bridge."""
        for name in self.docker("ps", "--all", "--quiet").stdout.split():
            self.docker("rm", "--force", name)
        if self.daemon is not None:
            self.daemon.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.daemon.wait(timeout=20)
        for process in self.processes():
            with suppress(psutil.Error):
                process.kill()
        if self.daemon is not None:
            self.daemon.wait()
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
        for point in reversed([line.split()[1] for line in mounts]):
            if point.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "--lazy", point], check=False)
        subprocess.run(["ip", "link", "delete", _BRIDGE], check=False, capture_output=True)
