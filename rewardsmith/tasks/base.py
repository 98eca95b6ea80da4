"""What the rest of rewardsmith knows of an environment: a Task, its batches, its symbolic state.

A Task is asked for three things: an interface that a designer can read, batches of environments that a
trainer can step, and a success test that nobody but the task decides. The symbolic state of a batch is one
row of numbers per environment; a plain-data schema says what each column means, and the sandbox builds the
views that reward programs read from that schema alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rewardsmith.tasks.schema import Schema

Tables = Mapping[str, Any]
"""Per-layout constants that rows point into by index: arrays [L, ...] or lists of strings."""


class BatchEnv(Protocol):
    """N environments stepped together; the caller decides when finished episodes start again.

    `step` never resets, so the state after the last step of an episode can be read before `restart`.
    Arrays are reused between calls: copy what must outlive the next call.
    """

    num_envs: int
    observation_size: int
    tables: Tables
    rewards: NDArray[np.float64]  # [N], the environment's own reward of the last step
    terminated: NDArray[np.bool_]  # [N]
    truncated: NDArray[np.bool_]  # [N], never set together with terminated
    success: NDArray[np.bool_]  # [N], the task's success test on the last step
    layout: NDArray[np.int64]  # [N], index into the pool of the episode being played

    def reset(self, seed: int) -> None:
        """Start an episode everywhere; `seed` alone decides which layouts are played from here on."""
        ...

    def restart(self, mask: NDArray[np.bool_]) -> None:
        """Start a new episode in the environments where `mask` [N] is true."""
        ...

    def play(self, layout: int) -> None:
        """Start an episode everywhere on one layout of the pool, for plans and scripted behaviours."""
        ...

    def step(self, actions: NDArray[np.int64]) -> None:
        """Apply one action to every environment and fill rewards, terminated, truncated, success."""
        ...

    def observe(self, out: NDArray[np.float32], mask: NDArray[np.bool_] | None = None) -> None:
        """Write the policy's observations into `out` [N, D]; only rows where `mask` is true, if given."""
        ...

    def state_rows(self, out: NDArray[Any]) -> None:
        """Write the symbolic state into `out` [N, schema width]."""
        ...

    def close(self) -> None:
        """Release whatever the environments hold."""
        ...


@dataclass(frozen=True)
class ActionSet:
    """Discrete actions by name. `names[i]` is the constant that reward code uses for action i.

    idle: the action that changes nothing but the step count, or else the least; None where the task knows none.
    detour: actions that end where they began, such as a full turn; empty where the task knows none.
    """

    names: tuple[str, ...]
    idle: int | None = None
    detour: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Interface:
    """The task as a designer sees it: prose for a reader, facts for a machine, one worked example."""

    task_id: str
    goal: str
    text: str
    facts: dict[str, Any]
    example: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Behaviour:
    """A scripted way to act: the actions `prefix` once, then `cycle` again and again to the episode's end.

    An empty cycle means that the episode ends with the prefix. layout: the training layout that it is meant for; None
    where that is known from elsewhere.
    """

    name: str
    prefix: tuple[int, ...]
    cycle: tuple[int, ...] = ()
    layout: int | None = None

    def action(self, step: int) -> int:
        """The action at `step`, counted from 0; action 0 behind a prefix without a cycle."""
        if step < len(self.prefix):
            return self.prefix[step]
        return self.cycle[(step - len(self.prefix)) % len(self.cycle)] if self.cycle else 0

    def then(self, action: int) -> Behaviour:
        """The same, with `action` for ever behind the prefix where there is no cycle."""
        return self if self.cycle else replace(self, cycle=(action,))


class Task(Protocol):
    """An environment as reward code sees it. What only some tasks can do is asked for in capabilities.py."""

    @property
    def id(self) -> str:
        """What it is called on the command line."""
        ...

    @property
    def engine(self) -> str:
        """What plays it, in a word for the reader: "batched" (compiled) or "real" (the environment itself)."""
        ...

    @property
    def cheap_steps(self) -> bool:
        """Whether playing costs next to nothing beside training; elsewhere, what is played is limited."""
        ...

    @property
    def actions(self) -> ActionSet:
        """The discrete actions."""
        ...

    @property
    def first_action(self) -> int:
        """What the plain environment calls the first of `actions`; the others follow."""
        ...

    @property
    def max_steps(self) -> int:
        """Step limit of an episode."""
        ...

    @property
    def schema(self) -> Schema:
        """What each column of a state row means."""
        ...

    @property
    def observation_size(self) -> int:
        """Numbers in a policy's observation."""
        ...

    @property
    def view_cells(self) -> int:
        """Cells of a grid view at the start of an observation, three numbers each; 0 for a plain vector."""
        ...

    @property
    def deterministic(self) -> bool:
        """Whether the state row, the step count aside, and the action decide what follows."""
        ...

    @property
    def success_rule(self) -> str:
        """One sentence: what counts as success."""
        ...

    def batch(self, num_envs: int, pool: str) -> BatchEnv:
        """Environments over the layouts of `pool`: "train", "select" (search) or "claim" (confirm).

        The layouts' hashes of "select" and "claim" are absent from "train", unless the task has too few
        distinct starts; `unseen(pool)` says so.
        """
        ...

    def unseen(self, pool: str) -> bool:
        """Whether no layout of `pool` occurs in training."""
        ...

    def fill_features(self, rows: NDArray[Any], tables: Tables, uses: Sequence[str]) -> None:
        """Compute costly features that a program declared in USES, in place; rows [..., schema width]."""
        ...

    def interface(self) -> Interface:
        """What a designer is told."""
        ...

    def caption(self, row: NDArray[Any], tables: Tables) -> str:
        """One state in words."""
        ...
