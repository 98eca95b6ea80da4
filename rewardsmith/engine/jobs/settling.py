"""Completes a new job's training settings: the algorithm that `auto` stands for, and the defaults of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewardsmith.errors import UsageError
from rewardsmith.methods.recipe import Recipe
from rewardsmith.spec import JobSpec, TrainingDefaults, TrainingSpec
from rewardsmith.spec.presets import Preset, Space, preset_of
from rewardsmith.spec.training import ALGORITHMS, lacking, require_settings
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import environment_id
from rewardsmith.tasks.speed import step_seconds
from rewardsmith.training.fit import fits

SLOW = 1 / 3000
"""Seconds of a step above which `auto` chooses an algorithm with a replay buffer.

A gradient step of SAC or DQN takes some milliseconds, and a trial of it needs about a tenth of PPO's environment steps.
Both take the same time where a step of the environment takes about a third of a millisecond.
"""

_PREFERRED = ("ppo", "sac", "dqn", "tqc", "a2c", "td3", "qr-dqn", "crossq")
_FEWEST_ROLLOUTS = 16  # of a trial: for its curve, its rungs and the schedule of the learning rate
_SHORTEST_ROLLOUT = 32
_EXPLORING = 0.1  # of a trial, at most, before the first update


def settle_training(spec: JobSpec, task: Task, recipe: Recipe) -> JobSpec:
    """Return the settings that a new job is created with, and where they come from.

    A job whose settings are complete, such as that of a recording, is returned unchanged.

    Args:
        spec: The job's settings, as `with_defaults` returns them.
        task: Its task, opened.
        recipe: Its methods.

    Raises:
        UsageError: No algorithm fits, or the chosen one lacks a setting that was given.
    """
    origin = spec.training_defaults
    if origin is None or origin.settled:
        return spec
    named = [name for name in origin.given if name in TrainingSpec.model_fields and name != "algorithm"]
    given = {name: getattr(spec.training, name) for name in named}
    algorithm, chosen = spec.training.algorithm, ""
    if algorithm == "auto":
        stored = None if spec.description is None else spec.description.stepping
        algorithm, chosen = choose_algorithm(task, recipe, given, stored)
        require_settings(algorithm, given)
    space = space_of(task)
    preset = preset_of(environment_id(task), algorithm, space)
    steps = spec.steps if "steps" in origin.given else preset.steps
    settings, adapted = _for_length(preset, steps, given)
    if given.get("policy_kwargs") and "policy_kwargs" in settings:
        given["policy_kwargs"] = {**settings["policy_kwargs"], **given["policy_kwargs"]}
    training = TrainingSpec.model_validate({**settings, **given, "algorithm": algorithm})
    found = TrainingDefaults(
        given=origin.given, source=preset.source, left_out=(*preset.left_out, *adapted), chosen=chosen, settled=True
    )
    return spec.model_copy(update={"training": training, "steps": steps, "training_defaults": found})


def space_of(task: Task) -> Space:
    """Return what of a task's spaces its defaults depend on."""
    return Space(task.actions.kind, len(task.observation.space.shape or ()) == 3)


def choose_algorithm(
    task: Task, recipe: Recipe, given: Mapping[str, Any], stored: Mapping[str, Any] | None
) -> tuple[str, str]:
    """Return the algorithm that `auto` stands for, and the reason in words.

    1. Leave out algorithms that do not fit the task's actions, the methods, or a setting that was given.
    2. A quick environment, and actions that are several at once: PPO.
    3. Hindsight experience replay and continuous actions: TQC.
    4. A slow environment: SAC for continuous actions, DQN for discrete ones.
    5. If that one is left out, the first that is not, beginning with PPO.

    Args:
        task: The task.
        recipe: The job's methods.
        given: Training settings that the user set.
        stored: The measurement that chose the number of processes, if there was one.

    Raises:
        UsageError: No algorithm is left.
    """
    able = [name for name in _PREFERRED if name in recipe.algorithms and fits(task, name)]
    left = [name for name in able if not lacking(name, given)]
    if not left:
        settings = ", ".join(f"`training.{name}`" for name in given) or "its methods"
        raise UsageError(
            f"`training.algorithm: auto` finds no algorithm for {task.id} that has all of {settings}.",
            f"Remove one of them, or set `training.algorithm` to one of {', '.join(able) or 'ppo, sac, dqn'}.",
        )
    kind = task.actions.kind
    if task.masked:
        return "ppo", "the task has action masks, which PPO alone takes"
    if recipe.rollout_methods:
        return left[0], f"{' and '.join(recipe.rollout_methods)} learn from rollouts"
    if given.get("her") and "tqc" in left:
        return "tqc", "hindsight experience replay and continuous actions"
    seconds = step_seconds(task, stored)
    wished, why = _by_speed(kind, seconds)
    if wished in left:
        return wished, why
    refused = ", ".join(lacking(wished, given)) if wished in able else "the task's actions"
    return left[0], f"{why}, but {ALGORITHMS[wished].title} does not fit {refused}"


def _by_speed(kind: str, seconds: float | None) -> tuple[str, str]:
    if seconds is None:
        return "ppo", "the environment is quick"
    slow, actions = seconds > SLOW, _ACTIONS[kind]
    per_second = 1 / max(seconds, 1e-9)
    limit = f"{'fewer' if slow else 'more'} than {1 / SLOW:,.0f}"
    why = f"{actions}, and the environment makes {_rounded(per_second):,} steps a second, {limit}"
    return ({"box": "sac", "discrete": "dqn"}.get(kind, "ppo") if slow else "ppo"), why


_ACTIONS = {
    "box": "continuous actions", "discrete": "discrete actions", "multi-discrete": "several discrete actions at once",
    "multi-binary": "several binary actions at once",
}  # fmt: skip


def _rounded(value: float) -> int:
    """Round to two significant digits."""
    return int(float(f"{value:.2g}"))


def _for_length(preset: Preset, steps: int, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return a preset's settings for a trial of `steps` steps, and what was changed, in words.

    Published settings are for trials that may be far longer: a rollout may be as long as the trial, and the first
    update may come after its end.
    """
    settings, changed = dict(preset.settings), []
    whole = TrainingSpec.model_validate({**settings, **given})
    if whole.off_policy:
        most = max(100, int(_EXPLORING * steps))
        if "learning_starts" not in given and whole.learning_starts > most:
            settings["learning_starts"] = most
            changed.append(f"learning_starts {whole.learning_starts}, longer than a tenth of a trial ({most} here)")
        return settings, changed
    if "rollout_steps" in given or "rollout_steps" not in settings:
        return settings, changed
    fitting = whole.rollout_steps
    while fitting * whole.num_envs * _FEWEST_ROLLOUTS > steps and fitting >= 2 * _SHORTEST_ROLLOUT:
        fitting //= 2
    if fitting < whole.rollout_steps:
        settings["rollout_steps"] = fitting
        changed.append(f"rollout_steps {whole.rollout_steps}, too long for this trial ({fitting} here)")
    return settings, changed
