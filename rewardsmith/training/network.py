"""Policy networks: SB3's own MLP for vectors, and a network that reads a grid's cells as categories.

A MiniGrid cell is a kind, a colour and a door state: categories, not quantities. As one-hot inputs of a first layer
that actor and critic share, they need half as many training steps as scaled numbers on tasks of several rooms (see
docs/training.md for the measurements).
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
    """A first layer that reads the cells at the start of an observation as categories.

    The first 3 * cells numbers of an observation are (kind / 10, colour / 5, state / 2) of each cell.
    """

    features_of_codes: torch.Tensor

    def __init__(self, size: int, cells: int, width: int) -> None:
        """Create the layer.

        Args:
            size: The length of an observation.
            cells: The number of cells at its start.
            width: The number of outputs.
        """
        super().__init__()
        self._cells = cells
        self.register_buffer("features_of_codes", _features_of_codes(), persistent=False)
        self.first = nn.Linear(cells * FEATURES + size - 3 * cells, width)
        self._kept: tuple[tuple[int, int], torch.Tensor] | None = None

    def shared(self, observations: torch.Tensor) -> torch.Tensor:
        """Return the layer's outputs [B, width] after tanh, for `observations` [B, size]."""
        inputs = self._cells * FEATURES
        weight, rest = self.first.weight, observations[:, 3 * self._cells :]
        # Adding rows is 10 times faster than multiplying by 980 numbers that are nearly all zero.
        if torch.is_grad_enabled():
            # An optimizer's step may follow, and torch's fused optimizers do not increase the weights' version.
            self._kept = None
            rows, indices = weight[:, :inputs].T.contiguous(), read_cells(observations, self._cells, codes=False)
        else:
            rows, indices = self._rows_of_codes(), read_cells(observations, self._cells, codes=True)
        return torch.tanh(SumOfRows.apply(rows, indices) + functional.linear(rest, weight[:, inputs:], self.first.bias))

    def _rows_of_codes(self) -> torch.Tensor:
        """The contribution of each code in each cell to the layer [cells * 198, H], cached until the weights change."""
        weight = self.first.weight
        version = (weight.data_ptr(), weight._version)
        if self._kept is None or self._kept[0] != version:
            parts = weight[:, : self._cells * FEATURES].T.reshape(self._cells, FEATURES, -1)
            self._kept = (version, torch.matmul(self.features_of_codes, parts).flatten(0, 1))
        return self._kept[1]


class GridTorso(GridLayer):
    """A first layer that actor and critic share, followed by separate layers for each."""

    def __init__(self, size: int, cells: int, hidden: tuple[int, ...]) -> None:
        super().__init__(size, cells, hidden[0])
        self.actor, self.critic = _tail(hidden), _tail(hidden)
        self.latent_dim_pi = self.latent_dim_vf = hidden[-1]

    def forward(self, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the inputs of the actor's and the critic's heads, each [B, hidden[-1]]."""
        shared = self.shared(observations)
        return self.actor(shared), self.critic(shared)

    def forward_actor(self, observations: torch.Tensor) -> torch.Tensor:
        """Return the input of the actor's head, [B, hidden[-1]]."""
        return self.actor(self.shared(observations))

    def forward_critic(self, observations: torch.Tensor) -> torch.Tensor:
        """Return the input of the critic's head, [B, hidden[-1]]."""
        return self.critic(self.shared(observations))


def _tail(hidden: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(hidden):
        layers += [nn.Linear(before, after), nn.Tanh()]
    return nn.Sequential(*layers)


def draw_actions(logits: torch.Tensor, deterministic: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose actions from logits.

    Args:
        logits: [B, A].
        deterministic: Whether to take the most probable action instead of drawing one.

    Returns:
        Actions, int64 [B], and their log-probabilities [B].
    """
    log_probs = functional.log_softmax(logits, 1)
    actions = log_probs.argmax(1) if deterministic else torch.multinomial(log_probs.exp(), 1).squeeze(1)
    return actions, of_actions(log_probs, actions)


def of_actions(log_probs: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    """Return the entries [B] of `log_probs` [B, A] at `actions` [B]."""
    return log_probs.gather(1, actions.long().view(-1, 1)).squeeze(1)


class LeanPolicy(ActorCriticPolicy):
    """SB3's actor-critic policy for discrete actions, without its distribution objects.

    Actions, values and log-probabilities are identical; gradients agree up to the order of their sums.

    On a rollout's step, creating those objects takes longer than running these networks.
    """

    def forward(
        self, obs: torch.Tensor, deterministic: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return actions [B], values [B, 1] and log-probabilities [B]."""
        actor, critic = self.mlp_extractor(self.features_extractor(obs))
        actions, log_probs = draw_actions(self.action_net(actor), deterministic)
        return actions, self.value_net(critic), log_probs

    def evaluate_actions(
        self, obs: Any, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Return values [B, 1], log-probabilities [B] of `actions` [B], and entropies [B]."""
        actor, critic = self.mlp_extractor(self.features_extractor(obs))
        log_probs = functional.log_softmax(self.action_net(actor), 1)
        entropy = -(log_probs.exp() * log_probs).sum(1)
        return self.value_net(critic), of_actions(log_probs, actions), entropy


class ExactPolicy(ActorCriticPolicy):
    """SB3's actor-critic policy for discrete actions, without its distribution objects, equal to it bit for bit.

    The operations are those of torch's Categorical, in the same order. So gradients are summed in the same order, too.
    """

    def forward(
        self, obs: torch.Tensor, deterministic: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return actions [B], values [B, 1] and log-probabilities [B]."""
        actor, critic = self.mlp_extractor(self.features_extractor(obs))
        values = self.value_net(critic)
        log_probs = _normalized(self.action_net(actor))
        probs = functional.softmax(log_probs, -1)
        actions = probs.argmax(1) if deterministic else torch.multinomial(probs, 1, True).squeeze(1)
        return actions, values, of_actions(log_probs, actions)

    def evaluate_actions(
        self, obs: Any, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Return values [B, 1], log-probabilities [B] of `actions` [B], and entropies [B]."""
        actor, critic = self.mlp_extractor(self.features_extractor(obs))
        log_probs = _normalized(self.action_net(actor))
        chosen = of_actions(log_probs, actions)
        values = self.value_net(critic)
        entropy = -(log_probs * functional.softmax(log_probs, -1)).sum(-1)
        return values, chosen, entropy


def _normalized(logits: torch.Tensor) -> torch.Tensor:
    return logits - logits.logsumexp(dim=-1, keepdim=True)


class GridPolicy(LeanPolicy):
    """An actor-critic policy over a GridTorso; an observation begins with the `cells` cells of the view."""

    def __init__(self, *args: Any, cells: int, hidden: tuple[int, ...], **kwargs: Any) -> None:
        self._cells, self._hidden = cells, hidden
        super().__init__(*args, net_arch=[], **kwargs)

    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor = GridTorso(self.features_dim, self._cells, self._hidden)  # type: ignore[assignment]
