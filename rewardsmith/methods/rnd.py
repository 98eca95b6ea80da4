"""RND: random network distillation (Burda et al. 2018, arXiv 1810.12894).

    b(s') = || f^(s') - f(s') ||^2 / std of discounted sums of b

f is fixed and random, f^ learns to predict it where the policy goes, so the error is large where it seldom went.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rewardsmith.methods.base import Method, Options, Setting
from rewardsmith.methods.intrinsic.running import Moments, ReturnScale
from rewardsmith.programs.composition import Channel
from rewardsmith.training.learner import Experience, Learner

if TYPE_CHECKING:
    import torch

_CLIP = 5.0  # of whitened observations, as published
_HIDDEN, _FEATURES = 128, 64
_MINIBATCH = 1024


class RndOptions(Options):
    """weight: of the channel. rate: learning rate of the predictor. share: of the steps it learns from."""

    weight: float = Field(default=0.01, ge=0)
    rate: float = Field(default=1e-4, gt=0)
    share: float = Field(default=0.25, gt=0, le=1)


class Distillation:
    """Target f, predictor f^, and the moments by which observations are whitened."""

    def __init__(self, size: int, seed: int, rate: float, share: float) -> None:
        from rewardsmith.methods.intrinsic.networks import Trained, mlp, seeded

        with seeded(seed):
            networks = {name: mlp(size, _HIDDEN, _HIDDEN, _FEATURES) for name in ("target", "predictor")}
        self._trained = Trained(seed, rate, dict(networks), ["predictor"])
        self._share = share
        self.moments = Moments((size,))

    def _white(self, observations: NDArray[np.float32]) -> torch.Tensor:
        import torch

        scaled = (observations - self.moments.mean) / np.maximum(self.moments.std, 1e-3)
        return torch.from_numpy(np.clip(scaled, -_CLIP, _CLIP).astype(np.float32)).flatten(0, -2)

    def _squared(self, white: torch.Tensor) -> torch.Tensor:
        networks = self._trained.networks
        return (networks["predictor"](white) - networks["target"](white).detach()).square().sum(-1)

    def errors(self, observations: NDArray[np.float32]) -> NDArray[np.float64]:
        """|| f^ - f ||^2 of observations [T, N, D], as [T, N]."""
        import torch

        with torch.no_grad():
            squared = self._squared(self._white(observations))
        return squared.double().numpy().reshape(observations.shape[:-1])

    def learn(self, observations: NDArray[np.float32]) -> None:
        """One pass of the predictor over a random share of observations [T, N, D]."""
        white = self._white(observations)
        wanted = max(1, int(self._share * len(white)))
        size = max(1, int(self._share * _MINIBATCH))
        left = wanted
        for chosen in self._trained.minibatches(len(white), size):
            self._trained.step(self._squared(white[chosen[:left]]).mean())
            left -= len(chosen)
            if left <= 0:
                break

    def state(self) -> Any:
        """For a checkpoint."""
        return {"trained": self._trained.state(), "moments": self.moments.state()}

    def load(self, state: Any) -> None:
        """Take back what `state` returned."""
        self._trained.load(state["trained"])
        self.moments.load(state["moments"])


class RndLearner(Learner):
    """The networks of one trial."""

    def __init__(self, setting: Setting) -> None:
        chosen, training = setting.options, setting.training
        self._distilled = Distillation(setting.task.observation_size, setting.seed, chosen.rate, chosen.share)
        self._scale = ReturnScale(training.num_envs, training.gamma)

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """The scaled error of what each step leads to."""
        self._distilled.moments.add(seen.following)
        return {"rnd": self._scale(self._distilled.errors(seen.following))}

    def learn(self, seen: Experience, model: Any) -> None:
        """Distil where the policy went."""
        self._distilled.learn(seen.following)

    def state(self) -> Any:
        """Networks and statistics."""
        return {"distilled": self._distilled.state(), "scale": self._scale.state()}

    def load(self, state: Any) -> None:
        """Take them back."""
        self._distilled.load(state["distilled"])
        self._scale.load(state["scale"])


class Rnd(Method):
    """The environment's reward and the bonus."""

    name = "rnd"
    summary = "random network distillation: a bonus where a prediction errs (baseline)"
    Options = RndOptions

    def bonuses(self, options: Any) -> tuple[Channel, ...]:
        """One channel."""
        return (Channel("rnd", kind="bonus", weight=options.weight),)

    def learner(self, setting: Setting) -> Learner:
        """The networks."""
        return RndLearner(setting)


METHOD = Rnd()
