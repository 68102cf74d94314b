"""Ranks on this machine, as srun would start one a node."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from lab.cluster.attempt import Entry
from lab.cluster.network_folder import NetworkAttempt, RankFiles, ranks_of
from lab.records.lines import read_lines
from lab.records.network import NetworkOrder, RankReport, RankStep
from lab.records.save import save, to_json

ROOT = Path(__file__).resolve().parent.parent.parent
ORDER = NetworkOrder(
    device="cpu", sizes_bytes=[1 << 10, 1 << 16], pair_bytes=1 << 16, budget_s=20.0, seed=1,
    rounds=3, meet_s=120, patience_s=60,
)  # fmt: skip


class Ranks:
    """Processes, each a node of its own."""

    def __init__(self, folder: Path, nodes: Sequence[str], order: NetworkOrder = ORDER) -> None:
        self.folder, self.nodes = folder, nodes
        save(to_json(order), folder / "order.json")
        save(msgspec.json.encode(nodes).decode(), folder / "nodes.json")
        self.processes = {node: self._begin(node, i) for i, node in enumerate(nodes)}

    def _begin(self, node: str, index: int) -> "subprocess.Popen[bytes]":
        with (self.folder / f"{node}.txt").open("w") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "lab.network.rank", "."], cwd=self.folder, stderr=log,
                stdout=subprocess.DEVNULL,
                env={
                    **os.environ, "PYTHONPATH": str(ROOT), "SLURMD_NODENAME": node,
                    "SLURM_NODEID": str(index), "SLURM_NNODES": str(len(self.nodes)),
                },
            )  # fmt: skip

    def files(self) -> list[RankFiles]:
        entry = Entry(node="network", attempt=1, purpose="first")
        return ranks_of(NetworkAttempt(entry=entry, folder=self.folder, kind="bench"))

    def steps(self, node: str) -> list[str]:
        lines = read_lines(self.folder / f"{node}-0.jsonl", RankStep)
        return [line.step for line in lines]

    def report(self, node: str) -> RankReport:
        """What a rank wrote, with every iteration."""
        document = (self.folder / f"{node}-0.json").read_bytes()
        return msgspec.json.decode(document, type=RankReport)

    def wait(self) -> dict[str, int]:
        return {node: each.wait(timeout=240) for node, each in self.processes.items()}

    def kill(self) -> None:
        for each in self.processes.values():
            each.kill()
            each.wait()
