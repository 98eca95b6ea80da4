"""The coefficient of PPO's entropy bonus: a bonus while a task is unsolved, a penalty at the end once it is solved."""

from __future__ import annotations

from typing import Any

from rewardsmith.programs.rollout import Rollout

_WINDOW = 200  # training episodes that the running success rate looks back on
_PENALTY, _STEEPNESS = 4.0, 200  # the penalty outweighs the bonus from a success rate of 98 % on


class EntropyCoefficient:
    """`largest` * (1 - s), where s is the success rate of recent training episodes; at the end minus 4 s^200 times it.

    A constant coefficient is wrong for some reward on every task. 0.01 keeps a policy random long after it solves its
    task. 0.001 lets others collapse before they have seen a success. Which of the two is the case shows in s. The size
    of the reward does not matter: where advantages are normalised, the bonus is weighed against advantages of about 1.

    From `hold` of the trial on, while the learning rate falls, the coefficient is negative where nearly all episodes
    succeed. The policy then becomes deterministic while it is still trained, and a cycle that its greedy version would
    be caught in shows up as training episodes that fail. These lower s, which takes the penalty away: a policy that has
    to act at random in order to succeed stays random. The same penalty at the full learning rate made success fall by
    10 to 40 points for a while.

    `hold` is a proportion of the trial's steps, in [0, 1].
    """

    def __init__(self, largest: float, hold: float = 0.8) -> None:
        self._largest, self._hold = largest, hold
        self._success = 0.0
        self._progress = 0.0

    def after(self, rollout: Rollout, progress: float) -> float:
        """Take in the episodes that ended in a rollout, and return the coefficient for the update on the next one.

        `progress` is the proportion of the trial's steps that are done. Episodes that a checkpoint cut are left out,
        because they had not failed yet.
        """
        self._progress = progress
        ended = (rollout.terminated | rollout.truncated) & ~rollout.cut
        episodes = int(ended.sum())
        if episodes:
            rate = float((rollout.success & ended).sum()) / episodes
            self._success += min(1.0, episodes / _WINDOW) * (rate - self._success)
        return self.now

    @property
    def now(self) -> float:
        """The coefficient in use."""
        penalty = _PENALTY * self._success**_STEEPNESS if self._progress >= self._hold else 0.0
        return self._largest * (1.0 - self._success - penalty)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"success": self._success, "progress": self._progress}

    def load(self, state: dict[str, Any]) -> None:
        """Take back what `state` returned."""
        self._success, self._progress = float(state["success"]), float(state["progress"])
