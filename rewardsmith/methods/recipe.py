"""Method composition (recipe): a job's method, the methods combined with it, their options and channel weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from rewardsmith.errors import UsageError
from rewardsmith.methods import all_methods, get_method
from rewardsmith.methods.base import Method, Setting
from rewardsmith.programs.composition import Channel
from rewardsmith.programs.contract import Contract
from rewardsmith.programs.reward import SPARSE, TrainingReward
from rewardsmith.spec import JobSpec, TrainingSpec
from rewardsmith.spec.training import ALGORITHMS, PPO_NAMES
from rewardsmith.tasks.base import Task
from rewardsmith.telemetry import Telemetry
from rewardsmith.training.learner import Learner


@dataclass(frozen=True)
class Recipe:
    """The composition of a job's training reward.

    Attributes:
        method: The method of `--method`.
        combined: Methods of `--with`.
        options: Options by method.
        weights: Weights by channel, which replace those of the methods.
        transforms: "delta" or "outcome" by channel, see `transformed`.
        modelled: Whether a language model answers, rather than a built-in adapter.
        renamed: Notices about options given by a former name.
        env_sign: -1 if the environment's own reward is a cost, so that training uses its negative; 1 otherwise.
        capped: Whether channels keep the method's caps per episode. Hindsight experience replay cannot keep them.
        planned_starts: Whether training episodes begin within a planner's solutions.
    """

    method: Method
    combined: tuple[Method, ...]
    options: Mapping[str, Any]
    weights: Mapping[str, float]
    modelled: bool
    renamed: tuple[str, ...] = ()
    env_sign: float = 1.0
    capped: bool = True
    planned_starts: bool = False
    transforms: Mapping[str, str] = field(default_factory=dict)

    @property
    def sparse(self) -> TrainingReward:
        """The baseline's reward: the environment's own, or its negative."""
        return self._oriented(SPARSE)

    @property
    def contract(self) -> Contract | None:
        """The functions that a designer writes; None if the method needs no designer."""
        return self.method.contract(self.options[self.method.name])

    def given(self, task: Task) -> Mapping[str, Any]:
        """Return values about `task` for the contract's prompt template. Raises UsageError."""
        return self.method.given(task, self.options[self.method.name])

    def program(self, task: Task) -> str:
        """Return the program of a method without a designer; "" if it needs none. Raises UsageError."""
        return self.method.program(task, self.options[self.method.name])

    def check(self, task: Task) -> None:
        """Raise UsageError if one of the methods cannot work on `task`."""
        for m in self._methods:
            m.check(task, self.options[m.name], self.modelled)

    def observed(self, task: Task, source: str) -> Task:
        """Return `task` as a policy observes it in training with this program, with the methods' policy inputs."""
        for m in self._methods:
            task = m.observed(task, self.options[m.name], source)
        return task

    @property
    def oracle_informed(self) -> bool:
        """Whether a part of the reward uses privileged information: a planner, or the simulator's truth."""
        informed = (m.oracle_informed(self.options[m.name], self.modelled) for m in self._methods)
        return self.planned_starts or any(informed)

    @property
    def _methods(self) -> tuple[Method, ...]:
        return (self.method, *self.combined)

    @property
    def algorithms(self) -> frozenset[str]:
        """The values of `training.algorithm` that every method of this recipe works with."""
        limited = [m.algorithms for m in self._methods if m.learns_from_rollouts]
        named = {name: "ppo" if name in PPO_NAMES else name for name in ALGORITHMS}
        found = {name for name, learner in named.items() if all(learner in each for each in limited)}
        recurrent = all(m.recurrent for m in self._methods)
        return frozenset(found if recurrent else found - {"recurrent-ppo"})

    @property
    def rollout_methods(self) -> tuple[str, ...]:
        """The names of its methods that learn from rollouts."""
        return tuple(m.name for m in self._methods if m.learns_from_rollouts)

    @property
    def reads_files(self) -> bool:
        """Whether an option of some method names a file."""
        return any(m.reads_files(self.options[m.name]) for m in self._methods)

    @property
    def asks_in_training(self) -> bool:
        """Whether some method calls a model during training."""
        return any(m.oracle_notice(self.options[m.name]) for m in self._methods)

    @property
    def notices(self) -> list[str]:
        """Notices for the user: renamed options, and oracles that replace a language model."""
        if self.modelled:
            return list(self.renamed)
        return [*self.renamed, *(told for m in self._methods if (told := m.oracle_notice(self.options[m.name])))]

    def reward(self, source: str) -> TrainingReward:
        """Return the training reward of a program: the method's channels, then those of the combined methods."""
        own = self.method.reward(source, self.options[self.method.name])
        more = [channel for method in self.combined for channel in method.bonuses(self.options[method.name])]
        channels = (replace(c, weight=self.weights.get(c.name, c.weight)) for c in (*own.channels, *more))
        channels = (transformed(c, self.transforms.get(c.name)) for c in channels)
        if not self.capped:
            channels = (replace(c, cap=None) for c in channels)
        return self._oriented(replace(own, channels=tuple(channels)))

    def _oriented(self, reward: TrainingReward) -> TrainingReward:
        if self.env_sign > 0:
            return reward
        turned = (replace(c, weight=-c.weight) if c.kind == "env" else c for c in reward.channels)
        return replace(reward, channels=tuple(turned))

    def learners(self, setting: Callable[[Any], Setting]) -> dict[str, Learner]:
        """Return the learners of one trial by method. `setting` makes a Setting from a method's options."""
        made = {m.name: m.learner(setting(self.options[m.name])) for m in self._methods}
        return {name: learner for name, learner in made.items() if learner is not None}

    def evidence(self, telemetry: Telemetry) -> list[str]:
        """Return the methods' sentences for the analyzer, from the latest telemetry of a trial."""
        told = telemetry.methods
        return [line for m in self._methods if m.name in told for line in m.evidence(told[m.name])]


