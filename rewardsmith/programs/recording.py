"""Makes recorded episodes of played ones: pictures, captions, actions, and the rewards of every step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.rollout import Rollout, featured
from rewardsmith.recorded import FIRST, LAST, RecordedEpisode, shown_steps
from rewardsmith.tasks.pictures import picture_of
from sandbox.client import HostError, Scores

_MEMORIES = 4096
_DIGITS = 5
_DEFINITION = re.compile(r"def [^:]*:")


class Recorder:
    """Records episodes of one rollout.

    Args:
        problem: Task, reward and discount. Channels that a method computes only in training are left out.
        rollout: The played steps; every environment starts with a new episode.
        layouts: int64 [N], the layout of each environment's first episode.
        pool: The pool of these layouts.
        scores: The program's components on the rollout, if it was scored already.

    Raises:
        sandbox.HostError: The program fails.
    """

    def __init__(
        self, problem: Problem, rollout: Rollout, layouts: NDArray[np.int64], pool: str, scores: Scores | None = None
    ) -> None:
        self._problem = problem.with_reward(problem.reward.written)
        self._rollout, self._layouts, self._pool = rollout, layouts, pool
        self._scores = self._problem.scores(rollout) if scores is None else scores
        self._parts = self._problem.compose(rollout, self._scores).parts
        ended = rollout.first_episodes()
        self.lengths = np.where(ended > 0, ended, len(rollout.starts))
        self._changed = self._memory_changes()

    @property
    def solved(self) -> NDArray[np.bool_]:
        """Whether each environment's first episode succeeded, bool [N]."""
        inside = np.arange(len(self._rollout.starts))[:, None] < self.lengths
        return np.logical_or.reduce(self._rollout.success & inside, axis=0)

    def paid(self) -> NDArray[np.float64]:
        """Return the sum of the channels over each environment's first episode, float64 [N]."""
        inside = np.arange(len(self._rollout.starts))[:, None] < self.lengths
        return sum((part * inside).sum(axis=0) for part in self._parts.values()) + np.zeros(len(self.lengths))

    def episode(self, n: int, kind: str, ends: tuple[int, int] = (FIRST, LAST)) -> RecordedEpisode:
        """Return the first episode of environment n; `ends`: the first and last steps that are shown of a long one."""
        rollout, task, length = self._rollout, self._problem.task, int(self.lengths[n])
        at = shown_steps(length, *ends)
        rows = np.concatenate([rollout.before[:1, n], rollout.after[at, n]])
        actions = rollout.actions[:length, n].tolist()
        layout = int(self._layouts[n])
        scores = self._scores
        components = {} if scores is None else dict(zip(scores.names, scores.values[:length, n].T, strict=True))
        return RecordedEpisode(
            kind=kind,
            layout=layout,
            pool=self._pool,
            success=bool(self.solved[n]),
            length=length,
            at=at,
            actions=[task.actions.describe(rollout.actions[t, n]) for t in at],
            captions=[task.caption(row, rollout.tables) for row in rows],
            env=_rounded(rollout.rewards[:length, n]),
            channels={name: _rounded(part[:length, n]) for name, part in self._parts.items()},
            components={name: _rounded(values) for name, values in components.items()},
            memory=None if self._changed is None else np.flatnonzero(self._changed[:length, n]).tolist(),
            picture=picture_of(task, rows, rollout.tables, self._pool, layout, actions, [0, *(t + 1 for t in at)]),
        )

    def chosen(self, shared: int = 2, failures: int = 2) -> list[RecordedEpisode]:
        """Return a success, up to `failures` failures, and the episodes of the first `shared` environments.

        Of the successes and of the failures, the typical one comes first: the one with the median reward. Policies that
        play the same pool with the same seed play the same layouts in the first environments.
        """
        paid, solved = self.paid(), self.solved
        wins = _from_the_middle([n for n in range(len(paid)) if solved[n]], paid)[:1]
        losses = _from_the_middle([n for n in range(len(paid)) if not solved[n]], paid)[:failures]
        kinds = {**dict.fromkeys(range(min(shared, len(paid))), "layout")}
        chosen = [*((n, "success") for n in wins), *((n, "failure") for n in losses)]
        taken = {n for n, _ in chosen}
        return [self.episode(n, kind) for n, kind in [*chosen, *((n, k) for n, k in kinds.items() if n not in taken)]]

    def _memory_changes(self) -> NDArray[np.bool_] | None:
        """Return at which steps the memory of the first episodes changed, bool [T, N], or None if that is unknown."""
        problem, rollout = self._problem, self._rollout
        if self._scores is None or not uses_memory(problem.reward.source):
            return np.zeros(rollout.starts.shape, dtype=bool)
        if not problem.task.actions.discrete:
            return None
        inside = np.arange(len(rollout.starts))[:, None] < self.lengths
        try:
            with problem.pairs_host(rollout.tables, _MEMORIES) as host:
                seen = featured(rollout, problem.task, host.uses)
                found = host.follow(seen.before, seen.actions, seen.after, seen.starts, inside)
        except HostError:
            return None
        if not found.scored[inside].all():
            return None
        before = np.concatenate([np.zeros_like(found.memory[:1]), found.memory[:-1]])
        # A negative number stands for contents of which nothing more is known.
        return inside & (found.memory >= 0) & (found.memory != before)


def uses_memory(source: str) -> bool:
    """Return whether a program does anything with `memory` besides taking it as an argument."""
    return "memory" in _DEFINITION.sub("", source)


def _from_the_middle(numbers: Sequence[int], paid: NDArray[np.float64]) -> list[int]:
    """Return environments by the distance of their rank from the median reward, the median first."""
    ranked = sorted(numbers, key=lambda n: (paid[n], n))
    middle = (len(ranked) - 1) / 2
    return [n for _, n in sorted((abs(rank - middle), n) for rank, n in enumerate(ranked))]


def _rounded(values: Any) -> list[float]:
    return [float(f"{value:.{_DIGITS}g}") for value in np.asarray(values, dtype=np.float64).tolist()]
