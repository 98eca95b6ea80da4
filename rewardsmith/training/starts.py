"""Start states: where the training episodes of a trial begin, if not where the environment begins them.

Only training uses them. Every evaluation and every claim starts where the environment does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import UsageError
from rewardsmith.tasks.base import BatchEnv, Task
from rewardsmith.tasks.capabilities import planner_of
from rewardsmith.tasks.placing import StartsWithin, starts_within_of


class StartStates(ABC):
    """Moves training episodes to other start states; `BatchVecEnv` calls it."""

    @abstractmethod
    def reset(self, cuts: int) -> None:
        """Seed the choices from now on by the number of forced truncations; called before `begin` for all episodes."""

    @abstractmethod
    def begin(self, batch: BatchEnv, began: NDArray[np.bool_]) -> None:
        """Move some of the episodes that have just begun where `began` [N] is true."""

    @abstractmethod
    def after(self, batch: BatchEnv, actions: NDArray[Any]) -> NDArray[np.bool_]:
        """Follow a step; called before finished episodes start again.

        Args:
            batch: The environments after the step.
            actions: The actions that were taken, [N].

        Returns:
            The environments whose episode began elsewhere, bool [N]. Such an episode counts neither as a success nor
            as a failure of the policy.
        """

    @abstractmethod
    def state(self) -> Any:
        """Return the state for a checkpoint, as Learner.state does."""

    @abstractmethod
    def load(self, state: Any) -> None:
        """Restore a state that `state` has returned."""

    def telemetry(self) -> dict[str, Any]:
        """Return statistics as plain data for the curve."""
        return {}


_SHARE = 0.5  # of the episodes begins near the goal
_FACTOR = 1.3  # of the distance, when it changes
_RAISE, _LOWER = 0.7, 0.3  # success rates at which the distance grows and shrinks
_JUDGED = 50  # episodes near the goal between two changes
_KEPT = 1_000  # solved episodes; at most as many times the step limit actions, one byte each
_PLANNED = 200  # layouts that the planner solves


class NearGoal(StartStates):
    """Starts near the goal: half of the episodes begin k steps before the end of an episode that solved the task.

    k begins at 1. It is multiplied by 1.3 when at least 70 % of such episodes succeed, and divided by 1.3 when at most
    30 % do. Solved episodes are those of training itself, or the planner's. Backward training as in Salimans and Chen
    2018 (arXiv 1812.03381), whose start moves back along one demonstration.

    Attributes:
        distance: k, the number of steps before the end, at least 1.
    """

    def __init__(self, task: Task, num_envs: int, seed: int, planned: bool) -> None:
        """Begin without solved episodes, or with the planner's.

        Args:
            task: The task.
            num_envs: The number N of environments.
            seed: The seed of the choice of starts.
            planned: Whether the planner's solutions are used; the trial is then oracle-informed.

        Raises:
            UsageError: If the task lacks a capability that this needs.
        """
        self._task = require_starts_within(task)
        self._seed = seed
        self._rng = np.random.default_rng(seed)
        self._solved: deque[tuple[int, bytes]] = deque(maxlen=_KEPT)
        self._solutions = planned_solutions(task) if planned else []
        self._taken: list[list[int]] = [[] for _ in range(num_envs)]
        self._moved = np.zeros(num_envs, dtype=bool)
        self.distance = 1.0
        self._episodes = self._successes = 0

    def reset(self, cuts: int) -> None:
        """Seed the choices by the trial's seed and `cuts`, so that a resumed trial makes the same ones."""
        self._rng = np.random.default_rng([self._seed, cuts])

    def begin(self, batch: BatchEnv, began: NDArray[np.bool_]) -> None:
        """Move half of the episodes that have begun, once there is a solved episode."""
        for env in np.flatnonzero(began).tolist():
            self._taken[env], self._moved[env] = [], False
            kept = self._solutions or self._solved
            if not kept or self._rng.random() >= _SHARE:
                continue
            layout, solution = kept[int(self._rng.integers(len(kept)))]
            first = list(solution[: max(0, len(solution) - int(self.distance))])
            self._task.start_within(batch, env, layout, first)
            self._taken[env], self._moved[env] = first, True

    def after(self, batch: BatchEnv, actions: NDArray[Any]) -> NDArray[np.bool_]:
        """Keep the actions of episodes that solve the task, and adapt the distance."""
        for taken, action in zip(self._taken, actions.tolist(), strict=True):
            taken.append(int(action))
        ended = batch.terminated | batch.truncated
        solved = ended & batch.success
        for env in np.flatnonzero(solved).tolist():
            self._solved.append((int(batch.layout[env]), bytes(self._taken[env])))
        self._judge(int((ended & self._moved).sum()), int((solved & self._moved).sum()))
        return self._moved.copy()

    def _judge(self, episodes: int, successes: int) -> None:
        self._episodes += episodes
        self._successes += successes
        if self._episodes < _JUDGED:
            return
        rate = self._successes / self._episodes
        if rate >= _RAISE:
            self.distance = min(self.distance * _FACTOR, 1e6)
        elif rate <= _LOWER:
            self.distance = max(1.0, self.distance / _FACTOR)
        self._episodes = self._successes = 0

    def state(self) -> Any:
        """Solved episodes and distance. Running episodes are left out: a checkpoint ends them."""
        return {
            "layouts": [layout for layout, _ in self._solved],
            "lengths": [len(actions) for _, actions in self._solved],
            "actions": np.frombuffer(b"".join(actions for _, actions in self._solved), dtype=np.uint8),
            "distance": self.distance,
            "judged": [self._episodes, self._successes],
        }

    def load(self, state: Any) -> None:
        """Restore a state that `state` has returned."""
        ends = np.cumsum(state["lengths"], dtype=np.int64)[:-1]
        parts = np.split(np.asarray(state["actions"], dtype=np.uint8), ends) if state["lengths"] else []
        self._solved.clear()
        self._solved.extend((layout, part.tobytes()) for layout, part in zip(state["layouts"], parts, strict=True))
        self.distance = float(state["distance"])
        self._episodes, self._successes = state["judged"]

    def telemetry(self) -> dict[str, Any]:
        """Return the distance from the goal, and the number of solved episodes kept."""
        return {"distance": self.distance, "solved": len(self._solutions or self._solved)}


def require_starts_within(task: Task) -> StartsWithin:
    """Return the task. Raises UsageError if its episodes cannot start within a layout."""
    found = starts_within_of(task)
    if found is None or not task.actions.discrete:
        raise UsageError(
            f"Episodes of {task.id} cannot start within a layout.",
            "Set `training.starts` to task, or choose a MiniGrid or BabyAI task of the compiled engine.",
        )
    return found


def planned_solutions(task: Task) -> list[tuple[int, Sequence[int]]]:
    """Return (layout, actions) for training layouts that the planner solves. Raises UsageError if it solves none."""
    planner = planner_of(task)
    found = planner.oracle_plans(_PLANNED) if planner is not None else None
    if not found:
        raise UsageError(
            f"There is no planner that solves {task.id}.", "Set `training.starts` to near-goal, without the planner."
        )
    return list(found)
