"""Play an exported file: load policy.zip as a user would, and count its successes on fresh seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rewardsmith.policy_files.compared import acted, rows_of
from rewardsmith.policy_files.plain import PlainPolicy
from rewardsmith.tasks.base import Task
from rewardsmith.training.evaluation import Evaluation, evaluate_player


class FilePlayer:
    """Acts by SB3's `predict` alone; keeps, between steps, what a recurrent policy remembers."""

    def __init__(self, plain: PlainPolicy, task: Task, envs: int, *, deterministic: bool) -> None:
        self._plain, self._task, self._deterministic = plain, task, deterministic
        self.remembers = plain.recurrent
        self._starts = np.ones(envs, bool)
        self._state: tuple[NDArray[np.float32], ...] | None = None
        if self.remembers:
            layers, _, width = plain.policy.lstm_hidden_state_shape
            self._state = tuple(np.zeros((layers, envs, width), np.float32) for _ in range(2))

    def act(
        self, observations: NDArray[Any], playing: NDArray[np.bool_] | None = None,
        masks: NDArray[np.bool_] | None = None,
    ) -> NDArray[Any]:  # fmt: skip
        """Return the actions of the environments named by `playing` [N], for their rows [K, D]."""
        given = self._plain.normalized(self._plain.form.given(observations))
        if self._state is None:
            return rows_of(acted(self._plain, given, masks, deterministic=self._deterministic), self._task)
        chosen = slice(None) if playing is None else playing
        before = tuple(part[:, chosen] for part in self._state)
        predict: Any = self._plain.model.predict
        actions, after = predict(given, before, self._starts[chosen], deterministic=self._deterministic)
        for part, new in zip(self._state, after, strict=True):
            part[:, chosen] = new
        self._starts[chosen] = False
        return rows_of(actions, self._task)

    def restart(self, done: NDArray[np.bool_]) -> None:
        """Begin new episodes where `done` [N] is true."""
        self._starts |= done


def play_file(plain: PlainPolicy, task: Task, episodes: int, seed: int, *, deterministic: bool) -> Evaluation:
    """Play episodes of the final evaluation's pool with a loaded model.

    Args:
        plain: The loaded model, with its form and normaliser.
        task: The task.
        episodes: The number of episodes.
        seed: The seed of layouts and actions.
        deterministic: Whether to take the most probable action.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)

        def player(envs: int) -> FilePlayer:
            return FilePlayer(plain, task, envs, deterministic=deterministic)

        return evaluate_player(player, task, "claim", episodes, seed, repeats=deterministic)
