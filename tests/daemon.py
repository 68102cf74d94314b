"""A Docker daemon of the tests' own, with its own disk; the machine's is left alone."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.conftest import wait_for

# An image unpacked, its layers, what the builder keeps, the base: 5 GB; it takes what is used.
_SIZE = "12G"


def dockerd() -> Path | None:
    """The program of the daemon that runs here, or of one that is installed."""
    for process in psutil.process_iter(["name"]):
        if process.info["name"] == "dockerd":
            with suppress(psutil.Error):
                return Path(process.exe())
    found = shutil.which("dockerd")
    return Path(found) if found else None


@dataclass(frozen=True, kw_only=True)
class Net:
    """The bridge of one daemon; what runs in its containers reaches no network unless `open`."""

    bridge: str
    address: str
    open: bool = False

    @property
    def options(self) -> list[str]:
        """The daemon's: the firewall is the machine's own daemon's, and stays as it is."""
        words = ["--iptables=false", "--ip6tables=false", "--bridge", self.bridge]
        # Nothing answers at the bridge's address: names fail at once.
        return words if self.open else [*words, "--dns", self.address]

    def make(self) -> None:
        """Make the bridge, and what leads out of it."""
        subprocess.run(["ip", "link", "add", self.bridge, "type", "bridge"], check=True)
        subprocess.run(
            ["ip", "address", "add", f"{self.address}/24", "dev", self.bridge], check=True
        )
        subprocess.run(["ip", "link", "set", self.bridge, "up"], check=True)
        if self.open:
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")
            for rule in self._rules("--insert"):
                subprocess.run(rule, check=True)

    def remove(self) -> None:
        """Take all of it away, as far as it is there."""
        if self.open:
            for rule in self._rules("--delete"):
                subprocess.run(rule, check=False, capture_output=True)
        subprocess.run(["ip", "link", "delete", self.bridge], check=False, capture_output=True)

    def _rules(self, how: str) -> list[list[str]]:
        outward = ["--source", f"{self.address}/24", "!", "--out-interface", self.bridge]
        return [
            ["iptables", "--wait", "--table", "nat", how, "POSTROUTING", *outward,
             "--jump", "MASQUERADE"],
            ["iptables", "--wait", how, "FORWARD", "--in-interface", self.bridge,
             "--jump", "ACCEPT"],
            ["iptables", "--wait", how, "FORWARD", "--out-interface", self.bridge,
             "--jump", "ACCEPT"],
        ]  # fmt: skip


@contextmanager
def engine_beside(*images: str, net: Net) -> Iterator["Engine"]:
    """A daemon beside the machine's own, with copies of images of that; gone afterwards."""
    program = dockerd()
    if program is None:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse("needs a dockerd that a test can start")
    with tempfile.TemporaryDirectory(
        prefix="lab-engine-", dir="/var/tmp", ignore_cleanup_errors=True
    ) as name:
        folder = Path(name)
        folder.chmod(0o755)
        made = Engine(program, folder, net)
        try:
            made.make()
            if images:
                made.take(*images)
            yield made
        finally:
            made.remove()


class Engine:
    """One daemon with a disk and a bridge of its own."""

    def __init__(self, program: Path, folder: Path, net: Net) -> None:
        self.program, self.folder, self.net = program, folder, net
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
        self.net.make()
        settings = {"features": {"containerd-snapshotter": True, "cdi": True}}
        (self.folder / "daemon.json").write_text(json.dumps(settings))
        self.start()

    def start(self) -> None:
        """Start the daemon and wait until it answers."""
        self.pidfile.unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.daemon = subprocess.Popen(
                [
                    self.program, "--config-file", self.folder / "daemon.json",
                    "--data-root", self.data, "--exec-root", self.folder / "exec",
                    "--pidfile", self.pidfile, "--host", f"unix://{self.socket}",
                    *self.net.options,
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
        self.net.remove()
