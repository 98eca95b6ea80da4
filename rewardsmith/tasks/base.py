"""The interface between rewardsmith and an environment: tasks, batches of environments, symbolic states.

A Task provides three things: an interface that a designer can read, batches of environments that a trainer can step,
and the success test, which no reward program can influence. The symbolic state of a batch is one row of numbers per
environment. A plain-data schema defines the columns; the sandbox builds the views that reward programs read from that
schema alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rewardsmith.tasks.actions import ActionSpace
from rewardsmith.tasks.observations import ObservationSpace
from rewardsmith.tasks.schema import Schema

Tables = Mapping[str, Any]
"""Per-layout constants that rows point into by index: arrays [L, ...] or lists of strings."""


class BatchEnv(Protocol):
    """N environments stepped together; the caller decides when finished episodes start again.

    `step` never resets, so the state after the last step of an episode can be read before `restart`.
    Arrays are reused between calls: copy whatever must outlive the next call.

    Attributes:
        num_envs: The number N of environments.
        observation_size: The length D of one observation.
        tables: Per-layout constants that state rows refer to by the layout's index.
        rewards: float64 [N], the environment's own reward of the last step.
        terminated: bool [N], whether the last step ended the episode.
        truncated: bool [N], whether the last step reached the step limit; never set together with `terminated`.
        success: bool [N], whether the episode has succeeded by now.
        layout: int64 [N], index into the pool of the episode being played.
        masks: bool [N, actions], which actions are allowed now; None if the environment does not say.
    """

    num_envs: int
    observation_size: int
    tables: Tables
    rewards: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    success: NDArray[np.bool_]
    layout: NDArray[np.int64]
    masks: NDArray[np.bool_] | None

    def reset(self, seed: int) -> None:
        """Start an episode in every environment; `seed` alone determines the layouts played from now on."""
        ...

    def restart(self, mask: NDArray[np.bool_]) -> None:
        """Start a new episode in the environments where `mask` [N] is true."""
        ...

    def play(self, layout: int) -> None:
        """Start an episode in every environment on one layout of the pool, for plans and scripted behaviours."""
        ...

    def step(self, actions: NDArray[Any]) -> None:
        """Apply `actions`, one per environment; fills `rewards`, `terminated`, `truncated` and `success`."""
        ...

    def observe(self, out: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> None:
        """Write the policy's observations into `out` [N, D]; if `mask` [N] is given, only the rows where it is true."""
        ...

    def state_rows(self, out: NDArray[Any]) -> None:
        """Write the symbolic state into `out` [N, schema width]."""
        ...

    def close(self) -> None:
        """Release all resources that the environments hold."""
        ...


@dataclass(frozen=True)
class Interface:
    """The task as a designer sees it.

    Attributes:
        task_id: The task's id.
        goal: The goal in one or two sentences.
        text: The full description for a language model: state, actions, mechanics, success, an example.
        facts: The same as JSON values, for designers that are programs.
        example: One transition: "prev", "action" and "state", and "reward" if the task gives it.
    """

    task_id: str
    goal: str
    text: str
    facts: dict[str, Any]
    example: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Behaviour:
    """A scripted sequence of actions: `prefix` once, then `cycle` repeated until the episode ends.

    Attributes:
        name: A short name for reports.
        prefix: Actions taken once at the start: ints, or tuples of numbers.
        cycle: Actions then repeated; empty if the episode ends with the prefix.
        layout: The training layout that it is written for; None if the caller knows the layout.
    """

    name: str
    prefix: tuple[Any, ...]
    cycle: tuple[Any, ...] = ()
    layout: int | None = None

    def action(self, step: int) -> Any:
        """Return the action at `step`, counted from 0; after a prefix without a cycle this is action 0."""
        if step < len(self.prefix):
            return self.prefix[step]
        return self.cycle[(step - len(self.prefix)) % len(self.cycle)] if self.cycle else 0

    def then(self, action: int) -> Behaviour:
        """Return this behaviour with `action` as its cycle if it has none."""
        return self if self.cycle else replace(self, cycle=(action,))


class Task(Protocol):
    """An environment as reward code sees it. capabilities.py defines what only some tasks provide."""

    @property
    def id(self) -> str:
        """The task's name on the command line."""
        ...

    @property
    def engine(self) -> str:
        """The engine that runs it, for display only: "batched" (compiled) or "real" (the environment itself)."""
        ...

    @property
    def cheap_steps(self) -> bool:
        """Whether a step costs far less than training on it; if not, checks and evaluations limit their steps."""
        ...

    @property
    def actions(self) -> ActionSpace:
        """What a policy chooses from."""
        ...

    @property
    def max_steps(self) -> int:
        """Step limit of an episode, at least 1."""
        ...

    @property
    def schema(self) -> Schema:
        """The meaning of each column of a state row."""
        ...

    @property
    def observation(self) -> ObservationSpace:
        """What a policy observes: one row of numbers, and the form that a policy is built for."""
        ...

    @property
    def masked(self) -> bool:
        """Whether the environment says which actions are allowed."""
        ...

    @property
    def observation_size(self) -> int:
        """The length D of a policy's observation."""
        ...

    @property
    def view_cells(self) -> int:
        """Number of grid cells at the start of an observation, three numbers each; 0 for a plain vector."""
        ...

    @property
    def deterministic(self) -> bool:
        """Whether the state row (without the step count) and the action determine the next state row."""
        ...

    @property
    def success_rule(self) -> str:
        """One sentence that defines success."""
        ...

    def batch(self, num_envs: int, pool: str) -> BatchEnv:
        """Return environments that play the layouts of one pool.

        Args:
            num_envs: The number N of environments.
            pool: "train" for training, "select" for evaluations of the search, "claim" for the final evaluation.
                No layout of "select" or "claim" occurs in "train", unless the task has too few distinct starts;
                then `unseen(pool)` is false.
        """
        ...

    def unseen(self, pool: str) -> bool:
        """Whether no layout of `pool` occurs in training."""
        ...

    def fill_features(self, rows: NDArray[Any], tables: Tables, uses: Sequence[str]) -> None:
        """Compute the costly features that a program declares in USES, in place.

        Args:
            rows: State rows [..., schema width]; the columns of the features are filled in.
            tables: The tables of the batch that the rows come from.
            uses: Names of the declared features.
        """
        ...

    def interface(self) -> Interface:
        """Return the description of the task that a designer receives."""
        ...

    def caption(self, row: NDArray[Any], tables: Tables) -> str:
        """Return a state row [W] in words."""
        ...
