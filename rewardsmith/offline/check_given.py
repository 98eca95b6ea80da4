"""Which of the objects that a caller passes to `check` is the environment, which the reward, and of what kind."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym

from rewardsmith.errors import UsageError
from rewardsmith.offline.check_function import CheckOptions, check_function, check_own_reward, check_wrapper
from rewardsmith.offline.check_reward import CheckedReward, Origin, check_reward
from rewardsmith.programs.functions import NotPortable, parameters_of, place_of, program_of_function, takes
from rewardsmith.programs.reward_file import method_of
from rewardsmith.tasks import get_task
from rewardsmith.tasks.given.making import outer_layer, taken_apart
from rewardsmith.tasks.given.tasks import is_task, task_of_environment

_CONTRACT = ("prev", "action", "state", "memory")
_FORMS = (
    "Pass a function of (observation, action, next_observation, info), a subclass of gymnasium.Wrapper, a reward file, "
    "or the text of a program."
)


def ordered(first: Any, second: Any) -> tuple[Any, Any]:
    """Return (environment, reward) of two arguments that a caller gave in either order.

    A text in second place is a reward if the first argument is no function of a reward and no wrapper.
    """
    if second is None or not _is_reward(first):
        return first, second
    if isinstance(second, str | Path) and is_program(second):
        return first, second
    return second, first


def is_program(given: str | Path) -> bool:
    """Whether an argument is a reward file or the text of a program, rather than a task's id or description."""
    return isinstance(given, Path) or "\n" in given or given.endswith(".py")


def check_given(environment: Any, reward: Any, options: CheckOptions) -> CheckedReward:
    """Check a function, a wrapper, or what an environment itself pays.

    Args:
        environment: Task id, path of a description, Task, class, function or environment.
        reward: A function, a wrapper's class, a function that wraps an environment; None for the environment's own.
        options: What the checks assume.

    Raises:
        UsageError: One of the two is none of these.
        SandboxWeak: The sandbox does not reach the required level.
    """
    given = get_task(environment) if isinstance(environment, str) else environment
    if reward is None:
        return _check_environment(given, options)
    if not callable(reward):
        raise UsageError(f"The reward is a {type(reward).__name__}.", _FORMS)
    if _wraps(reward):
        return check_wrapper(reward, given, options)
    if parameters_of(reward) == _CONTRACT:
        return _check_program(reward, given, options)
    return check_function(reward, given, options)


def _check_environment(given: Any, options: CheckOptions) -> CheckedReward:
    """Check the outermost wrapper of an environment against what is inside it; the environment's own reward without."""
    if is_task(given):
        return check_own_reward(given, options)
    made = given if isinstance(given, gym.Env) else None
    if made is None and callable(given) and takes(given, 0) and not _is_bare(given):
        made = given()
    layers = None if made is None else outer_layer(made)
    if layers is None:
        return check_own_reward(given, options)
    apart = taken_apart(made, options.name)
    return check_wrapper(apart.wrap, apart.inside, options, type(layers[0]))


def _is_bare(make: Any) -> bool:
    return inspect.isclass(make) and issubclass(make, gym.Env) and not issubclass(make, gym.Wrapper)


def _check_program(function: Any, given: Any, options: CheckOptions) -> CheckedReward:
    """Check a function that has the parameters of a reward program."""
    try:
        source, (file, line) = program_of_function(function), place_of(function)
    except NotPortable as reason:
        raise UsageError(f"The function cannot run in the sandbox: {reason}.", "Pass its file.") from None
    method_of(source, "The function")
    task = task_of_environment(given, options.name, success=options.success)
    asked = options.gamma, options.layouts, options.limit, options.settings, options.hard
    found = check_reward(source, task, *asked)
    return replace(found, origin=Origin("function", file, line))


def _is_reward(given: Any) -> bool:
    """Whether an argument can only be a reward: a wrapper, or a function with parameters."""
    if isinstance(given, gym.Env) or is_task(given) or not callable(given):
        return False
    return _wraps(given) or (not inspect.isclass(given) and not takes(given, 0))


def _wraps(given: Any) -> bool:
    """Whether it puts a wrapper around an environment: a wrapper's class, or a function of one argument."""
    if inspect.isclass(given):
        return issubclass(given, gym.Wrapper)
    return callable(given) and takes(given, 1) and not takes(given, 4) and not takes(given, 0)
