"""Follows a run until nothing of it waits or runs: by the files of the nodes, and by Slurm."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lab.cluster.folder import Attempt, RunFolder
from lab.cluster.look import Jobs, last_attempts, look_at, look_at_jobs
from lab.cluster.slurm import WAITING, Job, cancel, read_nodes
from lab.cluster.states import Phase, phase_of
from lab.errors import LabError

_POLL_S = 2.0
_MANY = 64  # nodes from which on Slurm's controller is asked less often
_POLL_MANY_S = 5.0
# A file that a node wrote last may be seen later than the end of its job.
_GRACE_S = 10.0
# A job that waits for a node that is down waits for ever; a node that boots is down for a while.
_BLOCKED_S = 30.0
_LOOK_AT_NODES_S = 10.0
# What every queue has; anything else may keep a job waiting for ever, as a limit on time does.
_ORDINARY = {"", "Dependency", "Priority", "Resources"}

_WORDS: tuple[Phase, ...] = ("pending", "running", "done", "lost")


@dataclass(kw_only=True)
class Follower:
    """Waits for a run.

    Args:
        run: the run.
        step: takes progress: nodes that are settled, of how many, and a line.
        say: takes lines that stay.
        sleep, clock: time, in seconds.
    """

    run: RunFolder
    step: Callable[[int, int, str], None]
    say: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _lost_since: dict[tuple[str, int], float] = field(default_factory=dict)
    _blocked_since: dict[str, float] = field(default_factory=dict)
    _silent: bool = False
    _told: set[str] = field(default_factory=set)
    _look_at_nodes: float = 0.0

    def wait(self) -> None:
        """Return when nothing of the run waits or runs any more."""
        while True:
            jobs = look_at_jobs(self.run)
            self._tell(jobs)
            attempts = last_attempts(self.run)
            phases = {self._key(a): self._phase(a, jobs) for a in attempts}
            count = Counter(phases.values())
            settled = count["done"] + count["lost"]
            words = ", ".join(f"{count[word]} {word}" for word in _WORDS)
            self.step(settled, len(attempts), words)
            if settled == len(attempts):
                return
            self._release([a for a in attempts if phases[self._key(a)] == "pending"], jobs)
            self.sleep(_POLL_MANY_S if len(attempts) > _MANY else _POLL_S)

    def _key(self, attempt: Attempt) -> tuple[str, int]:
        return attempt.entry.node, attempt.entry.attempt

    def _phase(self, attempt: Attempt, jobs: Jobs) -> Phase:
        """Lost is only what stays so for a while: files come late, and Slurm may not answer."""
        key = self._key(attempt)
        phase = phase_of(look_at(attempt, jobs, read=False))
        if phase != "lost" or attempt.entry.error:
            self._lost_since.pop(key, None)
            return phase
        if not jobs.answered:
            return "running"
        since = self._lost_since.setdefault(key, self.clock())
        return phase if self.clock() - since >= _GRACE_S else "running"

    def _tell(self, jobs: Jobs) -> None:
        """Say once that Slurm does not answer, and once that it does again."""
        if jobs.answered == self._silent:
            self._silent = not jobs.answered
            words = "does not answer; waiting for it" if self._silent else "answers again"
            self.say(f"Slurm {words}")

    def _tell_why(self, waiting: Mapping[str, Job]) -> None:
        """Say once for each reason that is not every queue's what jobs wait for."""
        for node, job in waiting.items():
            if job.reason not in _ORDINARY | self._told:
                self._told.add(job.reason)
                self.say(f"the job of {node} waits: {job.reason}")

    def _release(self, pending: list[Attempt], jobs: Jobs) -> None:
        """Take back the jobs of nodes that are down or drained: they keep their row waiting."""
        waiting = {a.entry.node: job for a in pending if (job := jobs.of(a)) is not None}
        self._tell_why(waiting)
        now = self.clock()
        if not waiting or now < self._look_at_nodes:
            return
        self._look_at_nodes = now + _LOOK_AT_NODES_S
        try:
            down = {node.name for node in read_nodes() if not node.available}
        except LabError:  # it will answer later
            return
        for node in set(self._blocked_since) - down:
            del self._blocked_since[node]
        for node in down & waiting.keys():
            since = self._blocked_since.setdefault(node, now)
            if now - since >= _BLOCKED_S and waiting[node].state in WAITING:
                self.say(f"{node} is down or drained: its job {waiting[node].id} is taken back")
                cancel([waiting[node].id])
