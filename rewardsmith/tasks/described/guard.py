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

LARGEST = float(np.finfo(np.float32).max)  # policies read float32, in which larger numbers are infinite


class GuardedEnv:
    """A Gymnasium environment made by `make`, held to its interface and to its observation space.

    Every method raises TaskError for what the environment raises, for returned values of another form, and for NaN or
    infinity in an observation or a reward.

    Attributes:
        env: The environment itself.
        task_id: What errors call the task.
        limit: Seconds after which a call that has not returned is ended.
        steps: Steps of the episode so far.
        flat: The numbers of the last observation, float64 [size], uint8 for an image; overwritten by the next step.
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
        self.task_id, self._space, self.limit = task_id, space, step_timeout
        self.steps = 0
        self.env = called(task_id, "its constructor", make)
        self._flattening = Flattening([(part.path, part.size) for part in space.parts])
        self.flat: NDArray[Any] = np.zeros(space.size)

    def reset(self, seed: int) -> tuple[Any, dict[str, Any]]:
        """Start an episode: (observation, info)."""
        self.steps = 0
        WATCHDOG.begin(self.task_id, "reset()", self.limit)
        try:
            returned = self.env.reset(seed=seed)
        except (Exception, SystemExit) as error:
            raise task_error(self.task_id, "reset()", error) from error
        finally:
            WATCHDOG.end()
        self.check_start(returned)
        observation, info = returned
        self.flatten("reset()", observation)
        return observation, self.known_info("reset()", info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """(observation, reward, terminated, truncated, info) after an action in the environment's own form."""
        self.steps += 1
        WATCHDOG.begin(self.task_id, "step()", self.limit)
        try:
            returned = self.env.step(action)
        except (Exception, SystemExit) as error:
            raise task_error(self.task_id, "step()", error) from error
        finally:
            WATCHDOG.end()
        self.check_form(returned)
        observation, reward, terminated, truncated, info = returned
        self.flatten("step()", observation)
        terminated, truncated = self.flags(terminated, truncated)
        return observation, self.number(reward), terminated, truncated, self.known_info("step()", info)

    def inner(self, max_steps: int) -> Any:
        """The environment below wrappers of Gymnasium that do nothing which a batch does not do itself.

        max_steps: The step limit that the batch enforces.
        """
        from gymnasium import wrappers

        env: Any = self.env
        while True:
            limit = getattr(env, "_max_episode_steps", 0) if type(env) is wrappers.TimeLimit else max_steps
            if type(env) not in (wrappers.TimeLimit, wrappers.OrderEnforcing) or limit < max_steps:
                return env
            env = env.env

    def check_start(self, returned: Any) -> None:
        """Raises TaskError if what `reset` returned is no tuple of two."""
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise self.wrong("reset()", f"returned {_shown(returned)}", "It must return (observation, info).")

    def check_form(self, returned: Any) -> None:
        """Raises TaskError if what `step` returned is no tuple of five."""
        if not isinstance(returned, tuple) or len(returned) != 5:
            told = "It must return (observation, reward, terminated, truncated, info)."
            raise self.wrong("step()", f"returned {_shown(returned)}", told)

    def close(self) -> None:
        """Close the environment; its exceptions become TaskErrors."""
        called(self.task_id, "close()", self.env.close)

    def flatten(self, where: str, observation: Any) -> None:
        """Write the numbers of an observation into `flat`. Raises TaskError."""
        out = self.flat
        if out.dtype != np.float64 and getattr(observation, "dtype", None) != out.dtype:
            out = np.zeros(len(self.flat))  # what is no byte must not be cut to one unseen
        try:
            self._flattening.write(observation, out)
        except (NoValue, ValueError, TypeError) as error:
            told = "The observation must have the form of observation_space."
            raise self.wrong(where, f"returned {error}", told) from None
        self.check_finite(where, out)
        if out is not self.flat:
            self.flat[:] = out

    def check_finite(self, where: str, numbers: NDArray[Any]) -> None:
        """Raises TaskError for NaN and infinity among the numbers of an observation."""
        total = np.add.reduce(numbers)
        if not abs(total) < LARGEST and not (np.abs(numbers) < LARGEST).all():
            first = int(np.flatnonzero(~(np.abs(numbers) < LARGEST))[0])
            name = next(entry for index, (entry, *_) in enumerate(self._space.entries()) if index == first)
            known = f" (the variable {self._names[first]})" if first in self._names else ""
            raise self.wrong(where, f"returned {numbers[first]:g} for {name}{known}", REMEDY)

    def number(self, reward: Any) -> float:
        """A reward as a float. Raises TaskError for anything but one finite number."""
        if type(reward) is float and math.isfinite(reward):
            return reward
        try:
            if np.ndim(reward) != 0:
                raise TypeError
            paid = float(reward)
        except (TypeError, ValueError):
            raise self.wrong("step()", f"returned the reward {_shown(reward)}", "A reward is one number.") from None
        if not math.isfinite(paid):
            raise self.wrong("step()", f"returned the reward {paid:g}", REMEDY)
        return paid

    def flags(self, terminated: Any, truncated: Any) -> tuple[bool, bool]:
        """`terminated` and `truncated` as bools. Raises TaskError for what is neither true nor false."""
        if type(terminated) is bool and type(truncated) is bool:
            return terminated, truncated
        try:
            return bool(terminated), bool(truncated)
        except (TypeError, ValueError):
            both = f"returned {_shown(terminated)} and {_shown(truncated)} for terminated and truncated"
            raise self.wrong("step()", both, "Each of them is True or False.") from None

    def known_info(self, where: str, info: Any) -> dict[str, Any]:
        """An info. Raises TaskError for anything but a dict."""
        if not isinstance(info, dict):
            raise self.wrong(where, f"returned the info {_shown(info)}", "An info is a dict.")
        return info

    def wrong(self, where: str, what: str, remedy: str) -> TaskError:
        """The error of an environment that does `what` in the call `where`."""
        when = f" on step {self.steps} of an episode" if self.steps else ""
        return TaskError(f"The environment of {self.task_id} {what} (in {where}{when}).", remedy)


def _shown(value: Any) -> str:
    """A value that is not what it should be, in a few words."""
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"a {type(value).__name__}"
