"""RAPID: ranking the episodes (Zha et al., ICLR 2021, arXiv 2101.08152), imitation of one's own best episodes.

    score = w0 * return + w1 * (distinct states / steps) + w2 * mean of 1 / sqrt(N(s)) over the episode's states

The (state, action) pairs of the best episodes are kept. After each update of PPO the policy takes some steps of
cross-entropy on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rewardsmith.methods.base import Method, Options, Setting
from rewardsmith.methods.intrinsic.count_keys import CountKey, Visits, keys_of, state_columns
from rewardsmith.methods.intrinsic.spaces import require_discrete, require_numbers
from rewardsmith.tasks.base import Task
from rewardsmith.training.learner import Experience, Learner

if TYPE_CHECKING:  # a method's module is read without loading torch
    from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm


class RapidOptions(Options):
    """Options of RAPID; the defaults are published, apart from `until`."""

    extrinsic: float = Field(default=1.0, ge=0, description="w0, weight of the episode's return in its score")
    local: float = Field(default=0.1, ge=0, description="w1, weight of the share of distinct states")
    rarity: float = Field(default=0.001, ge=0, description="w2, weight of the rarity of its states in the trial")
    pairs: int = Field(default=10_000, ge=1, le=10**6, description="(state, action) pairs of the best episodes")
    steps: int = Field(default=5, ge=1, le=1000, description="gradient steps of imitation after each update")
    batch_size: int = Field(default=256, ge=1, le=2**20)
    learning_rate: float = Field(default=1e-4, gt=0)
    until: float = Field(default=1.0, gt=0, le=1, description="fraction of the trial after which imitation ends")
    count_key: CountKey = "view"


@dataclass(frozen=True)
class Episode:
    """A kept episode: its score, its observations float32 [L, D] and its actions int64 [L]."""

    score: float
    observations: NDArray[np.float32]
    actions: NDArray[np.int64]


class BestEpisodes:
    """The episodes of highest score with about `pairs` steps in all; the lowest one that fits in part is cut."""

    def __init__(self, pairs: int) -> None:
        self._pairs = pairs
        self.kept: list[Episode] = []  # the best first; of equal ones the earlier first

    def add(self, episode: Episode) -> None:
        """Insert an episode by its score, and drop what exceeds the number of pairs."""
        at = next((k for k, other in enumerate(self.kept) if other.score < episode.score), len(self.kept))
        self.kept.insert(at, episode)
        left = self._pairs
        for k, each in enumerate(self.kept):
            if left < len(each.actions):
                cut = Episode(each.score, each.observations[:left], each.actions[:left])
                self.kept[k:] = [cut] if left else []
                break
            left -= len(each.actions)

    @property
    def worst(self) -> float:
        """The score that an episode must exceed to be kept for certain; minus infinity while there is room."""
        full = sum(len(e.actions) for e in self.kept) >= self._pairs
        return self.kept[-1].score if full else -np.inf

    def pairs(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return all observations [P, D] and actions [P]."""
        return np.concatenate([e.observations for e in self.kept]), np.concatenate([e.actions for e in self.kept])


