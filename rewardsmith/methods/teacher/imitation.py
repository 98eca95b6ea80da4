"""One pass of imitation learning in minibatches, for ULPS's distillation and for behaviour cloning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.nn import functional


def shuffled_log_probs(policy: Any, states: torch.Tensor, batch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield (indices [B], log pi [B, A]) for each minibatch of `states` [P, D].

    numpy's global generator shuffles the states. Call `descend` on each minibatch before requesting the next one.
    """
    for chosen in torch.from_numpy(np.random.permutation(len(states))).split(batch):
        actor, _ = policy.mlp_extractor(policy.extract_features(states[chosen].to(policy.device)))
        yield chosen, functional.log_softmax(policy.action_net(actor), 1)


def descend(policy: Any, loss: torch.Tensor, max_grad_norm: float | None = None) -> None:
    """Take a gradient step on `loss` with the policy's optimizer; clip the gradient to `max_grad_norm` if given."""
    policy.optimizer.zero_grad()
    loss.backward()
    if max_grad_norm is not None:
        torch.nn.utils.clip_grad_norm_(policy.parameters(), max_grad_norm)
    policy.optimizer.step()
