"""`check` of reward functions and of wrappers that a caller holds as objects, in an environment of the caller's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import Any, Literal

import numpy as np

from rewardsmith.errors import TaskError, UsageError
from rewardsmith.offline.check_reward import CHECKED_LAYOUTS, CheckedReward, CheckSettings, Origin, check_reward
from rewardsmith.offline.scoring import CALL, FunctionFault, ScoredHere, ScoredInSandbox, Scorer, require_readable
from rewardsmith.programs.composition import Channel
from rewardsmith.programs.functions import NotPortable, place_of, reads_parameter, source_of, takes
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import environment_of
from rewardsmith.tasks.given.layers import base_of, copied
from rewardsmith.tasks.given.observing import NotReadable, observation_code
from rewardsmith.tasks.given.tasks import Success, Wrap, task_of_environment, with_function
from rewardsmith.verification.checks import Checked, Verdict

RunIn = Literal["auto", "sandbox", "process"]
"""Where a function runs: its source in the sandbox, the function itself in the caller's process, or as it can."""

_FORM = "A reward function takes (observation, action, next_observation, info) and returns one number."
_PLAYED = 512  # transitions of random play on which a function or a wrapper is tried first
_ZERO = "def reward(prev, action, state, memory):\n    return 0.0\n"
_NOTHING = TrainingReward(_ZERO, ("reward",), (Channel("env", kind="env"), Channel("reward")))
"""The environment's own reward, with a program that adds nothing to it."""

_OF_PROGRAMS = frozenset(("gate", "contract", "cost", "determinism", "fields", "components"))
"""Checks of a program's text and values, which a wrapper does not have."""


@dataclass(frozen=True)
class CheckOptions:
    """What the checks assume; see check_reward.

    Attributes:
        gamma: The learner's discount; None for the task's setting.
        layouts: Number of random layouts.
        limit: Largest number of states of a layout; None for the task's own.
        settings: Further settings.
        name: Name of the environment in messages.
        success: When an episode succeeds; None for what play shows.
        run_in: Where a function runs.
        hard: Most hard layouts that are checked as well.
    """

    gamma: float | None = None
    layouts: int = CHECKED_LAYOUTS
    limit: int | None = None
    settings: CheckSettings = field(default_factory=CheckSettings)
    name: str | None = None
    success: Success = None
    run_in: RunIn = "auto"
    hard: int = 0


def check_function(function: Any, environment: Any, options: CheckOptions) -> CheckedReward:
    """Check a function of (observation, action, next observation, info) as the whole reward of an environment.

    Its source runs in the sandbox. A closure, or a function that the sandbox cannot be given, runs in this process, and
    the result says so.

    Raises:
        UsageError: It is no such function, the environment cannot be made, or it cannot run where `run_in` says.
        SandboxWeak: The sandbox does not reach the required level.
    """
    if not takes(function, 4):
        name = getattr(function, "__name__", type(function).__name__)
        raise UsageError(f"{name} cannot be called with four arguments.", _FORM)
    task = task_of_environment(environment, options.name, success=options.success)
    file, line = place_of(function)
    origin = Origin("function", file, line, "sandbox")
    if options.run_in != "process":
        try:
            return _in_sandbox(function, environment, task, options, origin)
        except (NotPortable, NotReadable) as reason:
            if options.run_in == "sandbox":
                cause = f"The function cannot run in the sandbox: {reason}."
                raise UsageError(cause, "Pass run_in='process' to run it in this process.") from None
            origin = replace(origin, why=str(reason))
    return _as_layer(ScoredHere(function), environment, task, options, replace(origin, runs_in="this process"))


def check_wrapper(wrap: Wrap, environment: Any, options: CheckOptions, kind: Any = None) -> CheckedReward:
    """Check the rewards of an environment inside a wrapper. Success is that of the environment without it.

    Args:
        wrap: Puts the wrapper around an environment.
        environment: The environment without it.
        options: What the checks assume.
        kind: The wrapper's class, if it is not `wrap`.

    Raises:
        UsageError: The environment cannot be made or wrapped.
    """
    file, line = place_of(kind or wrap)
    origin = Origin("wrapper", file, line, "this process")
    task = task_of_environment(environment, options.name, wrap, options.success)
    transitions = differences(task)
    verdict, components = _told(transitions)
    return _checked(task, options, [verdict], origin, components)


def check_own_reward(environment: Any, options: CheckOptions) -> CheckedReward:
    """Check the rewards that an environment itself pays. Raises UsageError if it cannot be made."""
    task = task_of_environment(environment, options.name, success=options.success)
    return _checked(task, options, [], Origin("environment", runs_in="this process"))


