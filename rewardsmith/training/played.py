"""Count, and on slow tasks limit, the environment steps that a trial plays without training on them.

On a task that the compiled engine does not play, a trial of the search may play at most as many steps as it trains,
including the steps of its candidate's check. The limits are counts and do not depend on a clock, so the same job with
the same seeds plays the same episodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rewardsmith.tasks.base import Task
from rewardsmith.training.evaluation import Evaluation, StepCounter, evaluate, evaluate_for_curve

LEAST_EPISODES = 20
"""Episodes always played at a rung's end to measure success; the 95 % interval is then at most 42 points wide."""

_AT_ONCE = 10  # environments; few, because finished environments are stepped until the last episode ends
_WATCHED = 8  # episodes


@dataclass
class PlayedSteps:
    """The steps that a trial has played without training on them.

    Attributes:
        task: The task.
        limited: Whether the steps are limited by the trained steps.
        counts: Steps by purpose: "check", "curve", "success", "greedy", "watching".
        least: Whether LEAST_EPISODES were played although they exceeded the limit.
    """

    task: Task
    limited: bool
    counts: dict[str, int] = field(default_factory=dict)
    least: bool = False

    def include(self, before: Mapping[str, int]) -> None:
        """Include counts of earlier parts of the same trial; of two counts of one purpose, the larger is the later."""
        for purpose, steps in before.items():
            self.counts[purpose] = max(steps, self.counts.get(purpose, 0))

    def curve(self, policy: Any, pool: str, wanted: int, seed: int, trained: int) -> Evaluation | None:
        """Evaluate a point of the curve; half of the allowed steps are reserved for the rung's end.

        Args:
            policy: The policy.
            pool: The layouts to play.
            wanted: The number of episodes if steps are not limited.
            seed: The seed of the evaluation.
            trained: Steps trained so far.

        Returns:
            The evaluation; None if the allowed steps are too few.
        """
        if not self.limited:
            counter = StepCounter()
            result = evaluate_for_curve(policy, self.task, pool, wanted, seed, counter)
            self._count("curve", counter.steps)
            return result
        return self._within("curve", policy, pool, (wanted, seed), self._left(trained // 2))

    def success(self, policy: Any, pool: str, wanted: int, seed: int, trained: int) -> Evaluation:
        """Evaluate the stochastic policy at a rung's end, with half of the steps left, or over LEAST_EPISODES."""
        if not self.limited:
            return self._whole("success", policy, pool, (wanted, seed))
        found = self._within("success", policy, pool, (wanted, seed), self._left(trained) // 2)
        if found is None:
            found = self._whole("success", policy, pool, (min(wanted, LEAST_EPISODES), seed))
        self.least = sum(self.counts.values()) > trained
        return found

    def greedy(self, policy: Any, pool: str, wanted: int, seed: int, trained: int) -> Evaluation | None:
        """Evaluate the greedy policy with the steps that are left; None if they are too few."""
        if not self.limited:
            return self._whole("greedy", policy, pool, (wanted, seed))
        return self._within("greedy", policy, pool, (wanted, seed), self._left(trained))

    def watchable(self, trained: int) -> int:
        """Return how many episodes may be watched with half of the steps that are left."""
        return min(_WATCHED, self._left(trained) // 2 // self.task.max_steps) if self.limited else _WATCHED

    def watched(self, steps: int) -> None:
        """Add the steps that watching episodes took."""
        self._count("watching", steps)

    def _left(self, allowed: int) -> int:
        return max(0, allowed - sum(self.counts.values()))

    def _count(self, purpose: str, steps: int) -> None:
        self.counts[purpose] = self.counts.get(purpose, 0) + steps

    def _whole(self, purpose: str, policy: Any, pool: str, asked: tuple[int, int]) -> Evaluation:
        counter = StepCounter(_AT_ONCE) if self.limited else StepCounter()
        result = evaluate(policy, self.task, pool, *asked, greedy=purpose == "greedy", counter=counter)
        self._count(purpose, counter.steps)
        return result

    def _within(self, purpose: str, policy: Any, pool: str, asked: tuple[int, int], allowed: int) -> Evaluation | None:
        """Evaluate up to `asked` (episodes, seed) in at most `allowed` steps.

        The number of episodes is chosen as if every one lasted to the step limit; steps that shorter episodes save are
        used for more episodes. None if `allowed` is too small for LEAST_EPISODES.
        """
        wanted, seed = asked
        parts: list[Evaluation] = []
        while wanted > 0:
            episodes = min(wanted, allowed // self.task.max_steps)
            if episodes < min(LEAST_EPISODES, wanted):
                break
            # The same number of episodes per environment, so that none is stepped more often than was calculated.
            episodes -= episodes % _AT_ONCE if episodes > _AT_ONCE else 0
            before = self.counts.get(purpose, 0)
            parts.append(self._whole(purpose, policy, pool, (episodes, seed + len(parts))))
            allowed -= self.counts[purpose] - before
            wanted -= episodes
        return Evaluation.joined(parts) if parts else None
