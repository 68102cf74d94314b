"""Kills at random points: how many, when, of whom, and what must hold after each.

LAB_KILLS says how many there are in all, LAB_KILLS_SEED which ones; a failure names both.
"""

import os
import random
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.conftest import CommandLine, Result, wait_for
from tests.jupyter import Server

KILLS = int(os.environ.get("LAB_KILLS", "40"))
SEED = int(os.environ.get("LAB_KILLS_SEED", "8"))
# Of whom, and how many of a hundred.
SHARES = {
    "lab": 20, "stop": 15, "course": 15, "bench": 4, "server": 15, "kernel": 18,
    "container": 10, "daemon": 3,
}  # fmt: skip


def count(victim: str) -> int:
    """How many kills are this one's share."""
    return max(1, round(KILLS * SHARES[victim] / 100))


def generator(victim: str) -> random.Random:
    """Moments that are the same in every run with this seed."""
    return random.Random(f"{victim} {SEED}")


@dataclass
class Killer:
    """Starts commands of one lab and kills them, at a moment of the time that they take.

    Args:
        command: the command line.
        rng: the moments.
    """

    command: CommandLine
    rng: random.Random
    takes_s: dict[str, float] = field(default_factory=dict)

    def whole(self, *words: str, **env: str) -> Result:
        """Run a command to its end; how long it takes is known from then on."""
        begun = time.monotonic()
        done = self.command(*words, **env)
        self.takes_s.setdefault(words[0], time.monotonic() - begun)
        assert done.code == 0, done.err
        assert "Traceback" not in done.out + done.err
        return done

    def kill(self, *words: str, **env: str) -> bool:
        """Start a command and kill it; False where it was quicker.

        Half of them are killed with all that they started, the others alone.
        """
        moment = self.rng.uniform(0, self.takes_s[words[0]])
        group = self.rng.random() < 0.5
        with tempfile.TemporaryFile("w+") as said:
            process = subprocess.Popen(
                [str(self.command.root / "inv"), *words], stdout=said, stderr=said,
                env=self.command.variables(**env), start_new_session=True,
            )  # fmt: skip
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=moment)
            killed = process.poll() is None
            if killed:
                (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
            process.wait()
            said.seek(0)
            text = said.read()
        print(f"{words[0]}: {'killed' if killed else 'ended'} after {moment:.2f} s", flush=True)
        assert "Traceback" not in text, text
        assert killed or process.returncode == 0, text
        return killed


def processes(state: Path) -> list[psutil.Process]:
    """All that belongs to a state folder and lives."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("LAB_STATE") == str(state):
                found.append(process)
    return [p for p in found if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def wait_until_nothing_lives(state: Path) -> None:
    """What was started ends by itself, soon after those that needed it."""
    wait_for(lambda: not processes(state), f"the end of {processes(state)}")


@dataclass
class Saver:
    """A page that saves one file after the other, as fast as the server takes them."""

    server: Server
    folder: Path
    saved: dict[str, str] = field(default_factory=dict)
    sent: dict[str, str] = field(default_factory=dict)

    def work(self) -> None:
        """Save until the server is gone."""
        for number in range(1_000_000):
            name, content = f"saved-{number % 3}.txt", f"{number}\n" * 2000
            self.sent[name] = content
            try:
                self.server.save(name, content)
            except (OSError, urllib.error.URLError, ValueError):
                return
            self.saved[name] = content

    def check(self) -> None:
        """What the page was told is saved is there; what was under way is there whole or not."""
        for name, content in self.saved.items():
            assert (self.folder / name).read_text() in (content, self.sent[name]), name


@contextmanager
def saving(server: Server, folder: Path) -> Iterator[Saver]:
    """Save in the background, until what is done meanwhile has ended the server."""
    saver = Saver(server, folder)
    thread = threading.Thread(target=saver.work)
    thread.start()
    wait_for(lambda: len(saver.saved) == 3, "the first files to be saved")
    yield saver
    thread.join(timeout=120)
    assert not thread.is_alive()
    saver.check()
