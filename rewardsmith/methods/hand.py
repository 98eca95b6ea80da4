"""Hand: a reward that a person wrote for each task family, in hand_rewards/; the baseline of reward design.

Each file says which milestones lie on the way and what to walk to next; `pay.py` turns that into a reward.
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
_WALKS = ("empty", "fourrooms", "simplecrossing", "lavacrossing", "lavagap", "distshift")  # nothing to do but walk


class Hand(Method):
    """A program from the shelf, added to the environment's reward."""

    name = "hand"
    summary = "a reward written by hand for the task's family (baseline)"

    def program(self, task: Task, options: Any) -> str:
        """The family's milestones and what they pay. Raises UsageError where nobody has written one."""
        known = hand_written()
        family = next((name for name in sorted(known, key=len, reverse=True) if _plain(task.id).startswith(name)), None)
        if family is None:
            raise UsageError(
                f"Nobody has written a reward by hand for {task.id}.",
                f"There are some for: {', '.join(sorted(known))}. `--seed-reward FILE` takes one of yours.",
            )
        return known[family] + "\n\n" + (_FOLDER / f"{_PAY}.py").read_text(encoding="utf-8")

    def functions(self, source: str, options: Any) -> tuple[str, ...]:
        """reward() alone."""
        return ("reward",) if source else ()

    def channels(self, source: str, options: Any) -> tuple[Channel, ...]:
        """The environment's reward and the program's."""
        return (ENV, Channel(name="reward"))


def hand_written() -> dict[str, str]:
    """Source by task family, such as "doorkey"."""
    files = {path.stem: path.read_text(encoding="utf-8") for path in sorted(_FOLDER.glob("*.py"))}
    walk = files.pop("walk")
    del files[_PAY]
    return files | dict.fromkeys(_WALKS, walk)


def _plain(task_id: str) -> str:
    return task_id.removeprefix("MiniGrid-").replace("-", "").lower()


METHOD = Hand()
