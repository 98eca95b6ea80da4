"""ETD: episodic novelty through temporal distance (Jiang et al., ICLR 2025, arXiv 2501.15418).

    b_t = min_i d(s_i, s_t+1),   i = 0 .. t in the episode

d is a quasimetric: how many steps the policy takes from one observation to another, up to a scale. It is learned by
contrast: the energy c(y) - d(x, y) of an observation and one that follows it must exceed that of other pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rewardsmith.methods.base import Method, Options, Setting
from rewardsmith.methods.intrinsic.running import MovingStandard
from rewardsmith.methods.intrinsic.spaces import require_numbers
from rewardsmith.programs.composition import Channel
from rewardsmith.tasks.base import Task
from rewardsmith.training.learner import Experience, Learner


class EtdOptions(Options):
    """Options of ETD; learning rate and epochs are those of the learned distance."""

    weight: float = Field(default=0.01, ge=0, description="weight of the standardised bonus; 0.01 published")
    learning_rate: float = Field(default=3e-4, gt=0)
    epochs: int = Field(default=4, ge=1, le=100, description="passes of the contrastive loss over a rollout")
    horizon: float = Field(default=0.99, ge=0, lt=1, description="gamma of the geometric law of positive pairs")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="momentum of the bonus's mean and variance")


class EtdLearner(Learner):
    """Holds the learned distance and what each running episode has visited."""

    def __init__(self, setting: Setting) -> None:
        from rewardsmith.methods.intrinsic.contrastive import TemporalDistance
        from rewardsmith.methods.intrinsic.episodic import EpisodicMemory

        chosen = setting.options
        self._model = TemporalDistance(setting.task.observation_size, setting.seed, chosen.learning_rate)
        self._epochs, self._horizon = chosen.epochs, chosen.horizon
        self._standard = MovingStandard(chosen.momentum)
        self._memory = EpisodicMemory(setting.training.num_envs)
        self._rng = np.random.default_rng(setting.seed)
        self._accuracy = 0.0

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """Return the standardised bonus [T, N]."""
        import torch

        from rewardsmith.methods.intrinsic.contrastive import quasimetric

        before, after = self._model.embedded(seen.observations), self._model.embedded(seen.following)
        starts = torch.from_numpy(seen.rollout.starts)
        with torch.no_grad():
            nearest = self._memory.smallest(before, after, starts, quasimetric)
        return {"etd": self._standard(nearest.double().numpy())}

    def learn(self, seen: Experience, model: Any) -> None:
        """Train the distance on pairs of the rollout: an observation, and one that followed it."""
        from rewardsmith.methods.intrinsic.contrastive import later_steps

        later = later_steps(seen.rollout.starts, self._horizon, self._rng)
        size = seen.observations.shape[-1]
        pairs = seen.observations.reshape(-1, size), seen.following[later].reshape(-1, size)
        self._accuracy = self._model.learn(*pairs, self._epochs)

    def state(self) -> Any:
        """Networks, generator and moments. Visited observations are not stored: a checkpoint ends all episodes."""
        return {
            "model": self._model.trained.state(),
            "standard": self._standard.state(),
            "rng": self._rng.bit_generator.state,
        }

    def load(self, state: Any) -> None:
        """Restore the value that `state` returned."""
        self._model.trained.load(state["model"])
        self._standard.load(state["standard"])
        self._rng.bit_generator.state = state["rng"]

    def telemetry(self) -> dict[str, Any]:
        """How often the true pair had the highest energy among the pairs of a minibatch of the last rollout."""
        return {"contrast_accuracy": self._accuracy}


class Etd(Method):
    """The environment's reward plus the bonus of ETD."""

    name = "etd"
    summary = "ETD: temporal distance from all that the episode has visited (baseline)"
    Options = EtdOptions

    def check(self, task: Task, options: Any, modelled: bool) -> None:
        """Raise UsageError if the task has spaces that the networks cannot read."""
        require_numbers(task, self.name)

    def bonuses(self, options: Any) -> tuple[Channel, ...]:
        """Return the channel `etd` of the given weight."""
        return (Channel("etd", kind="bonus", weight=options.weight),)

    def learner(self, setting: Setting) -> Learner:
        """Return the learner that computes the bonus."""
        return EtdLearner(setting)


METHOD = Etd()
