"""Environment steps that a trial plays without training on them: counted by purpose, and limited where they are dear.

On a task that the compiled engine does not play, a search's trial may play no more steps than it trains, what its
candidate's check played included. Limits are counts, so the same job with the same seeds plays the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rewardsmith.tasks.base import Task
from rewardsmith.training.evaluation import Evaluation, Tally, evaluate, evaluate_for_curve

LEAST_EPISODES = 20
"""Episodes on which success is judged at a rung's end in any case; 95 % intervals are at most 42 points wide then."""

_AT_ONCE = 10  # environments; few, because those that have ended their episodes are stepped on until the last one has
_WATCHED = 8


@dataclass
class PlayedSteps:
    """What a trial has played by now, `counts` by purpose: check, curve, success, greedy, watching.

    limited: whether it is held to what the trial has trained. least: whether LEAST_EPISODES were played although that
    was more.
    """

    task: Task
    limited: bool
    counts: dict[str, int] = field(default_factory=dict)
    least: bool = False

    def include(self, before: Mapping[str, int]) -> None:
        """Take over counts of the same trial's earlier parts, whichever of two records of them is the later."""
        for purpose, steps in before.items():
            self.counts[purpose] = max(steps, self.counts.get(purpose, 0))

    def curve(self, policy: Any, pool: str, wanted: int, seed: int, trained: int) -> Evaluation | None:
        """A point of the curve after `trained` steps; None where it is too dear: half is kept for a rung's end."""
        if not self.limited:
            tally = Tally()
            result = evaluate_for_curve(policy, self.task, pool, wanted, seed, tally)
            self._count("curve", tally.steps)
            return result
        return self._within("curve", policy, pool, (wanted, seed), self._left(trained // 2))

    def success(self, policy: Any, pool: str, wanted: int, seed: int, trained: int) -> Evaluation:
        """How the stochastic policy does at a rung's end, on half of what may still be played, or LEAST_EPISODES."""
        if not self.limited:
            return self._whole("success", policy, pool, (wanted, seed))
        found = self._within("success", policy, pool, (wanted, seed), self._left(trained) // 2)
        if found is None:
            found = self._whole("success", policy, pool, (min(wanted, LEAST_EPISODES), seed))
        self.least = sum(self.counts.values()) > trained
        return found

    def greedy(self, policy: Any, pool: str, wanted: int, seed: int, trained: int) -> Evaluation | None:
        """How the greedy policy does, on what is left; None where that is too little."""
        if not self.limited:
            return self._whole("greedy", policy, pool, (wanted, seed))
        return self._within("greedy", policy, pool, (wanted, seed), self._left(trained))

    def watchable(self, trained: int) -> int:
        """How many episodes may be watched with half of what is left."""
        return min(_WATCHED, self._left(trained) // 2 // self.task.max_steps) if self.limited else _WATCHED

    def watched(self, steps: int) -> None:
        """Count what watching took."""
        self._count("watching", steps)

    def _left(self, allowed: int) -> int:
        return max(0, allowed - sum(self.counts.values()))

    def _count(self, purpose: str, steps: int) -> None:
        self.counts[purpose] = self.counts.get(purpose, 0) + steps

    def _whole(self, purpose: str, policy: Any, pool: str, asked: tuple[int, int]) -> Evaluation:
        tally = Tally(_AT_ONCE) if self.limited else Tally()
        result = evaluate(policy, self.task, pool, *asked, greedy=purpose == "greedy", tally=tally)
        self._count(purpose, tally.steps)
        return result

    def _within(self, purpose: str, policy: Any, pool: str, asked: tuple[int, int], allowed: int) -> Evaluation | None:
        """Up to `asked` (episodes, seed) in at most `allowed` steps, should every episode last to the step limit.

        What shorter episodes leave pays for more of them. None where it does not pay for LEAST_EPISODES.
        """
        wanted, seed = asked
        parts: list[Evaluation] = []
        while wanted > 0:
            episodes = min(wanted, allowed // self.task.max_steps)
            if episodes < min(LEAST_EPISODES, wanted):
                break
            # Whole numbers of episodes per environment: none is stepped further than the limit reckons with.
            episodes -= episodes % _AT_ONCE if episodes > _AT_ONCE else 0
            before = self.counts.get(purpose, 0)
            parts.append(self._whole(purpose, policy, pool, (episodes, seed + len(parts))))
            allowed -= self.counts[purpose] - before
            wanted -= episodes
        return Evaluation.joined(parts) if parts else None
