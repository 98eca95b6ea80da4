"""The coefficient of PPO's entropy bonus: a bonus while a task is unsolved, a penalty once it is solved."""

from __future__ import annotations

from typing import Any

from rewardsmith.programs.rollout import Rollout

_WINDOW = 200  # training episodes that the running success rate looks back on
_PENALTY, _STEEPNESS = 4.0, 200  # the penalty outweighs the bonus from a success rate of 98 % on


class EntropyCoefficient:
    """`largest` * (1 - s - 4 s^200), where s is the success rate of recent training episodes.

    A constant coefficient is wrong for some reward on every task. 0.01 keeps a policy random long after it solves its
    task. 0.001 lets others collapse before they have seen a success. Which of the two is the case shows in s. The size
    of the reward does not matter: where advantages are normalised, the bonus is weighed against advantages of about 1.

    Once nearly all episodes succeed, the coefficient is negative. The policy then becomes deterministic while it is
    still trained, and a cycle that its greedy version would be caught in shows up as training episodes that fail.
    These lower s, which takes the penalty away: a policy that has to act at random in order to succeed stays random. A
    penalty from 94 % on cost MultiRoom-N4-S5 five points of success, because it came before the policy was good.
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
        return self._largest * (1.0 - self._success - _PENALTY * self._success**_STEEPNESS)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"success": self._success}

    def load(self, state: dict[str, Any]) -> None:
        """Take back what `state` returned."""
        self._success = float(state["success"])
