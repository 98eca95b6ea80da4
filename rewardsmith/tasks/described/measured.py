"""The results and ranges of random play on a task: measured once, stored, and told to designers."""

from __future__ import annotations

import json
import math
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from rewardsmith.tasks.actions import ActionSpace
from rewardsmith.tasks.base import BatchEnv
from rewardsmith.tasks.schema import Field as SchemaField
from rewardsmith.tasks.schema import Schema

STEPS = 1_000
"""Steps of random play, unless they take longer than SECONDS."""

EPISODES, MOST_STEPS = 5, 5_000
"""Play goes on until so many episodes have ended, or so many steps were played."""

SECONDS = 15.0
"""Seconds after which random play ends."""

SHIPPED = Path(__file__).with_name("built_in") / "random_play.json"
_MOST_ENTRIES = 8  # numbers of a vector that an example shows
_SEEN_EARLY = 50  # steps among which the example is chosen, unless a later one succeeds


class Transition(BaseModel):
    """One step as a reward reads it: values by name, the action's name or entries, the environment's reward."""

    model_config = ConfigDict(extra="forbid")
    prev: dict[str, Any]
    action: Any
    state: dict[str, Any]
    reward: float
    terminated: bool = False


class RandomPlay(BaseModel):
    """The results and ranges of some steps of random play.

    Attributes:
        steps: Steps played.
        episodes: Episodes that ended.
        successes: Those that succeeded.
        terminated: Those that the environment ended before the step limit.
        mean_return: Their mean return by the environment's own reward; None if none ended.
        mean_length: Their mean length in steps; None if none ended.
        rewards: Smallest and largest reward of a step.
        seen: For each variable, the smallest and the largest number, or the texts that were seen.
        example: One transition.
    """

    model_config = ConfigDict(extra="forbid")
    steps: int = Field(ge=1)
    episodes: int = Field(ge=0)
    successes: int = Field(ge=0)
    terminated: int = Field(ge=0)
    mean_return: float | None
    mean_length: float | None
    rewards: tuple[float, float]
    seen: dict[str, list[float] | list[str]]
    example: Transition

    @property
    def paid(self) -> str:
        """What the environment's own reward was, in a clause."""
        each = "" if self.mean_return is None else f", {self.mean_return:.3g} an episode"
        return f"{span(*self.rewards)} a step{each} in random play"

    def lines(self, *, scored: bool = False) -> list[str]:
        """Return the figures as sentences, one a line."""
        low, high = self.rewards
        lines = [f"{self.steps:,} random steps: the environment's reward was {span(low, high)} a step."]
        if not self.episodes:
            return [*lines, "No episode ended."]
        ends = f"{self.terminated} by the environment, {self.episodes - self.terminated} at the step limit"
        return [
            *lines,
            ("" if scored else f"{self.successes} of {self.episodes} episodes succeeded. ")
            + f"{'The episodes' if scored else 'They'} ended {ends}; mean length {self.mean_length:.4g} steps, "
            f"mean return {self.mean_return:.4g}.",
        ]

    def range_of(self, name: str) -> str:
        """Return what was seen of a variable: `-1 to 2`, `always 0`, `'a', 'b'`; "" if nothing was."""
        found = self.seen.get(name, [])
        if not found:
            return ""
        if isinstance(found[0], str):
            return ", ".join(map(repr, found))
        return span(float(found[0]), float(found[-1]))


def span(low: float, high: float) -> str:
    """A range in words: `-1 to 2`, or `always 0`."""
    return f"always {low + 0.0:.4g}" if low == high else f"{low + 0.0:.4g} to {high + 0.0:.4g}"


def shipped_play(task_id: str) -> RandomPlay | None:
    """The measured random play of a description that comes with rewardsmith."""
    found = _all_shipped().get(task_id)
    return None if found is None else RandomPlay.model_validate(found)


@lru_cache
def _all_shipped() -> dict[str, Any]:
    return json.loads(SHIPPED.read_text(encoding="utf-8")) if SHIPPED.exists() else {}


def measure(batch: BatchEnv, schema: Schema, actions: ActionSpace) -> RandomPlay:
    """Play at random on training starts and record what a reward reads.

    Args:
        batch: One environment, which the caller closes.
        schema: The schema of its state rows.
        actions: Its actions.

    Raises:
        TaskError: If the environment fails.
    """
    rng, record = np.random.default_rng(0), _Record(schema, actions)
    batch.reset(0)
    row = schema.rows(1)
    batch.state_rows(row)
    record.look(row[0])
    until = time.monotonic() + SECONDS
    while record.goes_on and (record.steps == 0 or time.monotonic() < until):
        before = row[0].copy()
        action = actions.sample(rng, 1, allowed=batch.masks)
        batch.step(action)
        batch.state_rows(row)
        record.step(before, action[0], row[0], batch)
        if batch.terminated[0] or batch.truncated[0]:
            batch.restart(np.ones(1, dtype=bool))
            batch.state_rows(row)
            record.look(row[0])
    return record.result()


