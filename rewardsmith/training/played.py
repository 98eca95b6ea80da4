"""Count, and on slow tasks limit, the environment steps that a trial plays without training on them.

On a task that the compiled engine does not play, a trial of the search may play a share of the steps that it trains
(`training.evaluation_share`), including the steps of its candidate's check. The limits are counts and do not depend on
a clock, so the same job with the same seeds plays the same episodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rewardsmith.scores import ScoreScale
from rewardsmith.tasks.base import Task
from rewardsmith.training.evaluation import (
    Evaluation,
    Limit,
    StepCounter,
    evaluate,
    evaluate_for_curve,
    evaluate_within,
)

LEAST_EPISODES = 20
"""Episodes that the steps left must cover for a point of the curve, or for the greedy policy, to be evaluated."""

FEWEST_EPISODES = 5
"""Episodes always played at a rung's end to measure success, even if they exceed the share."""

_WATCHED = 8  # episodes


@dataclass
class PlayedSteps:
    """The steps that a trial has played without training on them.

    Attributes:
        task: The task.
        share: The most steps, as a fraction of the trained ones; None if they are not limited.
        at_once: The most environments of an evaluation; None for as many as are useful.
        scale: The scale of the task's scores; None if it has a success.
        counts: Steps by purpose: "check", "curve", "success", "greedy", "watching".
        least: Whether FEWEST_EPISODES were played although they exceeded the limit.
    """

    task: Task
    share: float | None
    at_once: int | None = None
    scale: ScoreScale | None = None
    counts: dict[str, int] = field(default_factory=dict)
    least: bool = False

    @property
    def limited(self) -> bool:
        """Whether the steps are limited by the trained steps."""
        return self.share is not None

    def include(self, before: Mapping[str, int]) -> None:
        """Include counts of earlier parts of the same trial; of two counts of one purpose, the larger is the later."""
        for purpose, steps in before.items():
            self.counts[purpose] = max(steps, self.counts.get(purpose, 0))

    def curve(self, policy: Any, pool: str, wanted: int, seed: int, trained: int) -> Evaluation | None:
        """Evaluate a point of the curve; half of the allowed steps are reserved for the rung's end.

        Args:
            policy: The policy.
            pool: The layouts to play.
            wanted: The most episodes.
            seed: The seed of the evaluation.
            trained: Steps trained so far.

        Returns:
            The evaluation; None if the allowed steps are too few.
        """
        if not self.limited:
            counter = self._counter()
            result = evaluate_for_curve(policy, self.task, pool, wanted, seed, counter, self.scale)
            self._count("curve", counter.steps)
            return result
        return self._within("curve", policy, pool, (wanted, seed), self._left(self._allowed(trained) // 2))

    def success(self, policy: Any, pool: str, wanted: int, seed: int, trained: int) -> Evaluation:
        """Evaluate the stochastic policy at a rung's end.

        It may use half of the steps left, and more if these do not cover LEAST_EPISODES. It plays at least
        FEWEST_EPISODES.
        """
        asked, allowed = (wanted, seed), self._allowed(trained)
        if not self.limited:
            return self._whole("success", policy, pool, asked)
        left, few = self._left(allowed), min(wanted, FEWEST_EPISODES) * self.task.max_steps
        steps = max(left // 2, min(left, LEAST_EPISODES * self.task.max_steps), few)
        found = self._within("success", policy, pool, asked, steps, FEWEST_EPISODES)
        assert found is not None  # `few` covers them
        self.least = sum(self.counts.values()) > allowed
        return found

    def greedy(self, policy: Any, pool: str, wanted: int, seed: int, trained: int) -> Evaluation | None:
        """Evaluate the greedy policy with the steps that are left; None if they are too few."""
        if not self.limited:
            return self._whole("greedy", policy, pool, (wanted, seed))
        return self._within("greedy", policy, pool, (wanted, seed), self._left(self._allowed(trained)))

    def watchable(self, trained: int) -> int:
        """Return how many episodes may be watched with half of the steps that are left."""
        left = self._left(self._allowed(trained))
        return min(_WATCHED, left // 2 // self.task.max_steps) if self.limited else _WATCHED

    def watched(self, steps: int) -> None:
        """Add the steps that watching episodes took."""
        self._count("watching", steps)

    def _allowed(self, trained: int) -> int:
        """Steps that may have been played after `trained` steps; 0 if they are not limited."""
        return int((self.share or 0.0) * trained)

    def _left(self, allowed: int) -> int:
        return max(0, allowed - sum(self.counts.values()))

    def _count(self, purpose: str, steps: int) -> None:
        self.counts[purpose] = self.counts.get(purpose, 0) + steps

    def _counter(self) -> StepCounter:
        return StepCounter() if self.at_once is None else StepCounter(self.at_once)

    def _whole(self, purpose: str, policy: Any, pool: str, asked: tuple[int, int]) -> Evaluation:
        counter = self._counter()
        result = evaluate(policy, self.task, pool, *asked, greedy=purpose == "greedy", counter=counter)
        self._count(purpose, counter.steps)
        return result

    def _within(
        self,
        purpose: str,
        policy: Any,
        pool: str,
        asked: tuple[int, int],
        allowed: int,
        least: int = LEAST_EPISODES,
    ) -> Evaluation | None:
        """Evaluate up to `asked` (episodes, seed) in at most `allowed` steps; None if these do not cover `least`."""
        wanted, seed = asked
        limit = Limit(wanted, allowed, self.at_once or 1, self.scale)
        if limit.certain(self.task.max_steps) < min(least, wanted):
            return None
        found, steps = evaluate_within(policy, self.task, pool, seed, limit, greedy=purpose == "greedy")
        self._count(purpose, steps)
        return found