def _in_sandbox(function: Any, environment: Any, task: Task, options: CheckOptions, origin: Origin) -> CheckedReward:
    """Check a function's source. Raises NotPortable and NotReadable if the sandbox cannot be given what it needs."""
    source = source_of(function)
    assert isinstance(function, FunctionType)
    if reads_parameter(function, 3):
        raise NotPortable("it reads the infos, which no program is given")
    if (code := observation_code(task)) is not None:
        program = f"{source.text}\n\n{code}{CALL.format(name=source.name)}"
        reward = TrainingReward(program, ("reward",), (Channel("reward"),))
        return replace(_run(reward, task, options), origin=origin)
    maker = environment_of(task)
    if maker is None:
        raise NotReadable(f"{task.id} has no environment that observes")
    env = maker.make_env()
    require_readable(function, env)
    scorer = ScoredInSandbox(source, env, task.actions, options.settings.isolation)
    env.close()
    return _as_layer(scorer, environment, task, options, origin)


def _as_layer(scorer: Scorer, environment: Any, task: Task, options: CheckOptions, origin: Origin) -> CheckedReward:
    """Check a function as the reward of a wrapper around the environment."""
    try:
        maker = environment_of(task)
        if maker is None:
            raise UsageError(f"{task.id} has no environment that a function could score.", "Pass the environment.")
        verdicts = _tried(scorer, maker.make_env())
        if not verdicts[-1].passed:
            return _failed(task, options, verdicts, origin)
        wrapping = task_of_environment(environment, options.name, with_function(scorer), options.success)
        try:
            return _checked(wrapping, options, verdicts, origin)
        except TaskError:
            if scorer.fault is None:
                raise
            return _failed(task, options, [Verdict("contract", False, scorer.fault)], origin)
    finally:
        scorer.close()


def _tried(scorer: Scorer, env: Any) -> list[Verdict]:
    """The verdicts on a function over random play: contract and determinism."""
    played = [*_random_play(env)]
    try:
        values = [scorer(*each) for each in played]
        again = [scorer(*each) for each in reversed(played)][::-1]
    except FunctionFault as fault:
        return [Verdict("contract", False, str(fault))]
    fine = Verdict("contract", True, f"{len(played):,} transitions scored")
    if values != again:
        text = "the function returned different values for the same transition: it depends on earlier calls"
        return [fine, Verdict("determinism", False, text)]
    return [fine, Verdict("determinism", True, "two passes over the transitions returned the same values")]


def _random_play(env: Any) -> Iterator[tuple[Any, Any, Any, Any]]:
    with _closing(env):
        env.action_space.seed(0)
        observation, _ = env.reset(seed=0)
        for _ in range(_PLAYED):
            seen, action = copied(observation), env.action_space.sample()
            observation, _, terminated, truncated, info = env.step(action)
            yield seen, action, copied(observation), info
            if terminated or truncated:
                observation, _ = env.reset()


def differences(task: Task) -> list[tuple[float, float]]:
    """Return (reward of the environment alone, reward with the wrapper) of steps of random play."""
    make: Any = task
    env, found = make.make_env(), []
    base = base_of(env) or base_of(getattr(env, "env", None))
    with _closing(env):
        env.action_space.seed(0)
        env.reset(seed=0)
        for _ in range(_PLAYED):
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            found.append((base.paid if base is not None else float(reward), float(reward)))
            if terminated or truncated:
                env.reset()
    return found


def _told(transitions: list[tuple[float, float]]) -> tuple[Verdict, dict[str, dict[str, float]]]:
    """The verdict on the rewards of a wrapper in random play, and what it adds, as statistics of components."""
    alone, total = np.array(transitions).T
    added = total - alone
    changed = float(np.mean(added != 0))
    text = (
        f"{len(transitions):,} transitions of random play: the wrapper changes the reward on {100 * changed:.3g} % "
        f"of them, by {added.min():.3g} to {added.max():.3g}"
    )
    components = {"environment": _statistics(alone), "wrapper": _statistics(added)}
    return Verdict("contract", True, text, {"components": components}), components


def _statistics(values: Any) -> dict[str, float]:
    return {
        "mean": float(values.mean()), "min": float(values.min()), "max": float(values.max()),
        "fires": float(np.mean(values != 0)),
    }  # fmt: skip


def _checked(
    task: Task,
    options: CheckOptions,
    first: list[Verdict],
    origin: Origin,
    components: dict[str, dict[str, float]] | None = None,
) -> CheckedReward:
    """Check the environment's own rewards; `first` are verdicts that come before."""
    found = _run(_NOTHING, task, options)
    more = [v for v in found.checked.verdicts if v.kind not in _OF_PROGRAMS]
    checked = replace(found.checked, verdicts=[*first, *more], components=components or {})
    return replace(found, checked=checked, functions=(), origin=origin)


def _failed(task: Task, options: CheckOptions, verdicts: list[Verdict], origin: Origin) -> CheckedReward:
    gamma = options.gamma if options.gamma is not None else TrainingSpec(**default_training(task.id)).gamma
    return CheckedReward(task.id, (), gamma, Checked(verdicts, {}, {}), origin=origin)


def _run(reward: TrainingReward, task: Task, options: CheckOptions) -> CheckedReward:
    asked = options.gamma, options.layouts, options.limit, options.settings, options.hard
    return check_reward(reward, task, *asked)


@contextmanager
def _closing(env: Any) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(Exception):
            env.close()
