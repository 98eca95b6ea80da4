"""Product of an episodic and a lifelong bonus (Henaff, Jiang and Raileanu, ICML 2023, arXiv 2306.03236).

    b = b_episodic * b_lifelong

An episodic bonus is high for what is new in this episode, a lifelong (global) one for what is rare in the whole trial.
In that study each wins on other environments, and the product is good on both kinds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rewardsmith.methods.base import Method, Setting
from rewardsmith.methods.count import Counter, CountOptions
from rewardsmith.methods.e3b import E3BLearner, E3BOptions
from rewardsmith.methods.intrinsic.count_keys import (
    CountKey,
    EpisodeVisits,
    FirstVisits,
    keys_of,
    state_columns,
)
from rewardsmith.methods.intrinsic.spaces import require_discrete, require_numbers
from rewardsmith.methods.intrinsic.standardised import BonusOptions, standardised
from rewardsmith.methods.noveld import NovelDLearner, NovelDOptions
from rewardsmith.methods.rnd import RndLearner, RndOptions
from rewardsmith.programs.composition import Channel
from rewardsmith.tasks.base import Task
from rewardsmith.training.learner import Experience, Learner


class ProductOptions(BonusOptions):
    """Options of the product; its factors have the default options of the methods of their names.

    Attributes:
        episodic: "e3b"; "first", 1 at the first visit of the episode and 0 later; or "count", 1 / sqrt(visits).
        lifelong: The factor over the whole trial: "rnd", "noveld" or "count".
    """

    weight: float = Field(default=0.01, ge=0, description="weight of the bonus")
    episodic: Literal["e3b", "first", "count"] = "first"
    lifelong: Literal["rnd", "noveld", "count"] = "count"
    count_key: CountKey = "view"


class EpisodicVisits(Learner):
    """The episodic factor of counts: 1[N_episode = 1], or 1 / sqrt(N_episode)."""

    def __init__(self, setting: Setting, first: bool) -> None:
        envs = setting.training.num_envs
        self._columns, self._count_key = state_columns(setting.task.schema), setting.options.count_key
        self._first = FirstVisits(envs) if first else None
        self._visits = EpisodeVisits(envs)

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """Return the factor [T, N]. The visits of an episode are not stored: a checkpoint ends all episodes."""
        keys, before = keys_of(seen, self._count_key, self._columns)
        if self._first is not None:
            return {"visits": self._first(keys, before, seen.rollout.starts).astype(np.float64)}
        return {"visits": 1.0 / np.sqrt(self._visits(keys, before, seen.rollout.starts))}


class Factors(Learner):
    """Multiplies the one channel of each of two learners."""

    def __init__(self, episodic: Learner, lifelong: Learner) -> None:
        self._factors = {"episodic": episodic, "lifelong": lifelong}

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """Return the product of the factors' raw values, [T, N]."""
        values = [np.asarray(v, np.float64) for each in self._factors.values() for v in each.rewards(seen).values()]
        return {"product": np.prod(values, axis=0)}

    def learn(self, seen: Experience, model: Any) -> None:
        """Let both factors learn from the rollout."""
        for factor in self._factors.values():
            factor.learn(seen, model)

    def state(self) -> Any:
        """The state of each factor."""
        return {name: factor.state() for name, factor in self._factors.items()}

    def load(self, state: Any) -> None:
        """Restore the value that `state` returned."""
        for name, factor in self._factors.items():
            factor.load(state[name])

    def telemetry(self) -> dict[str, Any]:
        """The statistics of both factors."""
        return {k: v for factor in self._factors.values() for k, v in factor.telemetry().items()}


class Product(Method):
    """The environment's reward plus the product of two bonuses."""

    name = "product"
    summary = "product of an episodic and a lifelong bonus (baseline)"
    page = "baselines"
    Options = ProductOptions

    def check(self, task: Task, options: Any, modelled: bool) -> None:
        """Raise UsageError if the task has spaces that a factor cannot read."""
        if options.episodic == "e3b":
            require_discrete(task, self.name)
        if options.episodic == "e3b" or options.lifelong != "count":
            require_numbers(task, self.name)

    def bonuses(self, options: Any) -> tuple[Channel, ...]:
        """Return the channel `product` of the given weight."""
        return (Channel("product", kind="bonus", weight=options.weight),)

    def learner(self, setting: Setting) -> Learner:
        """Return the learner that multiplies the factors."""
        chosen: ProductOptions = setting.options

        def having(options: Any) -> Setting:
            return replace(setting, options=options)

        if chosen.episodic == "e3b":
            episodic: Learner = E3BLearner(having(E3BOptions()))
        else:
            episodic = EpisodicVisits(setting, chosen.episodic == "first")
        if chosen.lifelong == "rnd":
            lifelong: Learner = RndLearner(having(RndOptions()))
        elif chosen.lifelong == "noveld":
            lifelong = NovelDLearner(having(NovelDOptions(count_key=chosen.count_key)))
        else:
            lifelong = Counter(having(CountOptions(count_key=chosen.count_key)))
        return standardised(Factors(episodic, lifelong), chosen)


METHOD = Product()
