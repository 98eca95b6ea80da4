"""Compare an exported policy with the trained one on observations that it meets at play."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rewardsmith.policy_files.plain import PlainPolicy
from rewardsmith.tasks.base import Task
from rewardsmith.training.player import Player

_ENVS, _STEPS = 8, 125


@dataclass(frozen=True)
class Recording:
    """Observations of the trained policy at play, and what it computed for them.

    Attributes:
        rows: The task's rows [T, N, D].
        masks: Which actions were allowed, bool [T, N, A]; None if the task has no masks.
        starts: Whether an episode starts at this step, bool [T, N].
        actions: The most probable actions, [T, N] or [T, N, A].
        outputs: The numbers by which the policy chooses, [T, N, K].
    """

    rows: NDArray[Any]
    masks: NDArray[np.bool_] | None
    starts: NDArray[np.bool_]
    actions: NDArray[Any]
    outputs: NDArray[np.float32]

    @property
    def count(self) -> int:
        """The number of recorded observations."""
        return self.starts.size


@dataclass(frozen=True)
class Agreement:
    """How well a file agrees with the trained policy.

    Attributes:
        count: Observations compared.
        equal: Those for which the most probable action is equal; continuous actions within 1e-4 of their range.
        difference: The largest difference of an output, relative to the outputs' size.
    """

    count: int
    equal: int
    difference: float

    @property
    def words(self) -> str:
        """The agreement in one clause."""
        return f"{self.equal:,} of {self.count:,} actions equal, outputs differ by at most {self.difference:.1e}"


def record(task: Task, policy: Any, seed: int) -> Recording:
    """Let the trained policy play 125 steps in eight environments of the search's pool; it draws its actions."""
    batch = task.batch(_ENVS, "select")
    rng = np.random.default_rng(seed)
    player, greedy = Player(policy, task, _ENVS, rng), Player(policy, task, _ENVS, rng, greedy=True)
    rows, seen = task.observation.rows(_STEPS, _ENVS), task.observation.rows(_ENVS)
    masks: list[NDArray[np.bool_]] = []
    starts, begins = np.zeros((_STEPS, _ENVS), bool), np.ones(_ENVS, bool)
    actions, outputs = [], []
    memory = Memory(policy, _ENVS)
    try:
        batch.reset(seed)
        for t in range(_STEPS):
            batch.observe(seen)
            rows[t], starts[t] = seen, begins
            allowed = None if batch.masks is None else batch.masks.copy()
            masks += [] if allowed is None else [allowed]
            actions.append(greedy.act(seen, masks=allowed))
            outputs.append(memory.outputs(task.observation.structured(seen.copy()), begins, allowed))
            batch.step(player.act(seen, masks=allowed))
            begins = batch.terminated | batch.truncated
            batch.restart(begins)
            player.restart(begins)
            greedy.restart(begins)
    finally:
        batch.close()
    told = np.stack(masks) if masks else None
    return Recording(rows, told, starts, np.stack(actions), np.stack(outputs))


class Memory:
    """Computes a policy's outputs step by step, with what a recurrent policy remembers."""

    def __init__(self, policy: Any, envs: int) -> None:
        self._policy, self._state = policy, None
        if hasattr(policy, "lstm_actor"):
            layers, _, width = policy.lstm_hidden_state_shape
            self._state = tuple(torch.zeros((layers, envs, width)) for _ in range(2))

    def outputs(self, given: Any, starts: NDArray[np.bool_], masks: NDArray[np.bool_] | None) -> NDArray[np.float32]:
        """Return what the policy computes for observations [N, ...] of its space, [N, K]."""
        with torch.no_grad():
            seen = self._policy.obs_to_tensor(given)[0]
            if self._state is not None:
                begins = torch.as_tensor(starts, dtype=torch.float32)
                found, self._state = self._policy.get_distribution(seen, self._state, begins)
                return found.distribution.logits.numpy()
            return computed(self._policy, seen, masks).numpy()


def computed(policy: Any, seen: Any, masks: Any = None) -> torch.Tensor:
    """Return the numbers by which a policy without memory chooses its actions, [N, K].

    These are logits or probabilities, means and deviations of a Gaussian, values of actions, or the actions themselves.
    """
    if hasattr(policy, "q_net"):
        return policy.q_net(seen)
    if hasattr(policy, "quantile_net"):
        return policy.quantile_net(seen).mean(dim=1)
    if not hasattr(policy, "value_net"):
        if not hasattr(policy.actor, "log_std"):
            return policy.actor(seen)
        mean, log_std, latent = policy.actor.get_action_dist_params(seen)
        inner = policy.actor.action_dist.proba_distribution(mean, log_std, **latent).distribution
        return torch.cat([inner.mean, inner.stddev], dim=1)
    given = {} if masks is None else {"action_masks": masks}
    inner = policy.get_distribution(seen, **given).distribution
    if isinstance(inner, list):
        return torch.cat([each.logits for each in inner], dim=1)
    if isinstance(inner, torch.distributions.Categorical):
        return inner.logits
    return inner.probs if hasattr(inner, "probs") else torch.cat([inner.mean, inner.stddev], dim=1)


def compare(plain: PlainPolicy, found: Recording, task: Task) -> Agreement:
    """Compare a loaded model with the trained policy, by SB3's own `predict` and by the outputs."""
    envs = found.starts.shape[1]
    memory, state = Memory(plain.model.policy, envs), None
    actions, outputs = [], []
    for t in range(len(found.starts)):
        given = plain.normalized(plain.form.given(found.rows[t]))
        masks = None if found.masks is None else found.masks[t]
        outputs.append(memory.outputs(given, found.starts[t], masks))
        if plain.recurrent:
            action, state = plain.model.predict(given, state, found.starts[t], deterministic=True)
        else:
            action = acted(plain, given, masks, deterministic=True)
        actions.append(rows_of(action, task))
    return agreement(found, np.stack(actions), np.stack(outputs), task)


def acted(plain: PlainPolicy, given: Any, masks: NDArray[np.bool_] | None, *, deterministic: bool) -> NDArray[Any]:
    """Return a model's actions without memory, in the form of its space."""
    predict: Callable[..., Any] = plain.model.predict
    more = {"action_masks": masks} if plain.masked else {}
    return predict(given, deterministic=deterministic, **more)[0]


def rows_of(actions: NDArray[Any], task: Task) -> NDArray[Any]:
    """Return a model's actions as a task's batch takes them: int64 [N], or float64 [N, A]."""
    if task.actions.discrete:
        return np.asarray(actions).astype(np.int64).ravel()
    numbers = np.asarray(actions).reshape(len(actions), -1).astype(np.float64)
    return task.actions.rounded(numbers) if task.actions.kind == "box" else numbers


def agreement(found: Recording, actions: NDArray[Any], outputs: NDArray[Any], task: Task) -> Agreement:
    """Compare actions [T, N, ...] and outputs [T, N, K] with the recorded ones."""
    if task.actions.kind == "box":
        span = np.minimum(np.array(task.actions.high) - np.array(task.actions.low), 1e6)
        equal = (np.abs(actions - found.actions) <= 1e-4 * span).all(axis=-1)
    else:
        equal = actions == found.actions
        equal = equal if equal.ndim == 2 else equal.all(axis=-1)
    # Forbidden actions have logits of about -1e8, whose rounding says nothing.
    usable = np.abs(found.outputs) < 1e6
    size = max(1.0, float(np.abs(found.outputs[usable]).max(initial=0.0)))
    apart = np.abs(outputs - found.outputs)[usable].max(initial=0.0)
    return Agreement(found.count, int(equal.sum()), float(apart) / size)
