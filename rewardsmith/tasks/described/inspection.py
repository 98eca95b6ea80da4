"""Looks for faults of a user's environment before a job rests on it: every one that a few episodes can show.

An environment that hangs or exits does so in a child process, which is watched and ended.
"""

from __future__ import annotations

import copy
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import UsageError
from rewardsmith.tasks.described.description import Description

STEPS = 40
"""Steps of each of the episodes that are played."""

_SLOW = 10.0  # seconds after which an episode is cut short
_FEWEST = 5  # steps of an episode in any case
_COMPARED = 20  # steps after which an info that repeats the observation of the step before is no accident


@dataclass(frozen=True)
class Fault:
    """What is wrong with an environment. severe: whether results of a job on it would be wrong or missing."""

    what: str
    remedy: str
    severe: bool = True


def require_no_faults(make: Callable[[], Any], description: Description) -> list[Fault]:
    """Raises UsageError with every severe fault; returns the others, which are worth a warning."""
    found = inspect(make, description.step_timeout)
    severe = [fault for fault in found if fault.severe]
    if severe:
        remedies = " ".join(dict.fromkeys(fault.remedy for fault in severe))
        raise UsageError(
            f"The environment of {description.id} has faults: {'; '.join(fault.what for fault in severe)}.", remedies
        )
    return found


def inspect(make: Callable[[], Any], timeout: float = 60.0) -> list[Fault]:
    """The faults of the environment that `make` makes, in a child process.

    Args:
        make: Makes a new environment.
        timeout: Seconds after which a call that has not returned counts as hanging.

    Returns:
        The faults found; empty also if the environment cannot be made or played, which whoever plays it reports.
    """
    if not hasattr(os, "fork"):
        return _look(make, lambda doing: None)
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(make, there), daemon=True)
    child.start()
    there.close()
    doing, found = "its constructor", []
    try:
        while here.poll(timeout):
            message = here.recv()
            if isinstance(message, list):
                found = message
                break
            doing = message
        else:
            hung = f"{doing} does not return (not for {timeout:g} seconds)"
            return [Fault(hung, "Let it return, or raise `step_timeout` of the description if it is that slow.")]
    except EOFError:
        # The environment ended the process; playing it in this one will show how.
        found = []
    finally:
        child.kill()
        child.join()
        here.close()
    return found


def _child(make: Callable[[], Any], out: Connection) -> None:
    try:
        out.send(_look(make, out.send))
    except BaseException:
        out.send([])
    os._exit(0)


def _look(make: Callable[[], Any], doing: Callable[[str], None]) -> list[Fault]:
    faults: dict[str, Fault] = {}

    def note(found: Iterator[Fault]) -> None:
        for fault in found:
            faults.setdefault(fault.what.partition(":")[0], fault)

    env = make()
    doing("reset()")
    if not _takes_seed(env):
        # Gymnasium's wrappers pass a seed on, so that such an environment cannot be played at all.
        return [Fault("reset() takes no `seed`", "Write reset(self, *, seed=None, options=None).")]
    first = _Episode(env, doing)
    note(first.faults())
    note(_repeatable(first, _Episode(env, doing, len(first.rewards))))
    if not any(fault.what.startswith(_UNREPEATABLE) for fault in faults.values()):
        note(_separate(make, first, doing))
    note(_lagging(first))
    return list(faults.values())


def _takes_seed(env: Any) -> bool:
    try:
        env.reset(seed=0)
    except TypeError as error:
        return "seed" not in str(error)
    return True


class _Episode:
    """One episode of seeded random actions from seed 0, recorded as it was returned."""

    def __init__(self, env: Any, doing: Callable[[str], None], steps: int | None = None) -> None:
        """Play it. steps: how many at most; by default STEPS, or fewer if the environment is slow."""
        self.env, self.most = env, steps
        self.observations: list[Any] = []
        self.rewards: list[Any] = []
        self.infos: list[Any] = []
        self.flags: list[tuple[Any, Any]] = []
        self.steps(doing)

    def steps(self, doing: Callable[[str], None]) -> None:
        """Play it."""
        for _ in self.walk(doing):
            pass

    def walk(self, doing: Callable[[str], None]) -> Iterator[None]:
        """Play it, with a stop after each step."""
        doing("reset()")
        space = copy.deepcopy(self.env.action_space)  # instances may share the space of their class
        space.seed(0)
        observation, info = self.env.reset(seed=0)
        self.observations.append(_copied(observation))
        self.infos.append(dict(info))
        until = time.monotonic() + _SLOW
        for step in range(STEPS if self.most is None else self.most):
            if self.most is None and step >= _FEWEST and time.monotonic() > until:
                return
            doing("step()")
            observation, reward, terminated, truncated, info = self.env.step(_drawn(space, info))
            self.observations.append(_copied(observation))
            self.rewards.append(reward)
            self.flags.append((terminated, truncated))
            self.infos.append(dict(info))
            yield
            if terminated or truncated:
                return

    def faults(self) -> Iterator[Fault]:
        """What is wrong with the values that were returned."""
        for observation in self.observations:
            yield from _outside(self.env.observation_space, observation)
        for reward in self.rewards:
            if np.ndim(reward) != 0:
                shape = np.shape(reward)
                yield Fault(f"step() returns an array of shape {shape} as the reward", "Return one number.")
        for flags in self.flags:
            for name, flag in zip(("terminated", "truncated"), flags, strict=True):
                if not isinstance(flag, bool | np.bool_):
                    kind = type(flag).__name__
                    yield Fault(f"step() returns {name} as {kind}", f"Return {name} as a bool.", severe=False)

    def differs(self, other: _Episode) -> int | None:
        """The first observation in which two episodes differ; None if they are the same."""
        for step, (mine, theirs) in enumerate(zip(self.observations, other.observations, strict=False)):
            if not _same(mine, theirs):
                return step
        return None if len(self.observations) == len(other.observations) else len(self.observations) - 1


