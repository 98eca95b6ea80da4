"""RND: random network distillation (Burda et al. 2018, arXiv 1810.12894).

    b(s') = || f^(s') - f(s') ||^2 / std of discounted sums of b

f is a fixed random network. f^ learns to predict it on visited observations, so the error is large on rarely visited
ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rewardsmith.methods.base import Method, Setting
from rewardsmith.methods.intrinsic.running import Moments, ReturnScale
from rewardsmith.methods.intrinsic.spaces import require_numbers
from rewardsmith.methods.intrinsic.standardised import BonusOptions, standardised
from rewardsmith.programs.composition import Channel
from rewardsmith.tasks.base import Task
from rewardsmith.training.learner import Experience, Learner

if TYPE_CHECKING:
    import torch

_CLIP = 5.0  # of whitened observations, as published
_HIDDEN, _FEATURES = 128, 64
_MINIBATCH = 1024


class RndOptions(BonusOptions):
    """Options of RND; learning rate and update proportion are those of the predictor."""

    former_names: ClassVar[Mapping[str, str]] = {"rate": "learning_rate", "share": "update_proportion"}

    weight: float = Field(default=0.01, ge=0, description="weight of the bonus")
    learning_rate: float = Field(default=1e-4, gt=0)
    update_proportion: float = Field(default=0.25, gt=0, le=1)


class Distillation:
    """Target f, predictor f^, and the running moments that whiten observations."""

    def __init__(self, size: int, seed: int, learning_rate: float, update_proportion: float) -> None:
        from rewardsmith.methods.intrinsic.networks import Trained, mlp, seeded

        with seeded(seed):
            networks = {name: mlp(size, _HIDDEN, _HIDDEN, _FEATURES) for name in ("target", "predictor")}
        self._trained = Trained(seed, learning_rate, dict(networks), ["predictor"])
        self._update_proportion = update_proportion
        self.moments = Moments((size,))

    def _white(self, observations: NDArray[np.float32]) -> torch.Tensor:
        import torch

        scaled = (observations - self.moments.mean) / np.maximum(self.moments.std, 1e-3)
        return torch.from_numpy(np.clip(scaled, -_CLIP, _CLIP).astype(np.float32)).flatten(0, -2)

    def _squared(self, white: torch.Tensor) -> torch.Tensor:
        networks = self._trained.networks
        return (networks["predictor"](white) - networks["target"](white).detach()).square().sum(-1)

    def errors(self, observations: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return || f^ - f ||^2 as float64 [T, N] for observations [T, N, D]."""
        import torch

        with torch.no_grad():
            squared = self._squared(self._white(observations))
        return squared.double().numpy().reshape(observations.shape[:-1])

    def learn(self, observations: NDArray[np.float32]) -> None:
        """Train the predictor with one pass over a random subset of observations [T, N, D]."""
        white = self._white(observations)
        wanted = max(1, int(self._update_proportion * len(white)))
        size = max(1, int(self._update_proportion * _MINIBATCH))
        left = wanted
        for chosen in self._trained.minibatches(len(white), size):
            self._trained.step(self._squared(white[chosen[:left]]).mean())
            left -= len(chosen)
            if left <= 0:
                break

    def state(self) -> Any:
        """Networks, optimizer and moments for a checkpoint."""
        return {"trained": self._trained.state(), "moments": self.moments.state()}

    def load(self, state: Any) -> None:
        """Restore the value that `state` returned."""
        self._trained.load(state["trained"])
        self.moments.load(state["moments"])


class RndLearner(Learner):
    """Holds the networks of one trial and the scale of the bonus."""

    def __init__(self, setting: Setting) -> None:
        chosen, training = setting.options, setting.training
        self._distilled = Distillation(
            setting.task.observation_size, setting.seed, chosen.learning_rate, chosen.update_proportion
        )
        self._scale = ReturnScale(training.num_envs, training.gamma)

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """Return the scaled prediction error [T, N] of the next observations."""
        self._distilled.moments.add(seen.following)
        return {"rnd": self._scale(self._distilled.errors(seen.following))}

    def learn(self, seen: Experience, model: Any) -> None:
        """Train the predictor on the observations of the rollout."""
        self._distilled.learn(seen.following)

    def state(self) -> Any:
        """Networks and running statistics for a checkpoint."""
        return {"distilled": self._distilled.state(), "scale": self._scale.state()}

    def load(self, state: Any) -> None:
        """Restore networks and statistics from a checkpoint."""
        self._distilled.load(state["distilled"])
        self._scale.load(state["scale"])


class Rnd(Method):
    """The environment's reward plus the RND bonus."""

    name = "rnd"
    summary = "random network distillation: a bonus for novel observations (baseline)"
    page = "baselines"
    Options = RndOptions

    def check(self, task: Task, options: Any, modelled: bool) -> None:
        """Raise UsageError if the task has spaces that the networks cannot read."""
        require_numbers(task, self.name)

    def bonuses(self, options: Any) -> tuple[Channel, ...]:
        """Return the channel `rnd` of the given weight."""
        return (Channel("rnd", kind="bonus", weight=options.weight),)

    def learner(self, setting: Setting) -> Learner:
        """Return the learner that computes the bonus."""
        return standardised(RndLearner(setting), setting.options)


METHOD = Rnd()
