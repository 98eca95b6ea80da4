"""Whether EnvPool can step the environment of a description: every reason against it, at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rewardsmith.errors import UsageError
from rewardsmith.tasks.described.description import Description, is_function
from rewardsmith.tasks.described.pools import REMEDY, leaf_of, make_pool
from rewardsmith.tasks.observations import leaves_of

if TYPE_CHECKING:
    from rewardsmith.tasks.described.batch import Form
    from rewardsmith.tasks.described.conditions import Translated
    from rewardsmith.tasks.described.python_tasks import Hooks

INSTALL = "pip install 'rewardsmith[envpool]'"
_STEPS = 200  # of random play, in which observations have to stay in Gymnasium's space
_TOLERANCE = 1e-5  # of a bound: EnvPool computes with other types
_SHOWN = 3


def pool_id(description: Description) -> str:
    """EnvPool's id of the environment: Gymnasium's id without the module that registers it."""
    return description.environment.rpartition(":")[2]


def require_pool(description: Description, env: Any, form: Form, hooks: Hooks, condition: Translated | None) -> None:
    """Raises UsageError unless EnvPool can step the environment and the description reads the observation only.

    Args:
        description: With the source of each variable filled in.
        env: The environment as Gymnasium makes it.
        form: What the environments have in common.
        hooks: The user's own functions.
        condition: The success condition; None if there is none.
    """
    reasons = [*_readings(description, form, hooks, condition), *_surroundings(description, hooks)]
    remedy = REMEDY
    try:
        import envpool  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        # An installed package that cannot be imported has another cause than one that is missing.
        missing = isinstance(error, ModuleNotFoundError) and error.name == "envpool"
        reasons.append("EnvPool is not installed" if missing else f"EnvPool cannot be imported ({error})")
        remedy = f"Install it with {INSTALL}, or leave out `engine: envpool`." if len(reasons) == 1 else REMEDY
    else:
        name = pool_id(description)
        if hooks.make is None and name not in envpool.list_all_envs():
            reasons.append(f"EnvPool has no environment called {name}")
        elif hooks.make is None:
            reasons += _spaces(name, env, form, description.observe)
    if reasons:
        raise UsageError(f"EnvPool cannot step {description.id}: {'; '.join(reasons)}.", remedy)


def _readings(d: Description, form: Form, hooks: Hooks, condition: Translated | None) -> list[str]:
    """The sources that are not in the observation."""
    found = []
    sources = {v.name: v.source or "" for v in form.variables}
    for root in ("info", "env"):
        if names := [name for name, source in sources.items() if source.startswith((f"{root}.", f"{root}["))]:
            verb = "reads" if len(names) == 1 else "read"
            found.append(f"{_listed(names)} {verb} `{root}`, and only the observation is there")
    if hooks.state is not None:
        found.append("a function computes the state")
    if hooks.success is not None or (d.success is not None and is_function(d.success)):
        found.append("a function decides success")
    if condition is not None and condition.infos:
        found.append(f"success reads {_listed([f'info.{key}' for key in condition.infos])}")
    if form.mask is not None:
        found.append("the environment says which actions are allowed, which EnvPool does not")
    return found


def _surroundings(d: Description, hooks: Hooks) -> list[str]:
    """The parts of the description that EnvPool cannot take."""
    found = []
    if hooks.make is not None:
        found.append("a function of your own makes the environment")
    if d.wrappers:
        names = [each if isinstance(each, str) else each.wrapper for each in d.wrappers]
        found.append(f"the description has `wrappers` ({_listed(names)})")
    if d.env_kwargs:
        found.append(f"the description has `env_kwargs` ({_listed(list(d.env_kwargs))})")
    return found


def _spaces(name: str, env: Any, form: Form, keys: Sequence[str]) -> list[str]:
    """How EnvPool's spaces differ from Gymnasium's in form, or what leaves Gymnasium's bounds in random play."""
    try:
        pool = make_pool(name, [0], form.max_steps + 1)
    except Exception as error:
        return [f"EnvPool cannot make {name} ({' '.join(str(error).split())[:200]})"]
    try:
        found = []
        for what, theirs, ours in (
            ("observations", _form_of(pool.observation_space, keys), _form_of(env.observation_space, keys)),
            ("actions", _form_of(pool.action_space, bounds=True), _form_of(env.action_space, bounds=True)),
        ):
            if theirs != ours:
                found.append(f"its {what} are {', '.join(theirs)}, and Gymnasium's are {', '.join(ours)}")
        return found or _outside(pool, form)
    finally:
        pool.close()


def _form_of(space: Any, keys: Sequence[str] = (), bounds: bool = False) -> list[str]:
    """Each leaf of a space in words: its kind, type, shape and choices; sizes of number types do not matter."""
    found = []
    for path, leaf in leaves_of(space):
        if keys and path and str(path[0]) not in keys:
            continue
        kind = np.dtype(leaf.dtype).kind if leaf.dtype is not None else ""
        numbers = {"f": "floats", "i": "ints", "u": "ints", "b": "bools"}.get(kind, kind)
        told = f"{type(leaf).__name__}{leaf.shape or ''}"
        if type(leaf).__name__ == "Discrete":
            told = f"Discrete({leaf.n}, start={leaf.start})"
        elif hasattr(leaf, "nvec"):
            told += f" of {np.ravel(leaf.nvec).tolist()}"
        elif hasattr(leaf, "low"):
            told += f" of {'bytes' if leaf.dtype == np.uint8 else numbers}"
            if bounds:
                ends = [np.ravel(end).astype(np.float32).tolist() for end in (leaf.low, leaf.high)]
                told += f" from {ends[0]} to {ends[1]}"
        found.append(f"{'.'.join(map(str, path))}: {told}" if path else told)
    return sorted(found)  # a Dict's keys have another order


def _outside(pool: Any, form: Form) -> list[str]:
    """Numbers that leave the bounds of Gymnasium's space in random play."""
    rng, wrong = np.random.default_rng(0), {}
    seen = pool.reset()[0]
    entries = list(form.observation.entries())
    low, high = (np.array([entry[k] for entry in entries]) for k in (1, 2))
    slack = _TOLERANCE * np.maximum(1.0, np.where(np.isfinite(high - low), high - low, 1.0))
    for _ in range(_STEPS):
        row = np.concatenate([np.ravel(leaf_of(seen, part.path)) for part in form.observation.parts])
        for index in np.flatnonzero((row < low - slack) | (row > high + slack)).tolist():
            wrong.setdefault(entries[index][0], float(row[index]))
        seen = pool.step(form.actions.batch_in_environment(form.actions.sample(rng, 1)))[0]
    told = [f"{place} was {value:g}" for place, value in wrong.items()]
    return [f"its observations leave Gymnasium's space ({_listed(told)})"] if told else []


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
