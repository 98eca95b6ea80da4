"""Policies: SB3's own MLP for vectors, and a network that reads a grid's cells as categories.

A MiniGrid cell is a kind, a colour and a door state: categories, not quantities. Fed as one-hot vectors into a
first layer that actor and critic share, they need half the steps of the scaled numbers on tasks of several rooms
(docs/training.md has the figures).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import nn
from torch.nn import functional

from rewardsmith.training.sparse_layer import CODES, COLORS, FEATURES, KINDS, STATES, SumOfRows, read_cells


def _features_of_codes() -> torch.Tensor:
    """float32 [198, 20]: one-hot kind, colour and state of a cell's code = (kind * 6 + colour) * 3 + state."""
    code = torch.arange(CODES)
    parts = ((code // (COLORS * STATES), KINDS), (code // STATES % COLORS, COLORS), (code % STATES, STATES))
    return torch.cat([functional.one_hot(index, count) for index, count in parts], 1).float()


class GridLayer(nn.Module):
    """Observations [B, 3 * cells + rest] to a first layer of `width`, its cells read as categories.

    The leading 3 * cells numbers are (kind / 10, colour / 5, state / 2) per cell, as the tasks write them.
    """

    features_of_codes: torch.Tensor

    def __init__(self, size: int, cells: int, width: int) -> None:
        super().__init__()
        self._cells = cells
        self.register_buffer("features_of_codes", _features_of_codes(), persistent=False)
        self.first = nn.Linear(cells * FEATURES + size - 3 * cells, width)
        self._kept: tuple[tuple[int, int], torch.Tensor] | None = None

    def shared(self, observations: torch.Tensor) -> torch.Tensor:
        """The layer's outputs [B, width], after tanh."""
        inputs = self._cells * FEATURES
        weight, rest = self.first.weight, observations[:, 3 * self._cells :]
        # Adding up rows is 10 times faster than multiplying by 980 numbers that are nearly all zero.
        if torch.is_grad_enabled():
            # An optimizer's step may follow; torch's fused ones do not raise the version.
            self._kept = None
            rows, indices = weight[:, :inputs].T.contiguous(), read_cells(observations, self._cells, codes=False)
        else:
            rows, indices = self._rows_of_codes(), read_cells(observations, self._cells, codes=True)
        return torch.tanh(SumOfRows.apply(rows, indices) + functional.linear(rest, weight[:, inputs:], self.first.bias))

    def _rows_of_codes(self) -> torch.Tensor:
        """What each code in each cell adds to the first layer [cells * 198, H], kept until the weights change."""
        weight = self.first.weight
        version = (weight.data_ptr(), weight._version)
        if self._kept is None or self._kept[0] != version:
            parts = weight[:, : self._cells * FEATURES].T.reshape(self._cells, FEATURES, -1)
            self._kept = (version, torch.matmul(self.features_of_codes, parts).flatten(0, 1))
        return self._kept[1]


class GridTorso(GridLayer):
    """A first layer that actor and critic share, then their own: observations to the inputs of both heads."""

    def __init__(self, size: int, cells: int, hidden: tuple[int, ...]) -> None:
        super().__init__(size, cells, hidden[0])
        self.actor, self.critic = _tail(hidden), _tail(hidden)
        self.latent_dim_pi = self.latent_dim_vf = hidden[-1]

    def forward(self, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Both heads' inputs, each [B, hidden[-1]]."""
        shared = self.shared(observations)
        return self.actor(shared), self.critic(shared)

    def forward_actor(self, observations: torch.Tensor) -> torch.Tensor:
        """The actor's alone."""
        return self.actor(self.shared(observations))

    def forward_critic(self, observations: torch.Tensor) -> torch.Tensor:
        """The critic's alone."""
        return self.critic(self.shared(observations))


def _tail(hidden: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(hidden):
        layers += [nn.Linear(before, after), nn.Tanh()]
    return nn.Sequential(*layers)


def draw_actions(logits: torch.Tensor, deterministic: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Actions int64 [B] given logits [B, A], the likeliest or drawn, and their log-probabilities [B]."""
    log_probs = functional.log_softmax(logits, 1)
    actions = log_probs.argmax(1) if deterministic else torch.multinomial(log_probs.exp(), 1).squeeze(1)
    return actions, of_actions(log_probs, actions)


def of_actions(log_probs: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    """The log-probabilities [B] that `log_probs` [B, A] give to `actions` [B]."""
    return log_probs.gather(1, actions.long().view(-1, 1)).squeeze(1)


class LeanPolicy(ActorCriticPolicy):
    """SB3's actor-critic policy for discrete actions without its distribution objects: the numbers are the same.

    Those objects take longer to make than these networks to run on a rollout's step.
    """

    def forward(
        self, obs: torch.Tensor, deterministic: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Actions [B], values [B, 1] and log-probabilities [B]."""
        actor, critic = self.mlp_extractor(self.features_extractor(obs))
        actions, log_probs = draw_actions(self.action_net(actor), deterministic)
        return actions, self.value_net(critic), log_probs

    def evaluate_actions(
        self, obs: Any, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Values [B, 1], log-probabilities [B] of `actions` [B], and entropies [B]."""
        actor, critic = self.mlp_extractor(self.features_extractor(obs))
        log_probs = functional.log_softmax(self.action_net(actor), 1)
        entropy = -(log_probs.exp() * log_probs).sum(1)
        return self.value_net(critic), of_actions(log_probs, actions), entropy


class GridPolicy(LeanPolicy):
    """An actor-critic policy over a GridTorso; `cells` of the view come first in an observation."""

    def __init__(self, *args: Any, cells: int, hidden: tuple[int, ...], **kwargs: Any) -> None:
        self._cells, self._hidden = cells, hidden
        super().__init__(*args, net_arch=[], **kwargs)

    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor = GridTorso(self.features_dim, self._cells, self._hidden)  # type: ignore[assignment]
