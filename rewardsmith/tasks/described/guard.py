"""One real environment behind a guard: what it raises, or returns against Gymnasium's interface, is a TaskError.

Without it a NaN that an environment observes would be taken for the fault of a reward program, or of the learner,
thousands of steps later.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import TaskError
from rewardsmith.tasks.described.reading import Flattening, NoValue
from rewardsmith.tasks.described.watchdog import WATCHDOG
from rewardsmith.tasks.guarded import REMEDY, called, task_error
from rewardsmith.tasks.observations import ObservationSpace

_LARGEST = float(np.finfo(np.float32).max)  # policies read float32, in which larger numbers are infinite


class GuardedEnv:
    """A Gymnasium environment made by `make`, held to its interface and to its observation space.

    Every method raises TaskError for what the environment raises, for returned values of another form, and for NaN or
    infinity in an observation or a reward.

    Attributes:
        env: The environment itself.
        flat: The numbers of the last observation, float64 [size]; overwritten by the next step.
    """

    def __init__(
        self,
        make: Callable[[], Any],
        task_id: str,
        space: ObservationSpace,
        step_timeout: float = 60.0,
        names: Mapping[int, str] | None = None,
    ) -> None:
        """Make the environment.

        Args:
            make: Makes it.
            task_id: The task's id, for messages.
            space: What it observes.
            step_timeout: Seconds after which a call that has not returned is ended.
            names: The variable that reads each number of an observation, by its index, for messages.
        """
        self._names = names or {}
        self._task_id, self._space, self._limit = task_id, space, step_timeout
        self._steps = 0
        self.env = called(task_id, "its constructor", make)
        self._flattening = Flattening([(part.path, part.size) for part in space.parts])
        self.flat: NDArray[np.float64] = np.zeros(space.size)

    def reset(self, seed: int) -> tuple[Any, dict[str, Any]]:
        """Start an episode: (observation, info)."""
        self._steps = 0
        WATCHDOG.begin(self._task_id, "reset()", self._limit)
        try:
            returned = self.env.reset(seed=seed)
        except (Exception, SystemExit) as error:
            raise task_error(self._task_id, "reset()", error) from error
        finally:
            WATCHDOG.end()
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise self._wrong("reset()", f"returned {_shown(returned)}", "It must return (observation, info).")
        observation, info = returned
        self._flatten("reset()", observation)
        return observation, info if type(info) is dict else self._info("reset()", info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """(observation, reward, terminated, truncated, info) after an action in the environment's own form."""
        self._steps += 1
        WATCHDOG.begin(self._task_id, "step()", self._limit)
        try:
            returned = self.env.step(action)
        except (Exception, SystemExit) as error:
            raise task_error(self._task_id, "step()", error) from error
        finally:
            WATCHDOG.end()
        if not isinstance(returned, tuple) or len(returned) != 5:
            told = "It must return (observation, reward, terminated, truncated, info)."
            raise self._wrong("step()", f"returned {_shown(returned)}", told)
        observation, reward, terminated, truncated, info = returned
        self._flatten("step()", observation)
        # The usual types first: every step of every environment comes through here.
        if type(reward) is not float or reward - reward != 0.0:
            reward = self._reward(reward)
        if type(terminated) is not bool or type(truncated) is not bool:
            terminated, truncated = self._flags(terminated, truncated)
        return observation, reward, terminated, truncated, info if type(info) is dict else self._info("step()", info)

    def close(self) -> None:
        """Close the environment; its exceptions become TaskErrors."""
        called(self._task_id, "close()", self.env.close)

    def _flatten(self, where: str, observation: Any) -> None:
        try:
            self._flattening.write(observation, self.flat)
        except (NoValue, ValueError, TypeError) as error:
            told = "The observation must have the form of observation_space."
            raise self._wrong(where, f"returned {error}", told) from None
        total = np.add.reduce(self.flat)
        if not abs(total) < _LARGEST and not (np.abs(self.flat) < _LARGEST).all():
            first = int(np.flatnonzero(~(np.abs(self.flat) < _LARGEST))[0])
            name = next(entry for index, (entry, *_) in enumerate(self._space.entries()) if index == first)
            known = f" (the variable {self._names[first]})" if first in self._names else ""
            raise self._wrong(where, f"returned {self.flat[first]:g} for {name}{known}", REMEDY)

    def _reward(self, reward: Any) -> float:
        try:
            if np.ndim(reward) != 0:
                raise TypeError
            paid = float(reward)
        except (TypeError, ValueError):
            raise self._wrong("step()", f"returned the reward {_shown(reward)}", "A reward is one number.") from None
        if not math.isfinite(paid):
            raise self._wrong("step()", f"returned the reward {paid:g}", REMEDY)
        return paid

    def _flags(self, terminated: Any, truncated: Any) -> tuple[bool, bool]:
        try:
            return bool(terminated), bool(truncated)
        except (TypeError, ValueError):
            both = f"returned {_shown(terminated)} and {_shown(truncated)} for terminated and truncated"
            raise self._wrong("step()", both, "Each of them is True or False.") from None

    def _info(self, where: str, info: Any) -> dict[str, Any]:
        if not isinstance(info, dict):
            raise self._wrong(where, f"returned the info {_shown(info)}", "An info is a dict.")
        return info

    def _wrong(self, where: str, what: str, remedy: str) -> TaskError:
        when = f" on step {self._steps} of an episode" if self._steps else ""
        return TaskError(f"The environment of {self._task_id} {what} (in {where}{when}).", remedy)


def _shown(value: Any) -> str:
    """A value that is not what it should be, in a few words."""
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"a {type(value).__name__}"
