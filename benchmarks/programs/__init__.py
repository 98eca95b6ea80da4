"""140 reward programs that language models of three sizes wrote for eight tasks, without the planner's plan.

Each file is named TASK.METHOD.NUMBER.py and contains the program as it was read from the answer. index.jsonl states for
each program the size of its model ("strong", "mid" or "small"), and the flaw that the model was asked to make, null for
none. Training measures whether a flaw does harm.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rewardsmith.methods import get_method
from rewardsmith.programs.reward import TrainingReward

FOLDER = Path(__file__).parent
STEPS = {
    "MiniGrid-DoorKey-8x8-v0": 200_000,
    "MiniGrid-UnlockPickup-v0": 300_000,
    "MiniGrid-KeyCorridorS3R3-v0": 700_000,
    "MiniGrid-LavaCrossingS9N2-v0": 300_000,
    "MiniGrid-MultiRoom-N4-S5-v0": 500_000,
    "MiniGrid-BlockedUnlockPickup-v0": 1_000_000,
    "MiniGrid-LockedRoom-v0": 1_000_000,
    "MiniGrid-ObstructedMaze-2Dlh-v0": 2_000_000,
}
"""Environment steps that each task's programs are trained for."""


@dataclass(frozen=True)
class Program:
    """One program, named TASK.METHOD.NUMBER, with the size of its model and the flaw that was asked for, if any."""

    name: str
    size: str
    flaw: str | None

    @property
    def task(self) -> str:
        """The id of the program's task."""
        return self.name.rsplit(".", 2)[0]

    @property
    def method(self) -> str:
        """The name of the method whose functions the program defines."""
        return self.name.rsplit(".", 2)[1]

    @property
    def source(self) -> str:
        """The source text of the program."""
        return (FOLDER / f"{self.name}.py").read_text(encoding="utf-8")

    def reward(self) -> TrainingReward:
        """The training reward of the program under its method."""
        return get_method(self.method).reward(self.source)


def programs(tasks: Sequence[str] = tuple(STEPS), sizes: Sequence[str] = ("strong", "mid", "small")) -> list[Program]:
    """The programs for `tasks` by models of `sizes`, in the order of `tasks`."""
    lines = (FOLDER / "index.jsonl").read_text(encoding="utf-8").splitlines()
    found = [Program(**json.loads(line)) for line in lines]
    return sorted((p for p in found if p.task in tasks and p.size in sizes), key=lambda p: tasks.index(p.task))
