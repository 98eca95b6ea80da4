"""A curriculum over tasks of a family: which of them the next training episode plays."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import UsageError
from rewardsmith.tasks.base import BatchEnv, Task
from rewardsmith.tasks.placing import joined_task, starts_within_of
from rewardsmith.training.starts import StartStates

_WINDOW = 100  # episodes: success of the last ones is compared with that of as many before
_UNIFORM = 0.2  # share of episodes whose task is drawn with equal chances
_FEW = 20  # episodes below which a task is taken to have the largest progress


class Curriculum(StartStates):
    """Draws tasks by their absolute learning progress |success now - success 100 episodes ago|.

    A fifth of the episodes is drawn with equal chances. An episode of another task than the target's counts neither as
    a success nor as a failure of the policy. Absolute learning progress as in Portelas et al. 2019 (arXiv 1910.07224).
    """

    def __init__(self, task: Task, num_envs: int, seed: int) -> None:
        """Begin without episodes; `task` has been made by `joined`."""
        self._starts = starts_within_of(task)
        self._arms: list[tuple[str, int, int]] = task.arms  # type: ignore[attr-defined]
        self._outcomes: list[deque[bool]] = [deque(maxlen=2 * _WINDOW) for _ in self._arms]
        self._playing = np.zeros(num_envs, dtype=np.int64)
        self._seed = seed
        self._rng = np.random.default_rng(seed)

    @property
    def chances(self) -> NDArray[np.float64]:
        """The probability of each task, the target's first; they sum to 1."""
        return chances(np.array([progress(list(found)) for found in self._outcomes]))

    def reset(self, cuts: int) -> None:
        """Seed the draws by the trial's seed and `cuts`, so that a resumed trial makes the same ones."""
        self._rng = np.random.default_rng([self._seed, cuts])

    def begin(self, batch: BatchEnv, began: NDArray[np.bool_]) -> None:
        """Draw a task and one of its layouts for each episode that has begun."""
        if not began.any():
            return
        drawn = self._rng.choice(len(self._arms), size=int(began.sum()), p=self.chances)
        for env, arm in zip(np.flatnonzero(began).tolist(), drawn.tolist(), strict=True):
            _, first, count = self._arms[arm]
            assert self._starts is not None
            self._starts.start_within(batch, env, first + int(self._rng.integers(count)), ())
            self._playing[env] = arm

    def after(self, batch: BatchEnv, actions: NDArray[Any]) -> NDArray[np.bool_]:
        """Record the outcomes of episodes that have ended."""
        for env in np.flatnonzero(batch.terminated | batch.truncated).tolist():
            self._outcomes[self._playing[env]].append(bool(batch.success[env]))
        return self._playing > 0

    def state(self) -> Any:
        """The outcomes of each task, at most 200. Running episodes are left out: a checkpoint ends them."""
        return {"outcomes": [list(found) for found in self._outcomes]}

    def load(self, state: Any) -> None:
        """Restore a state that `state` has returned."""
        for mine, outcomes in zip(self._outcomes, state["outcomes"], strict=True):
            mine.clear()
            mine.extend(outcomes)

    def telemetry(self) -> dict[str, Any]:
        """Return the chance of each task, and its success in its last 100 episodes."""
        found = {}
        for (name, _, _), chance, outcomes in zip(self._arms, self.chances, self._outcomes, strict=True):
            last = list(outcomes)[-_WINDOW:]
            found[f"chance of {name}"] = float(chance)
            found[f"success on {name}"] = sum(last) / len(last) if last else 0.0
        return found


def progress(outcomes: list[bool]) -> float:
    """Return |success of the later half - success of the earlier half| of at most 200 outcomes; 1 below 20."""
    if len(outcomes) < _FEW:
        return 1.0
    half = len(outcomes) // 2
    return abs(float(np.mean(outcomes[half:])) - float(np.mean(outcomes[:half])))


def chances(gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities [K] from progress [K]: a fifth uniform, the rest in proportion; uniform without progress."""
    uniform = np.full(len(gains), 1.0 / len(gains))
    total = float(gains.sum())
    return uniform if total == 0.0 else _UNIFORM * uniform + (1.0 - _UNIFORM) * gains / total


def joined(task: Task, others: tuple[str, ...]) -> Task:
    """Return `task` with the training layouts of the tasks `others` as well; `task` itself if there are none.

    Raises:
        UsageError: The task cannot be joined with them.
    """
    if not others:
        return task
    found = joined_task(task, others)
    if found is None:
        raise UsageError(
            f"{task.id} has no family of tasks that it can train on.",
            "Leave `training.curriculum` out, or choose a MiniGrid or BabyAI task of the compiled engine.",
        )
    return found
