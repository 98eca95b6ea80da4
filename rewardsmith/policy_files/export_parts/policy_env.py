"""The environment as the exported policy reads it: `policy_env.wrap(env)`. Needs numpy and gymnasium."""

from __future__ import annotations

import re
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

# CONSTANTS


# ENCODER


def _space(leaf: dict) -> Any:
    if leaf["kind"] == "discrete":
        return spaces.Discrete(leaf["counts"])
    if leaf["kind"] == "multi-discrete":
        return spaces.MultiDiscrete(leaf["counts"])
    if leaf["kind"] == "multi-binary":
        return spaces.MultiBinary(leaf["size"])
    if leaf["kind"] == "image":
        return spaces.Box(0, 255, leaf["shape"], np.uint8)
    size = leaf["size"] + CELLS * (sum(CODES) - 3)
    return spaces.Box(-np.inf, np.inf, (size,), np.float32)


def _frame(leaf: dict, observation: Any) -> Any:
    """What one observation says of a leaf."""
    for key in leaf["path"]:
        observation = observation[key]
    if leaf["kind"] == "discrete":
        return np.int64(int(np.ravel(observation)[0]) - leaf["first"][0])
    if leaf["kind"] == "multi-discrete":
        return np.ravel(observation).astype(np.int64) - np.array(leaf["first"])
    if leaf["kind"] == "multi-binary":
        return np.ravel(observation).astype(np.int8)
    if leaf["kind"] == "image":
        image = np.asarray(observation, np.uint8)
        return np.ascontiguousarray(image.transpose(2, 0, 1)) if leaf["channels_last"] else image
    row = np.ravel(observation if encoded is None else encoded(observation))
    if "scale" in leaf:
        row = row / np.array(leaf["scale"], np.float32)
    return row.astype(np.float32)


def _value(leaf: dict, observations: Any) -> Any:
    """What the policy reads of a leaf in the last FRAMES observations; zeros where an episode has fewer."""
    values = [_frame(leaf, each) for each in observations[-FRAMES:]]
    values = [np.zeros_like(values[-1])] * (FRAMES - len(values)) + values
    if leaf["kind"] == "image":
        return np.concatenate(values)
    if leaf["kind"] != "box":
        return values[-1]
    cells = 3 * VIEW
    return _one_hot(np.concatenate([*(row[:cells] for row in values), *(row[cells:] for row in values)]))


def _one_hot(row: Any) -> Any:
    """The row with each of its first cells written as zeros and ones."""
    if not CELLS:
        return row
    codes = np.rint(row[: 3 * CELLS].reshape(CELLS, 3) * (np.array(CODES) - 1)).astype(int)
    out = np.zeros((CELLS, sum(CODES)), np.float32)
    for k in range(3):
        out[np.arange(CELLS), sum(CODES[:k]) + codes[:, k]] = 1.0
    return np.concatenate([out.ravel(), row[3 * CELLS :]])


def observed(observation: Any, *earlier: Any) -> Any:
    """What the policy reads of an observation; `earlier`: those before it in the episode, the latest first."""
    observations = [*reversed(earlier), observation]
    if SINGLE:
        return _value(LEAVES[0], observations)
    return {leaf["name"]: _value(leaf, observations) for leaf in LEAVES}


def observation_space() -> Any:
    """The space of what the policy reads."""
    return _space(LEAVES[0]) if SINGLE else spaces.Dict({leaf["name"]: _space(leaf) for leaf in LEAVES})


def action_space() -> Any:
    """The space of the policy's actions, which count from 0."""
    if KIND == "discrete":
        return spaces.Discrete(ENTRIES)
    if KIND == "multi-discrete":
        return spaces.MultiDiscrete(list(COUNTS))
    if KIND == "multi-binary":
        return spaces.MultiBinary(ENTRIES)
    return spaces.Box(np.array(LOW, np.float32), np.array(HIGH, np.float32), dtype=np.float32)


def acted(action: Any) -> Any:
    """The environment's action for an action of the policy."""
    if KIND == "discrete":
        return FIRST[0] + int(action)
    numbers = np.asarray(action, np.float64)
    if KIND == "multi-discrete":
        numbers = numbers + np.array(FIRST)
    elif np.dtype(DTYPE).kind in "iu":
        numbers = np.rint(numbers)
    return numbers.astype(DTYPE).reshape(SHAPE)


class PolicyEnv(gymnasium.Wrapper):
    """An environment with the policy's observations and actions."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.observation_space, self.action_space = observation_space(), action_space()

    def reset(self, **kwargs: Any) -> Any:
        observation, info = self.env.reset(**kwargs)
        self._seen = [observation]
        return observed(*self._seen), info

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(acted(action))
        self._seen = [observation, *self._seen][:FRAMES]
        return observed(*self._seen), reward, terminated, truncated, info


def wrap(env: Any) -> Any:
    """Return the environment as the policy reads it."""
    return PolicyEnv(env)