class _Record:
    """Collects what is seen, step by step."""

    def __init__(self, schema: Schema, actions: ActionSpace) -> None:
        self._schema, self._actions = schema, actions
        self._low = np.full(schema.width, np.inf)
        self._high = np.full(schema.width, -np.inf)
        self._choices: dict[str, dict[str, None]] = {f.name: {} for f in schema if f.kind == "choice"}
        self._rewards: list[float] = []
        self._ended: list[tuple[float, int, bool, bool]] = []
        self._total, self._length = 0.0, 0
        self._example: tuple[tuple[int, int], Transition] | None = None

    @property
    def steps(self) -> int:
        return len(self._rewards)

    @property
    def goes_on(self) -> bool:
        return self.steps < STEPS or (len(self._ended) < EPISODES and self.steps < MOST_STEPS)

    def look(self, row: NDArray[Any]) -> None:
        np.fmin(self._low, row, out=self._low)
        np.fmax(self._high, row, out=self._high)
        for name, seen in self._choices.items():
            value = _value(self._schema.field(name), row)
            if value is not None:
                seen[value] = None

    def step(self, before: NDArray[Any], action: Any, after: NDArray[Any], batch: BatchEnv) -> None:
        self.look(after)
        reward, terminated = float(batch.rewards[0]), bool(batch.terminated[0])
        self._rewards.append(reward)
        self._total, self._length = self._total + reward, self._length + 1
        # A step that succeeds tells the most; then one on which much changes, which few first steps do.
        rank = (int(batch.success[0]), int((before[:-3] != after[:-3]).sum()) if self.steps <= _SEEN_EARLY else -1)
        if self._example is None or rank > self._example[0]:
            made = Transition(
                prev=values_of(self._schema, before), action=action_shown(self._actions, action),
                state=values_of(self._schema, after), reward=round(reward, 6), terminated=terminated,
            )  # fmt: skip
            self._example = (rank, made)
        if terminated or batch.truncated[0]:
            self._ended.append((self._total, self._length, bool(batch.success[0]), terminated))
            self._total, self._length = 0.0, 0

    def result(self) -> RandomPlay:
        assert self._example is not None
        returns, lengths, won, terminated = zip(*self._ended, strict=True) if self._ended else ((), (), (), ())
        return RandomPlay(
            steps=self.steps,
            episodes=len(self._ended),
            successes=sum(won),
            terminated=sum(terminated),
            mean_return=_short(float(np.mean(returns))) if returns else None,
            mean_length=_short(float(np.mean(lengths))) if lengths else None,
            rewards=(_short(min(self._rewards)), _short(max(self._rewards))),
            seen={field.name: self._range(field) for field in self._schema if field.name not in ("step", "failed")},
            example=self._example[1],
        )

    def _range(self, field: SchemaField) -> list[float] | list[str]:
        if field.kind == "choice":
            return list(self._choices[field.name])
        columns = field.columns()
        ends = [_short(float(self._low[columns].min())), _short(float(self._high[columns].max()))]
        return ends if all(map(math.isfinite, ends)) else []


def _short(number: float) -> float:
    """Four digits, so that stored texts do not depend on the last bits."""
    return float(f"{number:.4g}")


def action_shown(actions: ActionSpace, action: Any) -> Any:
    """An action in an example: its constant, or its entries by name."""
    if actions.discrete:
        return actions.names[int(action)].upper()
    return {n: round(float(x), 4) for n, x in zip(actions.names, np.ravel(action).tolist(), strict=True)}


def values_of(schema: Schema, row: NDArray[Any]) -> dict[str, Any]:
    """The values of a state row [W] by name, short enough to read; without those that every task has."""
    common = ("step", "solved", "failed")
    return {field.name: _value(field, row) for field in schema if field.name not in common}


def _value(field: SchemaField, row: NDArray[Any]) -> Any:
    if field.kind == "vector":
        numbers = [_rounded(float(x)) for x in row[field.columns()][:_MOST_ENTRIES]]
        return [*numbers, "..."] if field.length > _MOST_ENTRIES else numbers
    number = float(row[field.column])
    if field.kind == "choice":
        return field.values[int(number)] if number >= 0 else None
    if field.kind == "bool":
        return bool(number)
    return int(number) if field.kind == "int" and number.is_integer() else _rounded(number)


def _rounded(number: float) -> float | str:
    """Four digits behind the point; NaN and infinity as texts, which JSON does not have as numbers."""
    return round(number, 4) + 0.0 if math.isfinite(number) else str(number)
