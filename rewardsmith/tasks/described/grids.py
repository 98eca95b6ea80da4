"""A MiniGrid environment of a user's own as a task, with the state that MiniGrid's ids have, not a flat vector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rewardsmith.errors import UsageError
from rewardsmith.tasks.capabilities import StateReader
from rewardsmith.tasks.described import environments, grid_export
from rewardsmith.tasks.described.conditions import Translated, translate
from rewardsmith.tasks.described.description import Description, Entry
from rewardsmith.tasks.described.inspection import require_no_faults
from rewardsmith.tasks.described.modules import importable
from rewardsmith.tasks.described.python_tasks import Hooks, hooks_of
from rewardsmith.tasks.described.reading import FunctionCondition
from rewardsmith.tasks.minigrid.custom import CustomTask, OwnTerms
from rewardsmith.tasks.minigrid.own_actions import minigrids_number, own_names

SIZES = {"train": 1024, "select": 256, "claim": 512}
"""Layouts by pool: fewer than of MiniGrid's ids, because every process makes them anew."""


_PAID_AT_THE_END = frozenset(
    {"terminatedandreward>0", "reward>0andterminated", "terminatedandreward>0.0", "reward>0.0andterminated"}
)


class DescribedGrid(CustomTask):
    """The task of a description whose environment is a MiniGridEnv."""

    def __init__(self, description: Description, folder: Path | None, *, examined: bool = False) -> None:
        """Make one environment.

        Args:
            description: What the user says of the environment.
            folder: Where modules are looked for after Python's path.
            examined: Whether the environment has been examined for faults before.

        Raises:
            UsageError: If the environment cannot be made, or the description does not fit it.
        """
        if description.engine == "envpool":
            cause = f"EnvPool cannot step {description.id}: rewards read the grid of MiniGrid's environment."
            raise UsageError(cause, "Leave out `engine: envpool`.")
        self.described, self._folder, self._examined = description, folder, examined
        self._hooks = hooks_of(description, folder)
        self.condition = _condition(description, self._hooks)
        self._allowed: tuple[int, ...] | None = None  # the environment's numbers of the actions, if not all of them
        success: Any = self.condition.compile() if self.condition is not None else None
        if self._hooks.success is not None:
            success = FunctionCondition(self._hooks.success)
        if description.score is not None and description.threshold is None:
            success = FunctionCondition(lambda: False)
        labels = tuple(description.action_names)
        docs = tuple(each.doc if isinstance(each, Entry) else "" for each in description.actions)
        terms = OwnTerms(
            goal=description.goal,
            labels=labels,
            docs=docs,
            env_reward=description.env_reward,
            mechanics=tuple(description.mechanics),
            max_steps=description.max_steps,
            observe=tuple(description.observe),
            success=success,
            success_rule=_success_rule(description, success is not None),
            step_timeout=description.step_timeout,
        )
        super().__init__(self._made, description.id, SIZES, terms)

    def _made(self) -> Any:
        """One environment in its wrappers, with the actions that the description allows."""
        import gymnasium

        description = self.described
        env = environments.make_environment(description, self._folder, self._hooks.make)
        if "max_steps" not in description.env_kwargs:
            env.unwrapped.max_steps = description.max_steps  # type: ignore[attr-defined]
        if not isinstance(env.action_space, gymnasium.spaces.Discrete):
            return env  # examine() refuses it
        numbers = _numbers(description, env)
        if numbers == tuple(range(int(env.action_space.n))):
            return env
        self._allowed = numbers
        space = gymnasium.spaces.Discrete(len(numbers))
        return gymnasium.wrappers.TransformAction(env, lambda action: numbers[int(action)], space)

    def make_env(self) -> Any:
        """Make one environment; its exceptions become TaskErrors."""
        with importable(self._folder):
            return super().make_env()

    def require_sound(self) -> None:
        """Make and play the environment, and compare it with its description.

        Raises:
            UsageError: If the environment has faults, or does not fit the description.
        """
        with importable(self._folder), environments.generators_kept():
            if not self._examined:
                require_no_faults(self._made, self.described)
            _ = self.schema, self.observation

    def require_reference(self) -> None:
        """Raises UsageError if the description names a reference: a planner searches the grid instead."""
        if self.described.reference is not None:
            raise UsageError(
                f"{self.id} is a MiniGrid environment, whose solutions are searched for.", "Leave `reference` out."
            )

    def random_play_if_sound(self) -> None:
        """Nothing is measured: the interface of a grid quotes no random play."""

    @property
    def description(self) -> Description:
        """The description, with the names of the actions filled in."""
        return self.described.model_copy(update={"actions": list(self.actions.names)})

    def state_reader(self) -> StateReader:
        """The code that makes the environment and reads its grid, and the success test of the description."""
        return grid_export.state_reader(self.described, self._hooks, self.condition, self._allowed)


def _condition(description: Description, hooks: Hooks) -> Translated | None:
    """The success test of a description as a condition; None for MiniGrid's own rule, or a function.

    Raises:
        UsageError: If it reads a variable: conditions of grids read what a step returns.
    """
    text = description.condition
    if text is None or hooks.success is not None or "".join(text.split()) in _PAID_AT_THE_END:
        return None
    try:
        return translate(text, {})
    except UsageError as error:
        remedy = "Read reward, terminated, episode_return, step or info.NAME, or give MODULE:FUNCTION that reads `env`."
        raise UsageError(error.cause, remedy) from error


def _success_rule(description: Description, own: bool) -> str:
    if description.condition is not None and own:
        return f"An episode succeeds on a step where: {description.condition}."
    if description.score is not None:
        more = "more" if description.direction == "maximize" else "less"
        return f"No episode counts as a success; {more} return is better."
    return "An episode succeeds on a step where the task's own function says so." if own else ""


def _numbers(description: Description, env: Any) -> tuple[int, ...]:
    """The environment's numbers of the actions that a description allows.

    Raises:
        UsageError: If the description names an action that the environment has not.
    """
    names, first, count = description.action_names, int(env.action_space.start), int(env.action_space.n)
    if not names or len(names) == count:
        return tuple(range(first, first + count))
    own = own_names(env)
    found = [_place(name, own) for name in names]
    if len(names) > count or None in found or len(set(found)) < len(found):
        there = ", ".join(name or f"action_{k}" for k, name in enumerate(own))
        unknown = [name for name, place in zip(names, found, strict=True) if place is None]
        wrong = f"no action {', '.join(unknown)}" if unknown else f"{count} actions, the description names {len(names)}"
        raise UsageError(
            f"{description.id} has {wrong}.",
            f"Name some of its actions under `actions`, each once, or all in order: {there}.",
        )
    return tuple(first + place for place in found if place is not None)


def _place(name: str, own: Sequence[str]) -> int | None:
    number = minigrids_number(name)
    for place, other in enumerate(own):
        if other.lower() == name.lower() or 0 <= number == minigrids_number(other):
            return place
    return None
