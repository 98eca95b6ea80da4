"""Any Gymnasium environment with a flat Box observation, through a small YAML description.

The description names the state's variables with units and ranges, the actions, and an expression that is
true on the step where the task is solved. Python descriptions are the same fields given to `BoxTask`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from rewardsmith.errors import UsageError
from rewardsmith.files import read_text
from rewardsmith.tasks.base import ActionSet, BatchEnv, Behaviour, Interface, Schema, Tables
from rewardsmith.tasks.conditions import compile_condition
from rewardsmith.tasks.lasting import requires_lasting

_FOLDER = Path(__file__).with_name("descriptions")
_POOL_SEEDS = {"train": 1_000_000, "select": 2_000_000, "claim": 3_000_000}
_POOL_SIZE = 1_000_000


class Variable(BaseModel):
    """One entry of the observation, in its order."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    unit: str = ""
    low: float = float("-inf")
    high: float = float("inf")
    doc: str = ""


class Description(BaseModel):
    """A Gymnasium task as its YAML file states it."""

    model_config = ConfigDict(extra="forbid")
    id: str
    goal: str
    env_reward: str = ""
    state: list[Variable]
    actions: list[str]
    success: str
    max_steps: int = Field(ge=1)
    env_id: str | None = Field(default=None, description="Gymnasium's id, if it differs from `id`")
    env_kwargs: dict[str, Any] = {}
    mechanics: list[str] = []

    @field_validator("actions")
    @classmethod
    def _identifiers(cls, names: list[str]) -> list[str]:
        for name in names:
            if not name.isidentifier():
                raise ValueError(f"the action {name!r} is not a name")
        return names


@lru_cache
def described_ids() -> tuple[str, ...]:
    """The ids of the descriptions that come with rewardsmith, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def load_task(name: str) -> BoxTask:
    """The task of a description: a built-in id or a YAML file. Raises KeyError if there is none."""
    return BoxTask(_described(name) if name in described_ids() else _read(Path(name)))


@lru_cache
def _described(name: str) -> Description:
    """A description that comes with rewardsmith; kept, since every submitted job reads its task's."""
    return _read(_FOLDER / f"{name}.yaml")