def transformed(channel: Channel, transform: str | None) -> Channel:
    """Return a channel that pays changes of its raw values ("delta"), or less as success rises ("outcome")."""
    if transform == "delta":
        return replace(channel, delta=True)
    return replace(channel, gate="outcome") if transform == "outcome" else channel


def recipe_of(spec: JobSpec) -> Recipe:
    """Return the recipe of a job. Raises UsageError for unknown names, options and weights."""
    method = get_method(spec.method)
    combined = tuple(_combinable(name) for name in spec.combine)
    names = [method.name, *spec.combine]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(
            f"The method {twice!r} is named twice.", "Name each method once, either in --method or in --with."
        )
    strange = sorted(set(spec.options) - set(names))
    if strange:
        raise UsageError(
            f"--option names the method {strange[0]!r}, which this job does not use.",
            f"Methods of this job: {', '.join(names)}. Add one with --with.",
        )
    options = {method.name: _options(method, method.Options.model_validate, spec.options)}
    options |= {m.name: _options(m, m.combined_options, spec.options) for m in combined}
    modelled = spec.replay is not None or spec.model not in ("synth", "none")
    for each in (method, *combined):
        _require_trainable(each, spec.training)
    renamed = [f"Setting {each}; the next version will not accept the earlier name." for each in spec.renamed]
    renamed += [
        f"Option of {m.name}: {told}; the next version will not accept the earlier name."
        for m in (method, *combined)
        for told in m.Options.former(spec.options.get(m.name, {}))
    ]
    sign = 1.0 if spec.score is None else spec.score.sign
    capped = not spec.training.her
    planned = spec.training.starts == "near-goal-planned"
    recipe = Recipe(
        method, combined, options, spec.weights, modelled, tuple(renamed), sign, capped, planned, spec.transforms
    )
    _check_weights(recipe)
    _check_transforms(recipe)
    return recipe


