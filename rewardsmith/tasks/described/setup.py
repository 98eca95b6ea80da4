"""The setup of a task: its description compared with its environment, once per process."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import UsageError
from rewardsmith.tasks.actions import ActionSpace
from rewardsmith.tasks.base import Schema
from rewardsmith.tasks.described import environments, flattening, spaces
from rewardsmith.tasks.described.batch import Form
from rewardsmith.tasks.described.bounds import is_finite, require_bounds, require_played_bounds
from rewardsmith.tasks.described.conditions import Place, Translated, translate
from rewardsmith.tasks.described.description import Description, Variable
from rewardsmith.tasks.described.fit_for_pools import require_pool
from rewardsmith.tasks.described.functions import action_mask
from rewardsmith.tasks.described.guard import GuardedEnv
from rewardsmith.tasks.described.judging import ConditionJudge, FunctionJudge, Judge, NoJudge
from rewardsmith.tasks.described.modules import importable
from rewardsmith.tasks.described.names import COMMON
from rewardsmith.tasks.described.python_tasks import Hooks, hooks_of
from rewardsmith.tasks.described.reading import FunctionCondition, StateReading
from rewardsmith.tasks.described.reading import Variable as Reader
from rewardsmith.tasks.described.variables import PROBE_STEPS, Probe, locate, resolve, unnamed_variables
from rewardsmith.tasks.observations import ObservationSpace

_KEPT: dict[str, Setup] = {}
"""Setups of this process, by description, folder and whether they were examined."""


_SEEDS_COMPARED = 8
"""Resets that have to agree before a task is said to have one start."""


@dataclass(frozen=True)
class Setup:
    """A description, filled in, and what batches and exports are made from.

    Attributes:
        description: With the source, kind and length of every variable.
        folder: Where modules are looked for after Python's path.
        hooks: The user's own functions.
        form: What the environments of the task have in common.
        schema: What each column of a state row means.
        variables: Readers of the variables, in the order of the description; then of `unnamed`.
        condition: The success condition as text; None if a function decides, or nothing counts as a success.
        shown: A transition of random play, for the worked example: (row before, action, row after).
        unnamed: Names of further variables: parts of the observation that the description's variables do not cover.
        one_start: Whether resets with several seeds gave the same observation and the same state.
    """

    description: Description
    folder: Path | None
    hooks: Hooks
    form: Form
    schema: Schema
    variables: tuple[Reader, ...]
    condition: Translated | None
    shown: tuple[NDArray[np.float64], Any, NDArray[np.float64]]
    one_start: bool
    unnamed: frozenset[str] = frozenset()

    def make(self) -> Any:
        """One real environment. Raises UsageError."""
        return environments.make_environment(self.description, self.folder, self.hooks.make)

    def named(self) -> dict[int, str]:
        """The variable that reads each number of an observation, by its index, as far as the description has one."""
        readers = [reader for reader in self.variables if reader.flat is not None and reader.name not in self.unnamed]
        return {(r.flat or 0) + k: r.name for r in readers for k in range(r.length)}


def set_up(description: Description, folder: Path | None, examined: bool) -> Setup:
    """Make one environment, play it, and work out what follows from it and the description.

    Raises:
        UsageError: If the environment cannot be made, or does not fit the description.
        TaskError: If it cannot play.
    """
    key = json.dumps([description.model_dump(), str(folder), examined], default=str)
    if key not in _KEPT:
        with importable(folder), environments.generators_kept():
            _KEPT[key] = _work_out(description, folder, examined)
    return _KEPT[key]


def _work_out(description: Description, folder: Path | None, examined: bool) -> Setup:
    hooks = hooks_of(description, folder)
    env = environments.make_environment(description, folder, hooks.make)
    observation, actions = spaces.fit(env, description)
    environments.rehearse(env, description.id, observation, actions)
    flattening.require_names(description, flattening.places_of(env))
    found = resolve(description, observation, _probe(env, description, actions, hooks), hooks)
    require_bounds(found, observation)
    _require_names(found)
    unnamed = unnamed_variables(found, observation)
    fields, variables = _fields([*found.state, *unnamed], observation)
    schema = _schema(fields, scored=found.score_rule is not None)
    condition = _condition(found, fields)
    form = Form(
        task_id=found.id,
        actions=actions,
        observation=observation,
        offset=np.concatenate([part.first for part in observation.parts]).astype(np.float64),
        scale=_scale(found, observation),
        max_steps=found.max_steps,
        width=schema.width,
        reading=lambda: StateReading(
            variables, _test(condition, hooks), found.max_steps, hooks.state, observation.size
        ),
        variables=variables,
        judge=_judge(condition, hooks, variables),
        function=hooks.state,
        mask=action_mask(env, actions),
    )
    if description.engine == "envpool":
        require_pool(found, env, form, hooks, condition)
    with environments.environment_blamed("state and success were read", "Fix the description's own functions."):
        shown, one_start = _shown(env, form), _starts_alike(env, form)
    names = frozenset(v.name for v in unnamed)
    setup = Setup(found, folder, hooks, form, schema, variables, condition, shown, one_start, names)
    if not examined:  # last: an environment that fails while it is played may be of no more use
        require_played_bounds(env, found, observation, actions)
    environments.close(env)
    return setup


def _probe(env: Any, description: Description, actions: ActionSpace, hooks: Hooks) -> Probe:
    """Random play, as far as something must be seen that the spaces do not say."""
    probe = Probe()
    sources = [v.source for v in description.state if v.source is not None and not v.source.startswith("observation")]
    if not sources and hooks.state is None:
        return probe
    for observation, info, starts in spaces.random_play(env, actions, PROBE_STEPS):
        with environments.environment_blamed("its state was read", "Fix the description's function `state`."):
            probe.look(env, observation, {} if starts else info, sources, hooks)
        probe.steps += not starts
    return probe


def _require_names(d: Description) -> None:
    names = [v.name for v in d.state]
    if taken := [n for n in names if n in COMMON]:
        cause = f"{d.id} calls a value {taken[0]!r}; every state has {', '.join(COMMON)} of its own."
        raise UsageError(cause, f"Give the entry {taken[0]} of `state` another name.")
    if twice := [n for n in names if names.count(n) > 1]:
        raise UsageError(f"{d.id} has two values called {twice[0]!r}.", "Give each entry of `state` its own name.")


def _fields(variables: Sequence[Variable], space: ObservationSpace) -> tuple[list[dict[str, Any]], tuple[Reader, ...]]:
    """The plain fields of the variables, and what reads them."""
    fields: list[dict[str, Any]] = []
    readers: list[Reader] = []
    column = 0
    for v in variables:
        entry: dict[str, Any] = {"name": v.name, "kind": v.kind or "float", "column": column, "doc": v.doc}
        if v.values:
            entry |= {"kind": "choice", "values": v.values}
        elif v.length is not None:
            entry |= {"kind": "vector", "of": v.kind or "float", "length": v.length, "entries": v.entries}
        if v.unit:
            entry["unit"] = v.unit
        if v.training_only:
            entry["training_only"] = True
        if is_finite(v.low) and is_finite(v.high):
            entry |= {"low": v.low, "high": v.high}
        fields.append(entry)
        readers.append(Reader(entry, v.source or "", _flat_index(v.source, space)))
        column += v.length or 1
    return fields, tuple(readers)


def _flat_index(source: str | None, space: ObservationSpace) -> int | None:
    """Where a variable begins among the numbers of an observation; None if it is read elsewhere, or in pieces."""
    if source is None or not source.startswith("observation"):
        return None
    _, indices = locate(space, source)
    return int(indices[0]) if (np.diff(indices) == 1).all() else None


def _schema(fields: Sequence[Mapping[str, Any]], scored: bool) -> Schema:
    n = sum(field.get("length", 1) for field in fields)
    solved, failed = "the success test on this step", "the episode ended without success"
    if scored:
        solved, failed = "always false: nothing counts as a success", "the environment ended the episode on this step"
    more = [
        {"name": "step", "kind": "int", "column": n, "doc": "steps since the episode began"},
        {"name": "solved", "kind": "bool", "column": n + 1, "doc": solved},
        {"name": "failed", "kind": "bool", "column": n + 2, "doc": failed},
    ]
    return Schema({"name": "State", "dtype": "float64", "width": n + 3, "fields": [*fields, *more]})


def _condition(d: Description, fields: Sequence[Mapping[str, Any]]) -> Translated | None:
    if d.condition is None:
        return None
    entries = {f["name"]: f["entries"] if f["kind"] == "vector" else None for f in fields}
    places = {f["name"]: Place(f["column"], f.get("length", 0), f.get("values", ())) for f in fields}
    found = translate(d.condition, entries, [f["name"] for f in fields if f["kind"] == "bool"], places)
    longest = max((k for k, _ in found.held), default=0)
    if longest > d.max_steps:
        raise UsageError(
            f"The success condition of {d.id} needs something held for {longest} steps, and an episode has at most "
            f"{d.max_steps}.",
            "Lower the number in held(), or raise `max_steps`.",
        )
    return found


def _test(condition: Translated | None, hooks: Hooks) -> Any:
    if condition is not None:
        return condition.compile()
    return FunctionCondition(hooks.success or (lambda: False))


def _judge(condition: Translated | None, hooks: Hooks, variables: Sequence[Reader]) -> Callable[[Sequence[Any]], Judge]:
    """Return a function that makes the success test of a batch."""
    if condition is not None and condition.direct is not None:
        direct = condition.direct
        return lambda envs: ConditionJudge(direct, len(envs))
    if hooks.success is None:
        return lambda envs: NoJudge()
    function = FunctionCondition(hooks.success)
    return lambda envs: FunctionJudge(function, variables, envs)


def _scale(d: Description, space: ObservationSpace) -> NDArray[np.float32]:
    """Divisors of a policy's numbers, so that small ones are not lost: `scale`, or the larger known bound."""
    found = np.ones(space.size, np.float32)
    at = 0
    for part in space.parts:
        if part.space().shape == (part.size,) and part.leaf.dtype.kind == "f":
            ends = np.maximum(np.abs(np.ravel(part.leaf.low)), np.abs(np.ravel(part.leaf.high))).astype(np.float64)
            found[at : at + part.size] = [_divisor(end) for end in ends]
        at += part.size
    for v in d.state:
        if v.source is None or not v.source.startswith("observation"):
            continue
        part, indices = locate(space, v.source)
        if part.space().shape == (part.size,):
            most = max(abs(v.low), abs(v.high))
            found[indices] = v.scale or (_divisor(most) if is_finite(most) else found[indices])
    return found


