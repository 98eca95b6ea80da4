"""Tasks made of an environment that a caller holds, with or without a wrapper that computes the reward."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rewardsmith.errors import UsageError
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import environment_of
from rewardsmith.tasks.described import environments
from rewardsmith.tasks.described.description import Description
from rewardsmith.tasks.described.grid_class import is_grid_class
from rewardsmith.tasks.described.inference import infer
from rewardsmith.tasks.described.task import DescribedTask, known_description
from rewardsmith.tasks.given.layers import BASE_RETURN, BASE_REWARD, FunctionReward, Score, wrapped
from rewardsmith.tasks.given.making import Given, attribute_of, given, published

Wrap = Callable[[Any], Any]
"""Puts a wrapper around an environment: a subclass of gymnasium.Wrapper, or a function of the environment."""

Success = str | Callable[..., Any] | None
"""A condition as descriptions state it, or a function as they name it; None to take what play shows."""


def task_of_environment(
    environment: Any, name: str | None = None, wrap: Wrap | None = None, success: Success = None
) -> Task:
    """Return the task of an environment that a caller holds.

    Args:
        environment: A class or function that makes one, an environment, or a Task.
        name: What messages call it.
        wrap: Puts a wrapper around it, whose rewards then are the environment's own. Success does not depend on them.
        success: When an episode succeeds.

    Raises:
        UsageError: If it cannot be made or copied, or success is nothing that can be tested.
        TaskError: If it fails while it is played.
    """
    if isinstance(environment, DescribedTask):
        if wrap is None and success is None:
            return environment
        found = Given(environment.make_env, environment.id)
        return _described(found, environment.described, wrap, success, environment.setup.folder)
    if is_task(environment):
        maker = environment_of(environment)
        if wrap is None or maker is None:
            return environment
        environment, name = maker.make_env, name or environment.id
    found = environment if isinstance(environment, Given) else given(environment, name)
    probe = found.make()
    grid = is_grid_class(type(probe.unwrapped))
    probe.close()
    if grid:
        return _grid(found, wrap, success)
    return _described(found, None, wrap, success)


def with_function(score: Score) -> Wrap:
    """Return what puts a reward function around an environment."""
    return lambda env: FunctionReward(env, score)


def is_task(found: Any) -> bool:
    """Whether an object is a Task rather than an environment."""
    return hasattr(found, "schema") and hasattr(found, "batch")


def _grid(found: Given, wrap: Wrap | None, success: Success) -> Task:
    from rewardsmith.tasks.minigrid.custom import CustomTask

    if success is not None:
        raise UsageError(
            f"{found.name} is a MiniGrid environment, whose success is a positive reward at the end.",
            "Leave out `success`, or describe the environment in a file (docs/tasks.md).",
        )
    make = found.make if wrap is None else lambda: wrapped(found.make(), wrap)
    return CustomTask(make, found.name)


def _described(
    found: Given, described: Description | None, wrap: Wrap | None, success: Success, folder: Path | None = None
) -> Task:
    attribute = attribute_of(found.name)
    bare = f"{published(**{attribute: found.make})}:{attribute}"
    if described is None:
        described = _shipped(found, bare) or infer(bare, None).description
    if success is not None:
        rule = success if isinstance(success, str) else f"{published(success=success)}:success"
        described = described.model_copy(update={"success": rule, "score": None, "threshold": None})
    named: dict[str, Any] = {"id": found.name, "env_id": bare, "env_kwargs": {}, "wrappers": [], "python": None}
    if wrap is not None:
        named["env_id"] = f"{published(**{attribute: lambda: wrapped(found.make(), wrap)})}:{attribute}"
        if (condition := described.condition) is not None:
            named |= {"success": _of_base(condition), "score": None, "threshold": None}
    described = Description.model_validate({**described.model_dump(by_alias=True, exclude_unset=True), **named})
    task = DescribedTask(described, folder, examined=True)
    task.require_sound()
    return task


def _shipped(found: Given, bare: str) -> Description | None:
    """The description that is shipped for the environment's id, for an environment that Gymnasium made."""
    if found.spec is None or found.spec.additional_wrappers:
        return None
    known = known_description(found.spec.id)
    if known is None:
        return None
    limit = found.spec.max_episode_steps or environments.step_limit(bare, None) or known.max_steps
    return known.model_copy(update={"max_steps": limit})


def _of_base(condition: str) -> str:
    """The same condition about what the environment without the wrapper paid."""
    text = re.sub(r"(?<![\w.])reward\b", f"info.{BASE_REWARD}", condition)
    return re.sub(r"(?<![\w.])episode_return\b", f"info.{BASE_RETURN}", text)
