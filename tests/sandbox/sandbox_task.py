"""A small task for the sandbox's tests: a schema, its tables, random rollouts, ways to run a program."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from sandbox.client import HostSetup, Limits, RewardHost, Scores

WIDTH = 16
SCHEMA: dict[str, Any] = {
    "name": "State",
    "dtype": "int32",
    "width": WIDTH,
    "fields": [
        {"name": "step", "kind": "int", "column": 0, "unit": "steps"},
        {"name": "open", "kind": "bool", "column": 1},
        {
            "name": "agent",
            "kind": "record",
            "fields": [
                {"name": "x", "kind": "int", "column": 2, "low": 0, "high": 9, "doc": "column"},
                {"name": "y", "kind": "float", "column": 3},
                {"name": "facing", "kind": "choice", "column": 4, "values": ["east", "south"]},
            ],
        },
        {
            "name": "keys",
            "kind": "list",
            "start": 5,
            "stride": 3,
            "length": 2,
            "present": 0,
            "fields": [
                {"name": "x", "kind": "int", "column": 1},
                {"name": "color", "kind": "choice", "column": 2, "values": ["red", "blue"]},
            ],
        },
        {"name": "carrying", "kind": "item", "of": "keys", "column": 11},
        {"name": "grid", "kind": "table", "table": "grids", "column": 12},
        {"name": "mission", "kind": "text", "table": "missions", "column": 13},
        {"name": "walk", "kind": "int", "column": 14, "uses": "walk_distance"},
    ],
}
TABLES: dict[str, Any] = {"grids": np.arange(8).reshape(2, 2, 2), "missions": ["go", "fetch"]}
ACTIONS = ("left", "right", "forward", "toggle door")
SETUP = HostSetup(("reward",), SCHEMA, TABLES, ACTIONS)


def rollout(steps: int = 6, envs: int = 3, seed: int = 0) -> dict[str, Any]:
    """A consistent rollout of one episode per environment: before[t + 1] is after[t]; step counts from 0."""
    rng = np.random.default_rng(seed)
    states = rng.integers(0, 2, (steps + 1, envs, WIDTH)).astype(np.int32)
    states[..., 11] = -1
    starts = np.zeros((steps, envs), dtype=bool)
    starts[0] = True
    before, after = states[:-1].copy(), states[1:].copy()
    before[..., 0] = np.arange(steps)[:, None]
    after[..., 0] = np.arange(steps)[:, None] + 1
    return {"before": before, "actions": rng.integers(0, 4, (steps, envs)), "after": after, "starts": starts}


def host(source: str, functions: tuple[str, ...] = ("reward",), envs: int = 3, **options: Any) -> RewardHost:
    """A host for `source` on the small task."""
    options.setdefault("limits", Limits(call_seconds=1.0))
    capacity, wait = options.pop("capacity", 600), options.pop("wait", True)
    return RewardHost(source, replace(SETUP, functions=functions, **options), envs, capacity, wait=wait)


def score(source: str, functions: tuple[str, ...] = ("reward",), **options: Any) -> Scores:
    """The scores of one rollout of 6 steps in 3 environments."""
    with host(source, functions, **options) as running:
        return running.score(**rollout())
