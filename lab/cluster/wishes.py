"""What a job is to have, in the words of sbatch, checked before Slurm reads them."""

import re
from dataclasses import dataclass

from lab.errors import LabError

# A comma belongs to several partitions, & | * [ ] ( ) to constraints.
_WORD = re.compile(r"[A-Za-z0-9_.,:@%+&|*\[\]()=/-]+")
# As sbatch reads it: minutes, minutes:seconds, hours:minutes:seconds, days-hours and so on.
_TIME = re.compile(r"[0-9]+(?::[0-9]{1,2}){0,2}|[0-9]+-[0-9]{1,2}(?::[0-9]{1,2}){0,2}")
_GPUS = re.compile(r"(?:[A-Za-z0-9_.-]+:)?[1-9][0-9]{0,3}")
_OPTION = re.compile(r"--[a-z][a-z-]*(?:=[A-Za-z0-9_.,:@%+&|*\[\]()=/-]+)?")
# What a script decides itself, or what would take its results away.
_RESERVED = {
    "--nodes", "--nodelist", "--ntasks", "--array", "--job-name", "--output", "--error", "--wrap",
    "--requeue", "--no-requeue", "--open-mode", "--dependency", "--comment", "--parsable",
    "--chdir", "--no-kill", "--ntasks-per-node", "--signal",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What is asked of Slurm for a job on one node; what is empty is left to Slurm.

    Args:
        partition, account, time, constraint: as sbatch takes them.
        gpus: a number, or a kind and a number such as `a100:2`.
        cpus: processors.
        memory_bytes: memory.
        exclusive: whether the job has its node to itself.
        options: further options of sbatch.
    """

    partition: str = ""
    account: str = ""
    time: str = ""
    constraint: str = ""
    gpus: str = ""
    cpus: int | None = None
    memory_bytes: int | None = None
    exclusive: bool = False
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse values that sbatch could take for something else.

        Raises:
            LabError: one of them is no such value.
        """
        for option in ("partition", "account", "constraint"):
            _check(
                f"--{option}",
                getattr(self, option),
                _WORD,
                "it has a character that Slurm's names lack",
            )
        _check("--time", self.time, _TIME, "a time is minutes, or [days-]hours:minutes:seconds")
        _check("--gpus", self.gpus, _GPUS, "it is a number from 1 on, or KIND:NUMBER")
        for option in self.options:
            if not _OPTION.fullmatch(option) or option.partition("=")[0] in _RESERVED:
                raise refused("options of cluster.toml", option, "it is no option to add here")

    def lines(self) -> list[str]:
        """The options of sbatch."""
        valued = {
            "partition": self.partition, "account": self.account, "time": self.time,
            "constraint": self.constraint, "gpus-per-node": self.gpus,
            "cpus-per-task": self.cpus or "",
            "mem": f"{-(-self.memory_bytes >> 20)}M" if self.memory_bytes else "",
        }  # fmt: skip
        lines = [f"--{name}={value}" for name, value in valued.items() if value]
        # With the node to itself a job also takes its memory, of which Slurm gives it a share else.
        lines += (
            ["--exclusive", *([] if self.memory_bytes else ["--mem=0"])] if self.exclusive else []
        )
        return [*lines, *self.options]


def _check(name: str, value: str, form: re.Pattern[str], why: str) -> None:
    if value and not form.fullmatch(value):
        raise refused(name, value, why)


def refused(name: str, value: str, why: str) -> LabError:
    """The error for a value that sbatch could misread."""
    return LabError(
        f"{name} cannot be {value!r}.",
        why=why,
        next_step="see `man sbatch`, and pass another value",
    )
