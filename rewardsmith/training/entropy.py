"""The coefficient of PPO's entropy bonus: a bonus while a task is unsolved, a penalty at the end once it is solved."""

from __future__ import annotations

from typing import Any

from rewardsmith.programs.rollout import Rollout

_WINDOW = 200  # training episodes in the window of the running success rate
_PENALTY, _STEEPNESS = 4.0, 200  # the penalty exceeds the bonus at success rates of 98 % and more


class EntropyCoefficient:
    """The coefficient of the entropy bonus, which falls with success.

    Let s be the success rate of recent training episodes. The coefficient is `largest` * (1 - s) and, from the
    fraction `hold` of the trial on, `largest` * (1 - s - 4 s^200).

    Why it depends on s: every constant coefficient is wrong for some reward on every task. 0.01 keeps a policy random
    long after it solves its task; 0.001 lets other policies collapse before their first success. The size of the reward
    does not matter if advantages are normalised, because the bonus is then weighed against advantages of about 1.

    Why it becomes a penalty: if nearly all episodes succeed, the coefficient is negative while the learning rate falls.
    The policy becomes deterministic while it is still trained, so a cycle of its greedy version shows up as failed
    training episodes. These lower s, which removes the penalty: a policy that must act at random in order to succeed
    stays random. The same penalty at the full learning rate made success fall by 10 to 40 points for a while.
    """

    def __init__(self, largest: float, hold: float = 0.8) -> None:
        """Start with a success rate of 0.

        Args:
            largest: The coefficient at a success rate of 0, at least 0.
            hold: The fraction of the trial's steps, in [0, 1], after which the penalty applies.
        """
        self._largest, self._hold = largest, hold
        self._success = 0.0
        self._progress = 0.0

    def after(self, rollout: Rollout, progress: float) -> float:
        """Update the success rate and return the coefficient for the update on the next rollout.

        Args:
            rollout: The rollout whose ended episodes are counted. Episodes that a checkpoint truncated are left out,
                because they have not failed.
            progress: The fraction of the trial's steps that are done, in [0, 1].
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
        """The coefficient at the present success rate."""
        penalty = _PENALTY * self._success**_STEEPNESS if self._progress >= self._hold else 0.0
        return self._largest * (1.0 - self._success - penalty)

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint, by name."""
        return {"success": self._success, "progress": self._progress}

    def load(self, state: dict[str, Any]) -> None:
        """Restore a state that `state` has returned."""
        self._success, self._progress = float(state["success"]), float(state["progress"])
