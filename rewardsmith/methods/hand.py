"""Hand: a reward that a person wrote for each task family; the baseline of reward design.

Each file of hand_rewards/ states the milestones of a family and the next object to walk to; `pay.py` turns them into a
reward.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rewardsmith.errors import UsageError
from rewardsmith.methods.base import Method
from rewardsmith.programs.composition import Channel
from rewardsmith.programs.reward import ENV
from rewardsmith.tasks.base import Task

_FOLDER = Path(__file__).with_name("hand_rewards")
_PAY = "pay"
_WALKS = ("empty", "fourrooms", "simplecrossing", "lavacrossing", "lavagap", "distshift")  # the agent only walks


class Hand(Method):
    """A hand-written program, added to the environment's reward."""

    name = "hand"
    summary = "hand-written reward of the task family (baseline)"
    page = "baselines"

    def program(self, task: Task, options: Any) -> str:
        """Return the program of the task's family. Raises UsageError if there is none."""
        known = hand_written()
        family = next((name for name in sorted(known, key=len, reverse=True) if _plain(task.id).startswith(name)), None)
        if family is None:
            raise UsageError(
                f"There is no hand-written reward for {task.id}.",
                f"Use a task of: {', '.join(sorted(known))}. Or pass your own program with --seed-reward FILE.",
            )
        return known[family] + "\n\n" + (_FOLDER / f"{_PAY}.py").read_text(encoding="utf-8")

    def functions(self, source: str, options: Any) -> tuple[str, ...]:
        """Return "reward", the only function that is called."""
        return ("reward",) if source else ()

    def channels(self, source: str, options: Any) -> tuple[Channel, ...]:
        """Return the channel `env` and that of the program."""
        return (ENV, Channel(name="reward"))


def hand_written() -> dict[str, str]:
    """Return the source of each task family's program, by its name such as "doorkey"."""
    files = {path.stem: path.read_text(encoding="utf-8") for path in sorted(_FOLDER.glob("*.py"))}
    walk = files.pop("walk")
    del files[_PAY]
    return files | dict.fromkeys(_WALKS, walk)


def _plain(task_id: str) -> str:
    return task_id.removeprefix("MiniGrid-").replace("-", "").lower()


METHOD = Hand()
