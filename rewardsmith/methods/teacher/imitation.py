"""One pass of teaching a policy what others chose, minibatch by minibatch: of ULPS's distillation, and of cloning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.nn import functional


def shuffled_log_probs(policy: Any, states: torch.Tensor, batch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """(indices [B] of `states` [P, D], log pi of them [B, A]) of each minibatch, in an order by numpy's own generator.

    Take a step (`descend`) on each before asking for the next.
    """
    for chosen in torch.from_numpy(np.random.permutation(len(states))).split(batch):
        actor, _ = policy.mlp_extractor(policy.extract_features(states[chosen].to(policy.device)))
        yield chosen, functional.log_softmax(policy.action_net(actor), 1)


def descend(policy: Any, loss: torch.Tensor, max_grad_norm: float | None = None) -> None:
    """A gradient step on `loss` by the policy's own optimizer, the gradient clipped to `max_grad_norm` if given."""
    policy.optimizer.zero_grad()
    loss.backward()
    if max_grad_norm is not None:
        torch.nn.utils.clip_grad_norm_(policy.parameters(), max_grad_norm)
    policy.optimizer.step()
