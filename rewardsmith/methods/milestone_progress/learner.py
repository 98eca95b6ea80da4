"""The learner of the method milestones: marks milestones, trains the potential critic, and pays its potential."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.methods.base import Setting
from rewardsmith.methods.decomposition.episodes import MOST_BYTES, EpisodeStore
from rewardsmith.methods.decomposition.report import rank_correlation
from rewardsmith.methods.milestone_progress.labels import ReachedMilestones, progress_labels
from rewardsmith.tasks.subgoals import Subgoal, terminated
from rewardsmith.training.learner import Experience, Learner

CHANNEL = "milestones"
_ROLLOUTS = 20  # whose episodes the network is trained on
_MOST_EPISODES = 10_000
_REPORTED = 30


class MilestoneLearner(Learner):
    """Computes Phi = P_b of the states after the steps; 0 until the network was trained.

    Args:
        setting: The trial.
        predicates: Names of the program's predicates, one per milestone; () if `subgoals` are the milestones.
        subgoals: Events that are the milestones instead.
    """

    def __init__(self, setting: Setting, predicates: Sequence[str], subgoals: Sequence[Subgoal] = ()) -> None:
        from rewardsmith.methods.milestone_progress.network import ProgressNetwork

        chosen, envs = setting.options, setting.training.num_envs
        self._schema, self._subgoals, self._predicates = setting.task.schema, subgoals, predicates
        self.names = (*predicates, *(s.name for s in subgoals))
        self._gradient_steps, self._progress = chosen.gradient_steps, chosen.shaping == "progress"
        size = setting.task.observation_size
        self._reached = ReachedMilestones(envs, len(self.names))
        self._episodes = 0
        # The last column of the features is the number of milestones reached.
        recent = _ROLLOUTS * setting.training.rollout_steps * envs * 4 * (size + 1)
        self.episodes = EpisodeStore(envs, size + 1, _MOST_EPISODES, min(recent, MOST_BYTES))
        self.network = ProgressNetwork(size, setting.seed, chosen.learning_rate)
        self._last = np.zeros(envs)

    def fired(self, seen: Experience) -> NDArray[np.bool_]:
        """Return whether each step terminated each milestone, bool [T, N, K]."""
        if self._subgoals:
            return terminated(seen.rollout.after, self._subgoals, self._schema)
        assert seen.scores is not None, "a program with predicates is scored"
        owners = [name.partition(".")[0] for name in seen.scores.names]
        parts = [
            (seen.scores.values[:, :, [i for i, o in enumerate(owners) if o == name]] != 0.0).any(-1)
            for name in self._predicates
        ]
        return np.stack(parts, axis=-1)

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """Return Phi after the steps and at starts [T, N], or its differences for the shaping `progress`."""
        starts, fired = seen.rollout.starts, self.fired(seen)
        self._episodes += int(starts.sum())
        reached = self._reached(fired, starts)
        features = np.concatenate([seen.following, reached[..., None].astype(np.float32)], axis=-1)
        self.episodes.add(features.astype(np.float32, copy=False), seen.rollout)
        after, begin = np.zeros(starts.shape), np.zeros(starts.shape)
        if self.network.loss is not None:
            after = self.network(seen.following)
            begin[starts] = self.network(seen.observations[starts]) if starts.any() else 0.0
        if self._progress:
            return {CHANNEL: self._differences(after, begin, starts)}
        return {CHANNEL: after, f"{CHANNEL}:start": begin}

    def _differences(
        self, after: NDArray[np.float64], begin: NDArray[np.float64], starts: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Phi(s') - Phi(s), where Phi(s) is the number that the step before used."""
        before = np.concatenate([self._last[None], after[:-1]])
        before[starts] = begin[starts]
        self._last = after[-1].copy()
        return after - before

    def learn(self, seen: Experience, model: Any) -> None:
        """Train the network on the episodes of the latest rollouts."""
        known = self.episodes.training()
        if known:
            self.network.train([e.features[:, :-1] for e in known], self._labels(known), self._gradient_steps)

    def _labels(self, episodes: Sequence[Any]) -> list[NDArray[np.float64]]:
        count = len(self.names)
        return [progress_labels(e.features[:, -1].astype(np.int64), e.success, count) for e in episodes]

    def state(self) -> Any:
        """The network, and the episodes of 20 rollouts, at most 64 MB. A checkpoint ends running episodes."""
        return {"network": self.network.state(), "episodes": self.episodes.state()}

    def load(self, state: Any) -> None:
        """Restore network and episodes from a checkpoint."""
        self.network.load(state["network"])
        self.episodes.load(state["episodes"])

    def telemetry(self) -> dict[str, Any]:
        """Share of episodes that reached each milestone, the loss, and the correlation with progress (held out)."""
        counts, started = self._reached.episodes, max(self._episodes, 1)
        often = {name: float(n) / started for name, n in zip(self.names, counts, strict=True)}
        counts[:] = 0.0
        self._episodes = 0
        told: dict[str, Any] = {"reached": often, "loss": self.network.loss, "episodes": len(self.episodes)}
        held = self.episodes.held_out()[-_REPORTED:]
        if self.network.loss is None or not held:
            return told
        predicted = np.concatenate([self.network(e.features[:, :-1]) for e in held])
        return {**told, "rank_correlation": rank_correlation(predicted, np.concatenate(self._labels(held)))}
