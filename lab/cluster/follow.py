"""Follows a run until nothing of it waits or runs: by the files of the nodes, and by Slurm."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from lab.cluster.attempt import Attempt
from lab.cluster.folder import RunFolder
from lab.cluster.live import progress_of
from lab.cluster.look import Jobs, last_attempts, look_at, look_at_jobs
from lab.cluster.nodelist import compress
from lab.cluster.slurm import WAITING, WORKING, Job, SlurmNode, cancel, read_nodes
from lab.cluster.states import Phase, Seen, phase_of
from lab.cluster.submit import submit_wanted
from lab.errors import LabError
from lab.records.progress import RunProgress

_POLL_S = 2.0
_MANY = 64  # nodes from which on Slurm's controller is asked less often
_POLL_MANY_S = 5.0
# A file that a node wrote last may be seen later than the end of its job.
_GRACE_S = 10.0
# A job that waits for a node that is down waits for ever; a node that boots is down for a while.
_BLOCKED_S = 30.0
_LOOK_AT_NODES_S = 10.0
# Where the queue is full and none of the run's own jobs has ended, others' may have.
_SUBMIT_AGAIN_S = 60.0
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
        view: takes how far each node is, before the step that goes with it.
        sleep, clock: time, in seconds.
    """

    run: RunFolder
    step: Callable[[int, int, str], None]
    say: Callable[[str], None]
    view: Callable[[RunProgress], None] = lambda _: None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _lost_since: dict[tuple[str, int], float] = field(default_factory=dict)
    _blocked_since: dict[str, float] = field(default_factory=dict)
    _stuck_since: dict[str, float] = field(default_factory=dict)
    _silent: bool = False
    _told: set[str] = field(default_factory=set)
    _look_at_nodes: float = 0.0
    _full_at: int | None = None
    _submit_again: float = 0.0

    def wait(self) -> None:
        """Return when nothing of the run is wanted, waits or runs any more."""
        while True:
            jobs = look_at_jobs(self.run)
            self._tell(jobs)
            self._submit(jobs)
            attempts = last_attempts(self.run)
            phases = {self._key(a): self._phase(a, jobs) for a in attempts}
            count = Counter(phases.values())
            settled = count["done"] + count["lost"]
            words = ", ".join(f"{count[word]} {word}" for word in _WORDS)
            self.view(progress_of(attempts, {node: each for (node, _), each in phases.items()}))
            self.step(settled, len(attempts), words)
            stuck = self._end_stuck(phases, jobs)
            if settled == len(attempts) and not stuck:
                return
            self._release([a for a in attempts if phases[self._key(a)] == "pending"], jobs)
            self.sleep(_POLL_MANY_S if len(attempts) > _MANY else _POLL_S)

    def _submit(self, jobs: Jobs) -> None:
        """Submit what was not: there is room in the queue now, or who began it is gone."""
        if not jobs.answered:
            return
        if not self.run.wanted():
            self._full_at = None
            return
        full = self._full_at is not None and jobs.queued >= self._full_at
        if full and self.clock() < self._submit_again:  # each try leaves lines in jobs.jsonl
            return
        self._submit_again = self.clock() + _SUBMIT_AGAIN_S
        try:
            limits = self.run.submitted.limits
            taken = submit_wanted(self.run, limits, jobs.queued, lambda *_: None)
            self._full_at = jobs.queued + taken
        except LabError as error:
            self.say(f"{error.what} {error.why}")

    def _end_stuck(self, phases: Mapping[tuple[str, int], Phase], jobs: Jobs) -> bool:
        """End jobs that have lost the node that would end them, some time after their others are
        done; returns whether there is any."""
        busy = {job.id for key, job in jobs.known.items() if phases.get(key) != "lost"}
        stuck: dict[str, list[str]] = {}
        for (node, _), job in jobs.known.items():
            if job.state == "RUNNING" and job.lacks(node) and job.id not in busy:
                stuck.setdefault(job.id, []).append(node)
        for number, nodes in stuck.items():
            if self.clock() - self._stuck_since.setdefault(number, self.clock()) >= _GRACE_S:
                self.say(f"job {number} lost {compress(nodes)} and does not end: it is cancelled")
                cancel([number])
        return bool(stuck)

    def _key(self, attempt: Attempt) -> tuple[str, int]:
        return attempt.entry.node, attempt.entry.attempt

    def _phase(self, attempt: Attempt, jobs: Jobs) -> Phase:
        """Lost is only what stays so for a while: files come late, and Slurm may not answer."""
        key = self._key(attempt)
        seen = look_at(attempt, jobs, read=False)
        phase = phase_of(seen)
        if phase == "done" and seen.more_to_come:
            return self._without_gpus(attempt, seen, jobs)
        if phase != "lost" or attempt.entry.error or attempt.entry.end:
            self._lost_since.pop(key, None)
            return phase
        if not jobs.answered:
            return "running"
        since = self._lost_since.setdefault(key, self.clock())
        if not seen.ended and self.clock() - since < _GRACE_S:
            return "running"
        if seen.job is not None and seen.job.state not in WORKING:
            end = "NODE_FAIL" if seen.gone else seen.job.state
            self.run.note(replace(attempt.entry, end=end))
        return phase

    def _without_gpus(self, attempt: Attempt, seen: Seen, jobs: Jobs) -> Phase:
        """Of a job that ended between its results and its last reading of the GPUs: that is
        noted, so that nobody waits for it or asks Slurm again."""
        if not jobs.answered:
            return "running"
        since = self._lost_since.setdefault(self._key(attempt), self.clock())
        if self.clock() - since < _GRACE_S:
            return "running"
        if not attempt.entry.end:
            self.run.note(replace(attempt.entry, end=seen.job.state if seen.job else "FORGOTTEN"))
        return "done"

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
        waiting = {
            node: job
            for a in pending if (job := jobs.of(a)) is not None
            for node in a.nodes
        }  # fmt: skip
        self._tell_why(waiting)
        now = self.clock()
        if not waiting or now < self._look_at_nodes:
            return
        self._look_at_nodes = now + _LOOK_AT_NODES_S
        try:
            down = {node.name: node for node in read_nodes() if not node.available}
        except LabError:  # it will answer later
            return
        for node in self._blocked_since.keys() - down.keys():
            del self._blocked_since[node]
        blocked: dict[str, list[SlurmNode]] = {}
        for node in sorted(down.keys() & waiting.keys()):
            since = self._blocked_since.setdefault(node, now)
            if now - since >= _BLOCKED_S and waiting[node].state in WAITING:
                blocked.setdefault(waiting[node].id, []).append(down[node])
        for number, nodes in blocked.items():
            self._take_back(nodes, number, pending, jobs)

    def _take_back(
        self, nodes: list[SlurmNode], job: str, pending: list[Attempt], jobs: Jobs
    ) -> None:
        """Take a job back that waits for nodes in vain; its other nodes get another one."""
        whys = {node.name: node.why_unavailable for node in nodes}
        be = "is" if len(whys) == 1 else "are"
        self.say(f"{compress(whys)} {be} down or drained: its job {job} is taken back")
        cancel([job])
        others = []
        for attempt in pending:
            own = jobs.of(attempt)
            if own is None or own.id != job:
                continue
            if here := [name for name in attempt.nodes if name in whys]:
                self.run.note(replace(attempt.entry, error=whys[here[0]]))
            else:
                others.append(attempt)
        for purpose in {attempt.entry.purpose for attempt in others}:
            self.run.want([a.entry.node for a in others if a.entry.purpose == purpose], purpose)
