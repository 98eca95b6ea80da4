"""The coefficient of PPO's entropy bonus: large while a task is unsolved, close to 0 once it is solved."""

from __future__ import annotations

from typing import Any

from rewardsmith.programs.rollout import Rollout

_WINDOW = 200  # training episodes that the running success rate looks back on


class EntropyCoefficient:
    """`largest` times the proportion of recent training episodes that failed.

    A fixed coefficient of 0.01 keeps a policy random long after it solves its task, and its greedy version then fails.
    One of 0.001 lets other policies collapse before they have seen a success. Which of the two is the case shows in
    the success of training episodes. The size of the reward does not matter: where advantages are normalised, the
    bonus is weighed against advantages of about 1.
    """

    def __init__(self, largest: float) -> None:
        self._largest = largest
        self._success = 0.0

    def after(self, rollout: Rollout) -> float:
        """Take in the episodes that ended in a rollout, and return the coefficient for the update on the next one.

        Episodes that a checkpoint cut are left out, because they had not failed yet.
        """
        ended = (rollout.terminated | rollout.truncated) & ~rollout.cut
        episodes = int(ended.sum())
        if episodes:
            rate = float((rollout.success & ended).sum()) / episodes
            self._success += min(1.0, episodes / _WINDOW) * (rate - self._success)
        return self.now

    @property
    def now(self) -> float:
        """The coefficient in use."""
        return self._largest * (1.0 - self._success)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"success": self._success}

    def load(self, state: dict[str, Any]) -> None:
        """Take back what `state` returned."""
        self._success = float(state["success"])
