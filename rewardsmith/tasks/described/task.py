"""Gymnasium environments with a flat Box observation, described by a small YAML file.

The description names the state's variables with units and ranges, the actions, and an expression that is true on the
step that solves the task. In Python, build a `Description` with the same fields and pass it to `BoxTask`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import UsageError
from rewardsmith.tasks.base import ActionSet, BatchEnv, Interface, Schema, Tables
from rewardsmith.tasks.capabilities import StateReader
from rewardsmith.tasks.described import environments, flattening, spaces
from rewardsmith.tasks.described.batch import BoxBatch
from rewardsmith.tasks.described.conditions import compile_condition
from rewardsmith.tasks.described.description import (
    Description,
    Variable,
    described_ids,
    is_description_file,
    parse_description,
    read_built_in,
    read_file,
)
from rewardsmith.tasks.described.lasting import requires_lasting
from rewardsmith.tasks.described.modules import importable, require_task_files
from rewardsmith.tasks.guarded import GuardedEnv, called

__all__ = ["BoxBatch", "BoxTask", "Description", "Variable", "described_ids", "load_task"]

_PLAYED: set[str] = set()
"""Keys of the environments that have been rehearsed in this process."""


def load_task(name: str) -> BoxTask:
    """Return the task of a built-in id or of a YAML file. Raises KeyError if `name` is neither."""
    if name in described_ids():
        return BoxTask(read_built_in(name), examined=True)
    if not is_description_file(name):
        raise KeyError(name)
    require_task_files(name)
    path = Path(name)
    return task_of(parse_description(read_file(path), name), path.absolute().parent)


def task_of(description: Description, folder: Path) -> BoxTask:
    """Return the task of a file's description.

    Raises UsageError with all mistakes at once, those of the text and those of the environment's spaces.
    """
    try:
        return BoxTask(description, folder)
    except UsageError as error:
        if (found := _differences(description, folder)) is None:
            raise
        raise UsageError(f"{error.cause} In addition, {found[0]}", f"{error.remedy} {found[1]}") from error


def _differences(description: Description, folder: Path) -> tuple[str, str] | None:
    """Cause and remedy if the spaces do not fit.

    None if they fit, and also if no environment can be made: that error is raised once the text is right.
    """
    with suppress(UsageError):
        return spaces.differences(environments.make_environment(description, folder), description)
    return None


class BoxTask:
    """A Gymnasium task with named observation variables and discrete actions.

    Attributes:
        description: The description that it is built from.
        success_rule: One sentence that quotes the description's success expression.

    `Task` explains the other attributes.
    """

    engine = "real"
    cheap_steps = False
    view_cells = 0
    deterministic = False  # described variables need not be the whole state

    def __init__(self, description: Description, folder: Path | None = None, *, examined: bool = False) -> None:
        """Build the task without making an environment.

        Args:
            description: The description.
            folder: The folder of the environment's module, if it is not on Python's path.
            examined: Whether the description's bounds have already been compared with random play.

        Raises:
            UsageError: If two entries of `state` have the same name, or `success` is not a valid condition.
        """
        self._folder = folder
        self._examined = examined
        self.description = description
        self.id = description.id
        self.actions = ActionSet(tuple(description.actions))
        self.max_steps = description.max_steps
        self.observation_size = len(description.state)
        self.success_rule = f"An episode succeeds on a step where: {description.success}."
        self.schema = _schema(description)
        names = [v.name for v in description.state] + ["step", "terminated", "truncated"]
        if twice := [n for n in names if (*names, "solved", "failed").count(n) > 1]:
            raise UsageError(
                f"{self.id} has two values called {twice[0]!r}.", "Give each entry of `state` its own name."
            )
        self._solved = compile_condition(description.success, names)

    def make_env(self) -> Any:
        """Make one real environment.

        Raises:
            UsageError: If it cannot be made or does not fit the description.
            TaskError: If its first reset or step breaks its contract.
        """
        self._play_once()
        return self._made()

    def _made(self) -> Any:
        env = environments.make_environment(self.description, self._folder)
        spaces.require_fit(env, self.description)
        return env

    def guarded_env(self) -> GuardedEnv:
        """Make one real environment whose own errors become TaskErrors. Raises TaskError."""
        return GuardedEnv(self.make_env, self.id, [v.name for v in self.description.state])

    def _play_once(self) -> None:
        """Before the first environment of a kind in this process, play another one and compare the bounds with it."""
        made = json.dumps([self.description.model_dump(), str(self._folder), self._examined], default=str)
        if made in _PLAYED:
            return
        with importable(self._folder), environments.generators_kept():
            env = self._made()
            environments.rehearse(env, self.description, spaces.first_action(env))
            flattening.require_names(self.description, flattening.places_of(env))
            if not self._examined:
                spaces.require_played_bounds(env, self.description)
            environments.close(env)
        _PLAYED.add(made)

    @property
    def first_action(self) -> int:
        """The environment's number for the first of `actions`; the others follow. Raises UsageError."""
        return self._first_action

    @cached_property
    def _first_action(self) -> int:
        env = self.make_env()
        environments.close(env)
        return spaces.first_action(env)

    def order_warning(self) -> str | None:
        """Return a warning to check the names of a flattened Dict observation; None for other environments."""
        env = self.make_env()
        try:
            return flattening.order_warning(env, self.description)
        finally:
            environments.close(env)

    def batch(self, num_envs: int, pool: str) -> BatchEnv:
        """Return `num_envs` real environments; start states of different pools come from disjoint seeds."""
        envs = [self.guarded_env() for _ in range(num_envs)]
        return BoxBatch(envs, pool, self.description.state, self.first_action, self.max_steps, self.solved)

    def unseen(self, pool: str) -> bool:
        """Return whether `pool` is not "train": seeds are disjoint, and continuous start states do not recur."""
        return pool != "train"

    def solved(self, observation: NDArray[Any], step: int, terminated: bool, truncated: bool) -> bool:
        """Evaluate the success expression on the state after a step.

        Args:
            observation: The environment's observation [D].
            step: Steps since the episode began, this one included.
            terminated: Whether the step ended the episode.
            truncated: Whether the step reached the step limit.
        """
        values: dict[str, Any] = {v.name: float(x) for v, x in zip(self.description.state, observation, strict=True)}
        told = {**values, "step": step, "terminated": terminated, "truncated": truncated}
        return bool(called(self.id, "the description's `success`", self._solved, told))

    def fill_features(self, rows: NDArray[Any], tables: Tables, uses: Sequence[str]) -> None:
        """Do nothing: described tasks have no costly features."""

    def interface(self) -> Interface:
        """Return variables with units and ranges, actions, the success rule and an example, for the designer."""
        d, env = self.description, self.make_env()
        try:
            places, example = flattening.places_of(env), self._example(env)
        finally:
            environments.close(env)
        lines = [f"Task {d.id}. {d.goal}", "", "State (read-only attributes of `state` and `prev`):"]
        for f in self.schema:
            span = f" in [{f.low:g}, {f.high:g}]" if f.low is not None else ""
            unit = f" {f.unit}" if f.unit else ""
            place = f" ({f.name} = {places[f.column]})" if f.column < len(places) else ""
            lines.append(f"  {f.name}: {f.kind}{span}{unit} - {f.doc}{place}")
        lines += ["", "Actions (int constants):"]
        lines += [f"  {name.upper()} = {i}" for i, name in enumerate(d.actions)]
        lines += ["", f"Environment reward: {d.env_reward}." if d.env_reward else ""]
        lines += [
            f"Success: {self.success_rule}",
            f"An episode ends after {d.max_steps} steps at the latest.",
        ]
        lines += d.mechanics
        lines += [
            "",
            f"Example: prev = {example['prev']}, action = {example['action']}, state = {example['state']}",
        ]
        facts = {
            "family": "variables",
            "fields": self.schema.as_dict()["fields"],
            "actions": [{"name": name} for name in d.actions],
            "success": d.success,
            "success_requires_lasting": requires_lasting(
                d.success, {v.name: (v.low, v.high) for v in d.state}, d.max_steps
            ),
            "max_steps": d.max_steps,
        }
        return Interface(d.id, d.goal, "\n".join(lines), facts, example)

    def _example(self, env: Any) -> dict[str, Any]:
        names = [v.name for v in self.description.state]
        guarded = GuardedEnv(lambda: env, self.id, names)
        first = guarded.reset(0)
        second, *_ = guarded.step(spaces.first_action(env))
        return {
            "prev": dict(zip(names, [round(float(x), 4) for x in first], strict=True)),
            "action": self.actions.names[0].upper(),
            "state": dict(zip(names, [round(float(x), 4) for x in second], strict=True)),
        }

    def caption(self, row: NDArray[Any], tables: Tables) -> str:
        """Return a state row [W] as a list of variables with values and units."""
        del tables
        parts = [f"{v.name} {row[i]:.3g}{' ' + v.unit if v.unit else ''}" for i, v in enumerate(self.description.state)]
        return ", ".join(parts)

    def state_reader(self) -> StateReader:
        """Return code with the variables, the success test as a function, and a tracker of a flat observation."""
        d = self.description
        given = f", **{d.env_kwargs!r}" if d.env_kwargs else ""
        names = [v.name for v in d.state]
        constants = f"VARIABLES = {tuple(names)!r}\nMAX_STEPS = {self.max_steps}"
        test = f"def solved_when({', '.join(names)}, step, terminated, truncated):\n    return {d.success}"
        tracker = (Path(__file__).parent / "export_parts" / "flat_tracker.py").read_text(encoding="utf-8")
        return StateReader(f"gymnasium.make({d.environment!r}{given})", (), (constants, test, tracker))


def _schema(d: Description) -> Schema:
    fields: list[dict[str, Any]] = []
    for column, variable in enumerate(d.state):
        entry = {"name": variable.name, "kind": "float", "column": column, "doc": variable.doc}
        if variable.unit:
            entry["unit"] = variable.unit
        if np.isfinite(variable.low) and np.isfinite(variable.high):
            entry |= {"low": variable.low, "high": variable.high}
        fields.append(entry)
    n = len(fields)
    fields.append({"name": "step", "kind": "int", "column": n, "doc": "steps since the episode began"})
    fields.append({"name": "solved", "kind": "bool", "column": n + 1, "doc": "the success test on this step"})
    fields.append({"name": "failed", "kind": "bool", "column": n + 2, "doc": "the episode ended without success"})
    return Schema({"name": "State", "dtype": "float64", "width": n + 3, "fields": fields})
