"""NovelD: a bonus for steps from familiar to novel states (Zhang et al., NeurIPS 2021).

    b(s, s') = max(N(s') - alpha * N(s), 0) * 1[s' is new in this episode],   N(s) = || f^(s) - f(s) ||

N is the norm of the prediction error of random network distillation (RND).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rewardsmith.methods.base import Method, Setting
from rewardsmith.methods.intrinsic.count_keys import CountKey, FirstVisits, keys_of, state_columns
from rewardsmith.methods.intrinsic.spaces import require_numbers
from rewardsmith.methods.intrinsic.standardised import BonusOptions, standardised
from rewardsmith.methods.rnd import Distillation
from rewardsmith.programs.composition import Channel
from rewardsmith.tasks.base import Task
from rewardsmith.training.learner import Experience, Learner


class NovelDOptions(BonusOptions):
    """Options of NovelD. The released code uses the full state as key; intrinsic/count_keys.py has the kinds of key."""

    former_names: ClassVar[Mapping[str, str]] = {
        "rate": "learning_rate",
        "share": "update_proportion",
        "sight": "count_key",
    }

    weight: float = Field(default=0.01, ge=0, description="weight of the bonus")
    alpha: float = Field(default=0.5, ge=0, description="factor of the novelty before the step; 0.5 published")
    learning_rate: float = Field(default=1e-4, gt=0)
    update_proportion: float = Field(default=1.0, gt=0, le=1)
    count_key: CountKey = "view"


class NovelDLearner(Learner):
    """Holds the RND networks of one trial and the states visited in each running episode."""

    def __init__(self, setting: Setting) -> None:
        chosen = setting.options
        self._alpha, self._count_key = chosen.alpha, chosen.count_key
        self._columns = state_columns(setting.task.schema)
        self._distilled = Distillation(
            setting.task.observation_size, setting.seed, chosen.learning_rate, chosen.update_proportion
        )
        self._first = FirstVisits(setting.training.num_envs)

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """Return the increase of novelty [T, N], nonzero only at the first visit to a state in the episode."""
        self._distilled.moments.add(seen.following)
        after = np.sqrt(self._distilled.errors(seen.following))
        before = np.sqrt(self._distilled.errors(seen.observations))
        keys, origins = keys_of(seen, self._count_key, self._columns)
        first = self._first(keys, origins, seen.rollout.starts)
        return {"noveld": np.maximum(after - self._alpha * before, 0.0) * first}

    def learn(self, seen: Experience, model: Any) -> None:
        """Train the predictor on the observations of the rollout."""
        self._distilled.learn(seen.following)

    def state(self) -> Any:
        """The networks. Visited states are not stored: a checkpoint ends all episodes."""
        return self._distilled.state()

    def load(self, state: Any) -> None:
        """Restore the networks from a checkpoint."""
        self._distilled.load(state)


class NovelD(Method):
    """The environment's reward plus the NovelD bonus."""

    name = "noveld"
    summary = "NovelD: a bonus for steps from familiar to novel states (baseline)"
    page = "baselines"
    Options = NovelDOptions

    def check(self, task: Task, options: Any, modelled: bool) -> None:
        """Raise UsageError if the task has spaces that the networks cannot read."""
        require_numbers(task, self.name)

    def bonuses(self, options: Any) -> tuple[Channel, ...]:
        """Return the channel `noveld` of the given weight."""
        return (Channel("noveld", kind="bonus", weight=options.weight),)

    def learner(self, setting: Setting) -> Learner:
        """Return the learner that computes the bonus."""
        return standardised(NovelDLearner(setting), setting.options)


METHOD = NovelD()