def _divisor(end: float) -> float:
    return end if is_finite(end) and end > 0 else 1.0


def _shown(env: Any, form: Form) -> tuple[NDArray[np.float64], Any, NDArray[np.float64]]:
    """A transition: the first state, the first action that is allowed or a drawn vector, the next state."""
    guarded = GuardedEnv(lambda: env, form.task_id, form.observation)
    reading = form.reading()
    observation, info = guarded.reset(0)
    first, last = np.zeros(form.width), np.zeros(form.width)
    reading.first(env, observation, info, guarded.flat, first)
    action = 0 if form.actions.discrete else form.actions.sample(np.random.default_rng(0))
    if form.mask is not None:
        action = int(form.mask(env, info).argmax())
    reading.next(env, guarded.step(form.actions.in_environment(action)), guarded.flat, last)
    return first, action, last


def _starts_alike(env: Any, form: Form) -> bool:
    """Whether an episode starts with the same observation and state after each of several seeds."""
    guarded = GuardedEnv(lambda: env, form.task_id, form.observation)
    first: NDArray[np.float64] | None = None
    for seed in range(_SEEDS_COMPARED):
        observation, info = guarded.reset(seed)
        row = np.zeros(form.width)
        form.reading().first(env, observation, info, guarded.flat, row)
        start = np.concatenate([guarded.flat, row])
        if first is None:
            first = start
        elif not np.array_equal(start, first, equal_nan=True):
            return False
    return True
