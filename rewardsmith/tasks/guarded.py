"""Guard a user's environment: its exceptions, and return values that break its contract, become TaskErrors.

Without the guard, an error in the environment would look like a defect of rewardsmith. A NaN in an observation would
look like a fault of a reward program or of PPO, thousands of steps later.
"""

from __future__ import annotations

import math
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import TaskError, UsageError, is_disk_full, words_of

T = TypeVar("T")

_REMEDY = "Fix the environment, then run the command again; no reward is at fault."
_BETWEEN = {"rewardsmith", "gymnasium", "minigrid", "numpy", "workers"}
"""Packages whose frames are not the user's code."""
_LONGEST = 300  # characters of an environment's own message


def called(task_id: str, where: str, call: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Call a function that runs a user's code.

    Args:
        task_id: The task's id, for messages.
        where: The function's name in messages, such as "step()".
        call: The function.
        *arguments: Its arguments.
        **named: Its keyword arguments.

    Returns:
        What `call` returns.

    Raises:
        TaskError: If it raises, SystemExit included, which would otherwise end the process without a message. A full
            disk and Ctrl-C are passed on.
    """
    try:
        return call(*arguments, **named)
    except TaskError:
        raise
    except UsageError as error:
        raise TaskError(error.cause, error.remedy) from error
    except (Exception, SystemExit) as error:
        if is_disk_full(error):
            raise
        text = words_of(error, _LONGEST)
        named_as = type(error).__name__ + (f": {text}" if text else "")
        raise TaskError(
            f"The environment of {task_id} raised {named_as} (in {where}{_place(error)}).", _REMEDY
        ) from error


def _place(error: BaseException) -> str:
    """`, file.py, line 12` of the innermost frame in the user's code; empty if there is none."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        package = str(frame.f_globals.get("__name__", "")).split(".")[0]
        if package not in _BETWEEN and package not in sys.stdlib_module_names:
            return f", {Path(frame.f_code.co_filename).name}, line {line}"
    return ""


class GuardedEnv:
    """One Gymnasium environment with a flat observation, checked on every call.

    Every method raises TaskError if the environment raises, if an observation has another shape, or if an observation
    or a reward is NaN or infinite.
    """

    def __init__(self, make: Callable[[], Any], task_id: str, names: Sequence[str]) -> None:
        """Make the environment.

        Args:
            make: Returns the environment.
            task_id: The task's id, for messages.
            names: Names of the D entries of the observation.
        """
        self._task_id, self._names = task_id, tuple(names)
        self._step = 0
        self._env = called(task_id, "its constructor", make)

    def reset(self, seed: int) -> NDArray[np.float32]:
        """Start an episode and return its first observation, float32 [D]."""
        self._step = 0
        returned = called(self._task_id, "reset()", self._env.reset, seed=seed)
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise self._wrong("reset()", f"returned {_shown(returned)}", "It must return (observation, info).")
        return self._observed("reset()", returned[0])

    def step(self, action: int) -> tuple[NDArray[np.float32], float, bool, bool]:
        """Take an action and return (observation float32 [D], reward, terminated, truncated)."""
        self._step += 1
        returned = called(self._task_id, "step()", self._env.step, action)
        if not isinstance(returned, tuple) or len(returned) != 5:
            told = "It must return (observation, reward, terminated, truncated, info)."
            raise self._wrong("step()", f"returned {_shown(returned)}", told)
        observation, reward, terminated, truncated, _ = returned
        return self._observed("step()", observation), self._paid(reward), *self._flags(terminated, truncated)

    def close(self) -> None:
        """Close the environment; its exceptions become TaskErrors."""
        called(self._task_id, "close()", self._env.close)

    def _observed(self, where: str, observation: Any) -> NDArray[np.float32]:
        try:
            with np.errstate(over="ignore"):
                array = np.asarray(observation, dtype=np.float32)
        except (TypeError, ValueError):
            raise self._wrong(
                where, f"observed {_shown(observation)}", "An observation must be an array of numbers."
            ) from None
        if array.shape != (len(self._names),):
            told = f"The description names {len(self._names)} numbers under `state`; return as many."
            raise self._wrong(where, f"observed an array of shape {array.shape}", told)
        if not np.isfinite(array).all():
            first = int(np.flatnonzero(~np.isfinite(array))[0])
            raise self._wrong(where, f"observed {array[first]:g} for `{self._names[first]}`", _REMEDY)
        return array

    def _paid(self, reward: Any) -> float:
        try:
            paid = float(reward)
        except (TypeError, ValueError):
            raise self._wrong("step()", f"returned the reward {_shown(reward)}", "A reward must be a number.") from None
        if not math.isfinite(paid):
            raise self._wrong("step()", f"returned the reward {paid:g}", _REMEDY)
        return paid

    def _flags(self, terminated: Any, truncated: Any) -> tuple[bool, bool]:
        try:
            return bool(terminated), bool(truncated)
        except (TypeError, ValueError):
            both = f"returned {_shown(terminated)} and {_shown(truncated)} for terminated and truncated"
            raise self._wrong("step()", both, "Each of them must be True or False.") from None

    def _wrong(self, where: str, what: str, remedy: str) -> TaskError:
        when = f" on step {self._step} of an episode" if self._step else ""
        return TaskError(f"The environment of {self._task_id} {what} (in {where}{when}).", remedy)


def _shown(value: Any) -> str:
    """A wrong value in a few words, for a message."""
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"a {type(value).__name__}"
