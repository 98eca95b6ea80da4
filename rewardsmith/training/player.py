"""Acting with a policy outside of training: batches of environments, with or without memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common import distributions

from rewardsmith.tasks.base import Task


def deterministic(policy: Any) -> bool:
    """Return whether a policy always takes the same action in a state: those of DQN, QR-DQN and TD3 do."""
    return _off_policy(policy) and not hasattr(getattr(policy, "actor", None), "log_std")


def _off_policy(policy: Any) -> bool:
    """Whether a policy belongs to an off-policy algorithm; those of PPO and A2C have a critic for states."""
    return not hasattr(policy, "value_net")


class Player:
    """Draws the actions of `envs` environments and keeps, between steps, what a recurrent policy remembers of each.

    Actions are drawn with `rng`, so that torch's generator is left alone.
    """

    def __init__(self, policy: Any, task: Task, envs: int, rng: np.random.Generator, *, greedy: bool = False) -> None:
        self._policy, self._rng, self._greedy = policy, rng, greedy
        self._observation, self._actions = task.observation, task.actions
        self.remembers = hasattr(policy, "lstm_actor")
        self._memory: tuple[torch.Tensor, torch.Tensor] | None = None
        # The actor's layers directly where they are known: SB3's distribution object costs more than they do.
        self._replayed = _off_policy(policy)
        self._direct = self._actions.discrete and self._observation.plain and not task.masked
        if self.remembers:
            layers, _, width = policy.lstm_hidden_state_shape
            hidden, cell = (torch.zeros((layers, envs, width), device=policy.device) for _ in range(2))
            self._memory = hidden, cell

    def act(
        self,
        observations: NDArray[Any],
        playing: NDArray[np.bool_] | None = None,
        masks: NDArray[np.bool_] | None = None,
    ) -> NDArray[Any]:
        """Actions of the environments named by `playing` [N] (all if None).

        Args:
            observations: Rows [K, D] of the K environments that play.
            playing: Which environments these are, [N].
            masks: The actions that are allowed in them, [K, A]; None if all are.

        Returns:
            int64 [K], or float64 [K, A] for actions that are vectors.
        """
        with torch.no_grad():
            if self._replayed:
                return self._acted(observations)
            if not self._direct:
                return self._drawn(self._distribution(observations, masks))
            logits = self._logits(torch.as_tensor(observations, device=self._policy.device), playing).cpu().numpy()
        return self._chosen(logits)

    def restart(self, done: NDArray[np.bool_]) -> None:
        """New episodes begin where `done` [N] says so."""
        if self._memory is not None and done.any():
            for part in self._memory:
                part[:, torch.as_tensor(done)] = 0.0

    def _chosen(self, logits: NDArray[Any]) -> NDArray[np.int64]:
        """The likeliest choice for logits [K, A], or one drawn by them."""
        if not self._greedy:
            logits = logits + self._rng.gumbel(size=logits.shape)
        return logits.argmax(axis=1)

    def _distribution(self, observations: NDArray[Any], masks: NDArray[np.bool_] | None) -> Any:
        seen = self._policy.obs_to_tensor(self._observation.structured(observations))[0]
        if masks is None:
            return self._policy.get_distribution(seen)
        return self._policy.get_distribution(seen, action_masks=masks)

    def _acted(self, observations: NDArray[Any]) -> NDArray[Any]:
        """Actions of a policy of an off-policy algorithm: drawn from a squashed Gaussian, or deterministic."""
        policy = self._policy
        seen = policy.obs_to_tensor(self._observation.structured(observations))[0]
        if deterministic(policy) or self._greedy:
            found = policy._predict(seen, deterministic=True).cpu().numpy()
        else:
            mean, log_std, latent = policy.actor.get_action_dist_params(seen)
            inner = policy.actor.action_dist.proba_distribution(mean, log_std, **latent).distribution
            noise = torch.as_tensor(self._rng.normal(size=tuple(mean.shape)), dtype=mean.dtype, device=mean.device)
            found = torch.tanh(inner.mean + inner.stddev * noise).cpu().numpy()
        if self._actions.discrete:
            return found.astype(np.int64)
        return self._actions.rounded(policy.unscale_action(found).astype(np.float64))

    def _drawn(self, found: Any) -> NDArray[Any]:
        """Actions by one of SB3's distributions, the likeliest or drawn."""
        inner = found.distribution
        if self._actions.kind == "discrete":
            return self._chosen(inner.logits.cpu().numpy())
        if self._actions.kind == "multi-discrete":
            return np.stack([self._chosen(each.logits.cpu().numpy()) for each in inner], axis=1).astype(np.float64)
        if self._actions.kind == "multi-binary":
            chance = inner.probs.cpu().numpy()
            drawn = chance >= 0.5 if self._greedy else self._rng.random(chance.shape) < chance
            return drawn.astype(np.float64)
        # State-dependent exploration, too, is a Gaussian for each state.
        assert isinstance(found, distributions.DiagGaussianDistribution | distributions.StateDependentNoiseDistribution)
        actions = inner.mean.cpu().numpy().astype(np.float64)
        if not self._greedy:
            actions += inner.stddev.cpu().numpy() * self._rng.normal(size=actions.shape)
        return self._actions.rounded(np.clip(actions, self._actions.low, self._actions.high))

    def _logits(self, seen: torch.Tensor, playing: NDArray[np.bool_] | None) -> torch.Tensor:
        policy = self._policy
        features = policy.pi_features_extractor(seen)
        if self._memory is not None:
            chosen = slice(None) if playing is None else torch.as_tensor(playing)
            before = tuple(part[:, chosen].contiguous() for part in self._memory)
            hidden, after = policy.lstm_actor(features.unsqueeze(0), before)
            features = hidden.squeeze(0)
            for part, new in zip(self._memory, after, strict=True):
                part[:, chosen] = new
        return policy.action_net(policy.mlp_extractor.forward_actor(features))
