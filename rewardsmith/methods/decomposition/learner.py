"""The learner of return decomposition: a channel r^ of features per step, learned from the returns of episodes."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.methods.base import Setting
from rewardsmith.methods.decomposition.episodes import EpisodeStore
from rewardsmith.training.learner import Experience, Learner


@dataclass(frozen=True)
class Fitting:
    """How the decoder is trained.

    Attributes:
        learning_rate: Of Adam.
        batches: Gradient steps per rollout.
        by_length: Whether the loss of an episode of T steps is weighted by T^2.
    """

    learning_rate: float
    batches: int
    by_length: bool


class DecompositionLearner(Learner):
    """Stores episodes, trains the decoder after each rollout, and pays r^ of the present decoder.

    The channel is 0 until the returns of the stored episodes differ. Subclasses define the features.

    Args:
        setting: The trial.
        channel: Name of the channel.
        size: The number D of features.
        fitting: How the decoder is trained.
    """

    names: tuple[str, ...] = ()
    """Names of the features, if they have any."""

    def __init__(self, setting: Setting, channel: str, size: int, fitting: Fitting) -> None:
        from rewardsmith.methods.decomposition.decoder import Decoder

        self._channel, self._batches = channel, fitting.batches
        env = [c.weight for c in setting.reward.channels if c.kind == "env"]
        # The weight of a cost is negative, or -0.0 if the channel replaces it.
        self._sign = float(np.copysign(1.0, env[0])) if env else 1.0
        self.decoder = Decoder(size, setting.seed, fitting.learning_rate, by_length=fitting.by_length)
        self.episodes = EpisodeStore(setting.training.num_envs, size)

    @abstractmethod
    def features(self, seen: Experience) -> NDArray[np.float32]:
        """Return the features of each step, float32 [T, N, D]."""

    def decomposed(self, seen: Experience) -> NDArray[np.float64]:
        """Return the rewards float64 [T, N] whose sum is decomposed: the environment's, costs negated."""
        return self._sign * seen.rollout.rewards

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """Return r^ [T, N]; zeros while there is nothing to decompose."""
        features = self.features(seen)
        self.decoder.moments.add(features)
        values = self.decoder(features) if self.decoder.loss is not None else np.zeros(features.shape[:2])
        self.episodes.add(features, seen.rollout, self.decomposed(seen))
        return {self._channel: values}

    def learn(self, seen: Experience, model: Any) -> None:
        """Train and calibrate the decoder on the stored episodes."""
        if self.episodes.informative:
            known = self.episodes.training()
            self.decoder.train(known, self._batches)
            self.decoder.calibrate(known)

    def state(self) -> Any:
        """Decoder and episodes: at most 64 MB of features, and 1 MB of weights and moments of Adam for few features."""
        return {"decoder": self.decoder.state(), "episodes": self.episodes.state()}

    def load(self, state: Any) -> None:
        """Restore decoder and episodes from a checkpoint."""
        self.decoder.load(state["decoder"])
        self.episodes.load(state["episodes"])

    def telemetry(self) -> dict[str, Any]:
        """Counts of episodes, the decoder's loss and scale, and its report on held-out episodes."""
        from rewardsmith.methods.decomposition.report import report_of

        told = {
            "episodes": len(self.episodes),
            "successes": sum(e.success for e in self.episodes),
            "megabytes": round(self.episodes.bytes / 2**20, 1),
            "loss": self.decoder.loss,
            "scale": self.decoder.scale,
        }
        if self.decoder.loss is None:
            return told
        return {**told, **report_of(self.decoder, self.episodes.held_out(), self.names)}


class StateDecomposition(DecompositionLearner):
    """The features are the policy's observations before and after the step."""

    def __init__(self, setting: Setting, channel: str, fitting: Fitting) -> None:
        super().__init__(setting, channel, 2 * setting.task.observation_size, fitting)

    def features(self, seen: Experience) -> NDArray[np.float32]:
        """Return both observations, float32 [T, N, 2 D]."""
        return np.concatenate([seen.observations, seen.following], axis=-1).astype(np.float32, copy=False)
