"""The success rate of a trial's latest episodes, which opens and closes the gate `outcome`."""

from __future__ import annotations

from collections import deque

from rewardsmith.programs.rollout import Rollout

_EPISODES = 200


class OutcomeRate:
    """The success rate of the latest 200 training episodes; those that a checkpoint cuts do not count."""

    def __init__(self) -> None:
        self._outcomes: deque[bool] = deque(maxlen=_EPISODES)

    @property
    def rate(self) -> float:
        """The success rate in [0, 1]; 0 before the first episode has ended."""
        return sum(self._outcomes) / len(self._outcomes) if self._outcomes else 0.0

    def after(self, rollout: Rollout) -> None:
        """Add the episodes that ended in a rollout, in time order."""
        ended = (rollout.terminated | rollout.truncated) & ~rollout.cut
        self._outcomes.extend(bool(each) for each in rollout.success[ended])

    def state(self) -> list[bool]:
        """Return the latest outcomes for a checkpoint, oldest first."""
        return list(self._outcomes)

    def load(self, state: list[bool]) -> None:
        """Restore the value that `state` returned."""
        self._outcomes.clear()
        self._outcomes.extend(state)