class RapidLearner(Learner):
    """Scores episodes as they end, keeps the best, and imitates them."""

    def __init__(self, setting: Setting) -> None:
        self._options: RapidOptions = setting.options
        self._columns = state_columns(setting.task.schema)
        self._visits = Visits()
        self._best = BestEpisodes(self._options.pairs)
        self._running: list[list[tuple[NDArray[Any], int, float, int]]] = [[] for _ in range(setting.training.num_envs)]
        self._rng = np.random.default_rng(setting.seed)
        self._last = int(self._options.until * setting.steps)
        self._optimizer: Any = None
        self._loaded: Any = None
        self._loss = 0.0

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """Follow the episodes of the rollout. RAPID pays nothing."""
        rollout = seen.rollout
        _, keys = keys_of(seen, self._options.count_key, self._columns)
        self._visits.reach(keys)
        done = rollout.terminated | rollout.truncated
        for n, running in enumerate(self._running):
            for t in range(len(keys)):
                if rollout.starts[t, n]:
                    running.clear()
                reward = float(rollout.rewards[t, n])
                running.append((seen.observations[t, n].copy(), int(rollout.actions[t, n]), reward, int(keys[t, n])))
                if done[t, n] and not rollout.cut[t, n]:
                    self._end(running)
        return {}

    def _end(self, running: list[tuple[NDArray[Any], int, float, int]]) -> None:
        chosen, counts = self._options, self._visits.counts
        rarity = float(np.mean([counts[key] ** -0.5 for *_, key in running]))
        score = episode_score(
            (chosen.extrinsic, chosen.local, chosen.rarity),
            sum(reward for _, _, reward, _ in running), [key for *_, key in running], rarity,
        )  # fmt: skip
        if score > self._best.worst:
            observations = np.stack([observation for observation, *_ in running])
            self._best.add(Episode(score, observations, np.array([action for _, action, *_ in running])))

    def learn(self, seen: Experience, model: OnPolicyAlgorithm) -> None:
        """Take some gradient steps of cross-entropy on the kept pairs."""
        import torch

        policy: Any = model.policy
        if self._optimizer is None:
            self._optimizer = torch.optim.Adam(policy.parameters(), lr=self._options.learning_rate)
            if self._loaded is not None:
                self._optimizer.load_state_dict(self._loaded)
        if not self._best.kept or model.num_timesteps > self._last:
            return
        observations, actions = self._best.pairs()
        for _ in range(self._options.steps):
            chosen = self._rng.integers(len(actions), size=self._options.batch_size)
            batch = torch.from_numpy(observations[chosen]).to(policy.device)
            _, log_probs, _ = policy.evaluate_actions(batch, torch.from_numpy(actions[chosen]).to(policy.device))
            loss = -log_probs.mean()
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            self._loss = float(loss.detach())

    def state(self) -> Any:
        """Visits, kept episodes, generator and optimizer. Running episodes are left out: a checkpoint ends them."""
        kept = self._best.kept
        return {
            "visits": self._visits.state(),
            "episodes": [[e.score, e.observations, e.actions] for e in kept],
            "rng": self._rng.bit_generator.state,
            "optimizer": None if self._optimizer is None else self._optimizer.state_dict(),
        }

    def load(self, state: Any) -> None:
        """Restore the value that `state` returned; the optimizer follows when the policy is known."""
        self._visits.load(state["visits"])
        self._best.kept = [Episode(float(s), np.asarray(o), np.asarray(a)) for s, o, a in state["episodes"]]
        self._rng.bit_generator.state = state["rng"]
        self._loaded = state["optimizer"]

    def telemetry(self) -> dict[str, Any]:
        """The number of kept episodes, their best and worst score, and the loss of the last gradient step."""
        kept = self._best.kept
        scores = {"best_score": kept[0].score, "worst_score": kept[-1].score} if kept else {}
        return {"episodes": len(kept), **scores, "imitation_loss": self._loss}


def episode_score(weights: tuple[float, float, float], total_return: float, keys: list[int], rarity: float) -> float:
    """Return w0 * return + w1 * distinct states / steps + w2 * rarity, of an episode that visited `keys` in order."""
    extrinsic, local, lifelong = weights
    return extrinsic * total_return + local * len(set(keys)) / len(keys) + lifelong * rarity


class Rapid(Method):
    """The environment's reward, and imitation of the best episodes; any other method can be combined with it."""

    name = "rapid"
    summary = "RAPID: imitates its own best episodes (baseline)"
    algorithms = frozenset({"ppo"})
    recurrent = False
    Options = RapidOptions

    @property
    def combines(self) -> bool:
        """True: it imitates beside any other method, although it has no channel."""
        return True

    def check(self, task: Task, options: Any, modelled: bool) -> None:
        """Raise UsageError if the task has spaces that it cannot imitate."""
        require_numbers(task, self.name)
        require_discrete(task, self.name)

    def learner(self, setting: Setting) -> Learner:
        """Return the learner that imitates."""
        return RapidLearner(setting)


METHOD = Rapid()