def _require_trainable(method: Method, training: TrainingSpec) -> None:
    """Raise UsageError if a method does not work with the algorithm; one that is not chosen yet will be one it does."""
    if training.memory != "none" and not method.recurrent:
        remedy = "Pass --set training.memory=none."
        if training.algorithm == "recurrent-ppo":
            remedy = "Set `training.algorithm` to ppo."
        raise UsageError(f"The method {method.name!r} does not support recurrent policies.", remedy)
    chosen = training.algorithm == "auto" or training.learner in method.algorithms
    if method.learns_from_rollouts and not chosen:
        raise UsageError(
            f"The method {method.name!r} learns in training, and not from {training.algorithm}.",
            f"Set training.algorithm to {' or '.join(sorted(method.algorithms, reverse=True))}.",
        )
    if type(method).observed is not Method.observed and training.normalize_observation:
        raise UsageError(
            f"The method {method.name!r} adds inputs to the policy, which cannot be normalised.",
            "Set `training.normalize_observation` to false.",
        )
    if type(method).observed is not Method.observed and training.curriculum:
        raise UsageError(
            f"The method {method.name!r} adds inputs to the policy, which a curriculum does not provide.",
            "Leave `training.curriculum` out.",
        )
    if method.learns_from_rollouts and training.frame_stack > 1:
        raise UsageError(
            f"The method {method.name!r} learns in training, from single observations.",
            "Leave `training.frame_stack` at 1.",
        )


def formerly(spec: JobSpec) -> JobSpec:
    """Return the spec with the earlier names of options, to find the same job of an earlier version."""
    known = all_methods()
    options = {m: known[m].Options.formerly(values) if m in known else values for m, values in spec.options.items()}
    return spec.model_copy(update={"options": options})


def _combinable(name: str) -> Method:
    method = get_method(name)
    if not method.combines:
        able = [m.name for m in all_methods().values() if m.combines]
        raise UsageError(
            f"The method {name!r} has no bonus channel, so --with cannot add it.", f"Set --with to: {', '.join(able)}."
        )
    return method


def _options(method: Method, read: Callable[[dict[str, Any]], Any], given: Mapping[str, Any]) -> Any:
    try:
        return read(dict(given.get(method.name, {})))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        allowed = ", ".join(f"{k} (default {v.default})" for k, v in method.Options.model_fields.items())
        problem = "there is no such option" if first["type"] == "extra_forbidden" else first["msg"]
        remedy = f"Options of {method.name}: {allowed}." if allowed else f"{method.name} has no options."
        raise UsageError(f"Option {name} of {method.name}: {problem}.", remedy) from error


def _check_weights(recipe: Recipe) -> None:
    channels = [c.name for c in recipe.reward("").channels]
    for name, weight in recipe.weights.items():
        if name not in channels:
            raise UsageError(
                f"--weight names the channel {name!r}, which this job does not have.", f"Use: {', '.join(channels)}."
            )
        if not math.isfinite(weight) or weight < 0:
            raise UsageError(
                f"The weight {weight:g} of the channel {name} is invalid.",
                "Set --weight to a finite number, 0 or larger.",
            )


def _check_transforms(recipe: Recipe) -> None:
    plain = replace(recipe, transforms={})
    channels = {c.name: c for c in plain.reward("").channels}
    for name, transform in recipe.transforms.items():
        if name not in channels:
            known = [n for n, c in channels.items() if c.kind in ("program", "bonus")]
            raise UsageError(
                f"--transform names the channel {name!r}, which this job does not have.",
                f"Use: {', '.join(known)}." if known else "Leave --transform out.",
            )
        channel = channels[name]
        if channel.kind not in ("program", "bonus"):
            raise UsageError(
                f"--transform {name}={transform} changes a channel of kind {channel.kind}, which must stay as it is.",
                "Transform channels of a program or a bonus.",
            )
        if transform == "outcome" and channel.gate != "none":
            raise UsageError(
                f"--transform {name}=outcome gates a channel that has the gate {channel.gate!r} already.",
                "Use --transform on another channel.",
            )