def _read(path: Path) -> Description:
    if path.suffix not in (".yaml", ".yml") or not path.exists():
        raise KeyError(str(path))
    import yaml

    # libyaml's parser takes a millisecond where Python's takes ten, which a submitter's first job would pay.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return Description.model_validate(yaml.load(read_text(path), Loader=loader))
    except (ValidationError, yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        reason = _explain(error) if isinstance(error, ValidationError) else " ".join(str(error).split())
        raise UsageError(
            f"The task description {path} is wrong: {reason}.",
            "Compare it with `rewardsmith tasks describe MountainCar-v0` and docs/tasks.md.",
        ) from error


def _explain(error: ValidationError) -> str:
    """What is wrong with which field, in one line."""
    parts = []
    for item in error.errors()[:3]:
        place = ".".join(str(part) for part in item["loc"]) or "the file"
        text = item["msg"].removeprefix("Value error, ")
        if item["type"] == "missing":
            text = "it is missing"
        elif item["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(item["loc"][-1]), list(Description.model_fields), n=1)
            text = "there is no such field" + (f"; the nearest is `{near[0]}`" if near else "")
        elif item["type"] == "model_type":
            text = "it holds no mapping of fields"
        parts.append(f"{place}: {text}")
    return "; ".join(parts)


class BoxTask:
    """A Gymnasium task with named observation variables and discrete actions."""

    family = "gymnasium"
    view_cells = 0
    deterministic = False  # described variables need not be the whole state
    engine = "real"

    def __init__(self, description: Description) -> None:
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
        """One real environment. Raises UsageError if it does not fit the description."""
        import gymnasium as gym

        try:
            env = gym.make(self.description.env_id or self.id, **self.description.env_kwargs)
        except gym.error.Error as error:
            raise UsageError(f"Gymnasium cannot make {self.id}: {error}", "Check `env_id` and `env_kwargs`.") from error
        self._check(env)
        return env

    def _check(self, env: Any) -> None:
        from gymnasium import spaces

        if not isinstance(env.observation_space, spaces.Box) or len(env.observation_space.shape) != 1:
            raise UsageError(
                f"{self.id} has no flat Box observation: {env.observation_space}.",
                "Wrap it with gymnasium.wrappers.FlattenObservation and register it under a new id.",
            )
        if env.observation_space.shape[0] != self.observation_size:
            raise UsageError(
                f"{self.id} observes {env.observation_space.shape[0]} numbers, the description names "
                f"{self.observation_size}.",
                "Name every entry of the observation, in order, under `state`.",
            )
        if not isinstance(env.action_space, spaces.Discrete):
            raise UsageError(
                f"{self.id} has continuous actions ({env.action_space}), which are not supported yet.",
                "Wrap it so that it takes one of a few discrete actions.",
            )
        if int(env.action_space.n) != len(self.actions):
            raise UsageError(
                f"{self.id} has {env.action_space.n} actions, the description names {len(self.actions)}.",
                "Name every action, in order, under `actions`.",
            )
        most = env.spec.max_episode_steps if env.spec is not None else None
        if most is not None and most < self.max_steps:
            raise UsageError(
                f"{self.id} ends its episodes after {most} steps, the description says {self.max_steps}.",
                f"Set max_steps to {most} or less, or raise max_episode_steps where the environment is registered.",
            )

    def batch(self, num_envs: int, pool: str) -> BatchEnv:
        """N real environments; start states of different pools come from disjoint seeds."""
        return BoxBatch(self, num_envs, pool)

    def unseen(self, pool: str) -> bool:
        """Start states are drawn from disjoint seeds; with continuous starts none recurs."""
        return pool != "train"

    def solved(self, observation: NDArray[Any], step: int, terminated: bool, truncated: bool) -> bool:
        """The description's success expression on one state after a step."""
        values: dict[str, Any] = {v.name: float(x) for v, x in zip(self.description.state, observation, strict=True)}
        return bool(self._solved({**values, "step": step, "terminated": terminated, "truncated": truncated}))

    def fill_features(self, rows: NDArray[Any], tables: Tables, uses: Sequence[str]) -> None:
        """These tasks have no costly features."""

    def interface(self) -> Interface:
        """What a designer is told: variables with units and ranges, actions, success, an example."""
        d = self.description
        lines = [f"Task {d.id}. {d.goal}", "", "State (read-only attributes of `state` and `prev`):"]
        for f in self.schema["fields"]:
            span = f" in [{f['low']:g}, {f['high']:g}]" if "low" in f else ""
            unit = f" {f['unit']}" if f.get("unit") else ""
            lines.append(f"  {f['name']}: {f['kind']}{span}{unit} - {f.get('doc', '')}")
        lines += ["", "Actions (int constants):"]
        lines += [f"  {name.upper()} = {i}" for i, name in enumerate(d.actions)]
        lines += ["", f"Environment reward: {d.env_reward}." if d.env_reward else ""]
        lines += [
            f"Success: {self.success_rule}",
            f"An episode ends after {d.max_steps} steps at the latest.",
        ]
        lines += d.mechanics
        example = self._example()
        lines += [
            "",
            f"Example: prev = {example['prev']}, action = {example['action']}, state = {example['state']}",
        ]
        facts = {
            "family": "variables",
            "fields": self.schema["fields"],
            "actions": [{"name": name} for name in d.actions],
            "success": d.success,
            "success_requires_lasting": requires_lasting(
                d.success, {v.name: (v.low, v.high) for v in d.state}, d.max_steps
            ),
            "max_steps": d.max_steps,
        }
        return Interface(d.id, d.goal, "\n".join(lines), facts, example)

    def _example(self) -> dict[str, Any]:
        env = self.make_env()
        first, _ = env.reset(seed=0)
        second, *_ = env.step(0)
        env.close()
        names = [v.name for v in self.description.state]
        return {
            "prev": dict(zip(names, [round(float(x), 4) for x in first], strict=True)),
            "action": self.actions.names[0].upper(),
            "state": dict(zip(names, [round(float(x), 4) for x in second], strict=True)),
        }

    def caption(self, row: NDArray[Any], tables: Tables) -> str:
        """One state in words."""
        del tables
        parts = [f"{v.name} {row[i]:.3g}{' ' + v.unit if v.unit else ''}" for i, v in enumerate(self.description.state)]
        return ", ".join(parts)

    def oracle_plans(self, count: int) -> Sequence[tuple[int, list[int]]] | None:
        """There is no planner for these tasks."""
        del count
        return None

    def state_graph(
        self, layout: int, limit: int, events: bool = False, uses: Sequence[str] = (), along: Sequence[int] = ()
    ) -> None:
        """States of these tasks cannot be listed."""
        del layout, limit, events, uses, along

    def count_states(self, layout: int, cap: int) -> None:
        """States of these tasks cannot be counted."""
        del layout, cap

    def behaviours(self, layout: int, solution: Sequence[int]) -> list[Behaviour]:
        """None are known."""
        del layout, solution
        return []


class BoxBatch:
    """N real environments behind the BatchEnv protocol."""

    def __init__(self, task: BoxTask, num_envs: int, pool: str) -> None:
        self._task = task
        self._envs = [task.make_env() for _ in range(num_envs)]
        self._first_seed = _POOL_SEEDS[pool]
        self._rng = np.random.default_rng(0)
        self.num_envs = num_envs
        self.observation_size = task.observation_size
        self.tables: Mapping[str, Any] = {}
        self.rewards = np.zeros(num_envs)
        self.terminated = np.zeros(num_envs, dtype=bool)
        self.truncated = np.zeros(num_envs, dtype=bool)
        self.success = np.zeros(num_envs, dtype=bool)
        self.layout = np.zeros(num_envs, dtype=np.int64)
        self._observations = np.zeros((num_envs, task.observation_size), dtype=np.float32)
        self._steps = np.zeros(num_envs, dtype=np.int64)
        low = np.array([v.low for v in task.description.state], dtype=np.float32)
        high = np.array([v.high for v in task.description.state], dtype=np.float32)
        bounded = np.isfinite(low) & np.isfinite(high)
        # The policy sees variables scaled by their documented range, so that small ones are not lost.
        self._scale = np.where(bounded, np.maximum(np.abs(low), np.abs(high)), 1.0).astype(np.float32)

    def reset(self, seed: int) -> None:
        """Start everywhere; the seed decides all start states from here on."""
        self._rng = np.random.default_rng(seed)
        self.restart(np.ones(self.num_envs, dtype=bool))

    def restart(self, mask: NDArray[np.bool_]) -> None:
        """Start where `mask` is true."""
        for n in np.flatnonzero(mask):
            self._start(int(n), int(self._rng.integers(_POOL_SIZE)))

    def play(self, layout: int) -> None:
        """Start everywhere from the same state."""
        for n in range(self.num_envs):
            self._start(n, layout)

    def _start(self, n: int, layout: int) -> None:
        self.layout[n] = layout
        self._observations[n], _ = self._envs[n].reset(seed=self._first_seed + layout)
        self._steps[n] = 0
        self.terminated[n] = self.truncated[n] = self.success[n] = False

    def step(self, actions: NDArray[np.int64]) -> None:
        """One step of every environment."""
        for n, env in enumerate(self._envs):
            observation, reward, terminated, truncated, _ = env.step(int(actions[n]))
            self._steps[n] += 1
            late = not terminated and (truncated or self._steps[n] >= self._task.max_steps)
            self._observations[n] = observation
            self.rewards[n], self.terminated[n], self.truncated[n] = reward, terminated, late
            self.success[n] = self._task.solved(observation, int(self._steps[n]), terminated, late)

    def observe(self, out: NDArray[np.float32], mask: NDArray[np.bool_] | None = None) -> None:
        """Observations scaled by the documented ranges."""
        if mask is None:
            np.divide(self._observations, self._scale, out=out)
        else:
            out[mask] = self._observations[mask] / self._scale

    def state_rows(self, out: NDArray[Any]) -> None:
        """Variables as observed, then step count, success, failure."""
        out[:, : self.observation_size] = self._observations
        out[:, -3] = self._steps
        out[:, -2] = self.success
        out[:, -1] = self.terminated & ~self.success

    def close(self) -> None:
        """Close the environments."""
        for env in self._envs:
            env.close()


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
    return {"name": "State", "dtype": "float64", "width": n + 3, "fields": fields}