def _drawn(space: Any, info: Any) -> Any:
    """A random action; one of those that an info allows, if it says so."""
    mask: Any = info.get("action_mask") if isinstance(info, dict) else None
    if hasattr(space, "n") and mask is not None and np.shape(mask) == (int(getattr(space, "n", 0)),) and np.any(mask):
        return space.sample(np.asarray(mask, dtype=np.int8))
    return space.sample()


_UNREPEATABLE = "the same seed"


def _repeatable(first: _Episode, again: _Episode) -> Iterator[Fault]:
    step = first.differs(again)
    remedy = "Call super().reset(seed=seed), and draw from self.np_random only."
    if step == 0:
        yield Fault(f"{_UNREPEATABLE} gives different first observations", remedy)
    elif step is not None:
        yield Fault(f"{_UNREPEATABLE} and actions give different observations from step {step} on", remedy)


def _separate(make: Callable[[], Any], first: _Episode, doing: Callable[[str], None]) -> Iterator[Fault]:
    """Two instances that play by turns must do what each does alone."""
    mine, other = _Episode.__new__(_Episode), _Episode.__new__(_Episode)
    for episode in (mine, other):
        episode.env, episode.most = make(), len(first.rewards)
        episode.observations, episode.rewards, episode.infos, episode.flags = [], [], [], []
    walks = [mine.walk(doing), other.walk(doing)]
    while walks:
        walks = [walk for walk in walks if next(walk, _ENDED) is not _ENDED]
    if (step := first.differs(mine)) is not None:
        yield Fault(
            f"two instances share state: played by turns, one differs from step {step} on",
            "Keep all state in the instance: set it in __init__ or reset, not in the class or the module.",
        )


_ENDED = object()


def _lagging(episode: _Episode) -> Iterator[Fault]:
    """An info that always equals a number of the observation one step before, and not that of its own step."""
    rows = [_flat(observation) for observation in episode.observations]
    if len(rows) <= _COMPARED or any(row is None or row.shape != rows[0].shape for row in rows):  # type: ignore[union-attr]
        return
    seen = np.array(rows)
    for key in episode.infos[-1]:
        values = [info.get(key) for info in episode.infos[1:]]
        if any(np.ndim(v) != 0 or not isinstance(v, int | float | np.number) for v in values):
            continue
        told = np.array(values, dtype=np.float64)
        if len(np.unique(told)) < _COMPARED // 2:
            continue  # what hardly moves agrees with much
        before, after = (np.isclose(told[:, None], part).all(axis=0) for part in (seen[:-1], seen[1:]))
        if before.any() and not after.any():
            yield Fault(
                f'info["{key}"] lags: on each step it is what the observation was one step before',
                "Build the info after the state has been updated.",
            )


def _outside(space: Any, observation: Any, path: str = "the observation") -> Iterator[Fault]:
    from gymnasium import spaces

    if isinstance(space, spaces.Dict | spaces.Tuple):
        parts = space.spaces.items() if isinstance(space, spaces.Dict) else enumerate(space.spaces)
        for key, part in parts:
            try:
                inner = observation[key]
            except (KeyError, IndexError, TypeError):
                yield Fault(f"{path} has no {key!r}, which observation_space has", "Return what the space says.")
                continue
            yield from _outside(part, inner, f"{path}[{key!r}]")
        return
    array = np.asarray(observation)
    if space.shape is None or space.contains(observation):
        return
    if array.shape != space.shape:
        yield Fault(f"{path} has shape {array.shape}, its space {space.shape}", "Make them agree.")
    elif not np.can_cast(array.dtype, space.dtype, "same_kind"):
        yield Fault(f"{path} is of type {array.dtype}, its space of {space.dtype}", "Make the types agree.")
    elif isinstance(space, spaces.Box) and ((array < space.low) | (array > space.high)).any():
        worst = int(np.argmax(np.ravel(np.maximum(space.low - array, array - space.high))))
        value, low, high = (float(np.ravel(each)[worst]) for each in (array, space.low, space.high))
        yield Fault(
            f"{path} leaves its space: [{worst}] can be {value:.3g}, outside of [{low:.3g}, {high:.3g}]",
            "Widen observation_space, or clip what is returned.",
        )
    elif array.dtype != space.dtype and isinstance(space, spaces.Box):
        what = f"{path} is of type {array.dtype}, its space of {space.dtype}"
        yield Fault(what, "Make the types agree.", severe=False)
    elif not isinstance(space, spaces.Box):
        yield Fault(f"{path} is {observation!r}, which is outside of {space}", "Return a value of the space.")


def _copied(observation: Any) -> Any:
    if isinstance(observation, dict):
        return {key: _copied(value) for key, value in observation.items()}
    if isinstance(observation, tuple):
        return tuple(_copied(value) for value in observation)
    return observation.copy() if isinstance(observation, np.ndarray) else observation


def _flat(observation: Any) -> NDArray[np.float64] | None:
    """Every number of an observation in one vector; None if it holds something else."""
    if isinstance(observation, dict):
        parts = [_flat(value) for value in observation.values()]
    elif isinstance(observation, tuple):
        parts = [_flat(value) for value in observation]
    else:
        array = np.asarray(observation)
        return array.astype(np.float64).ravel() if array.dtype.kind in "biuf" else None
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if len(known) == len(parts) and known else None


def _same(mine: Any, theirs: Any) -> bool:
    a, b = _flat(mine), _flat(theirs)
    if a is None or b is None or a.shape != b.shape:
        return a is None and b is None
    return bool(np.array_equal(a, b, equal_nan=True))
