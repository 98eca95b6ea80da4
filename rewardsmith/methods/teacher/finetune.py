"""Fits an encoder to the planner: cross-entropy against the set of optimal actions, with early stopping."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn


def silent(line: str) -> None:
    """Discard a line of progress."""


@dataclass(frozen=True)
class FitSettings:
    """Settings of AdamW, with a linear warm-up over 5 % of the steps and a linear decay to 0.

    Attributes:
        learning_rate: The largest learning rate.
        batch: Prompts per gradient step.
        epochs: Most passes over the prompts.
        patience: Epochs without a better validation accuracy after which the fit stops.
    """

    learning_rate: float
    batch: int
    epochs: int
    patience: int


PUBLISHED = FitSettings(learning_rate=5e-5, batch=16, epochs=5, patience=1)
"""Settings for pretrained models, as in the paper."""

FROM_SCRATCH = FitSettings(learning_rate=2e-3, batch=128, epochs=30, patience=6)
"""Settings for the small encoder, which starts from random weights."""


def fit(
    model: nn.Module,
    prompts: Sequence[str],
    optimal: NDArray[np.bool_],
    validation: tuple[Sequence[str], NDArray[np.bool_]],
    settings: FitSettings,
    seed: int,
    told: Callable[[str], None] = silent,
) -> list[float]:
    """Train `model` in place, and keep the weights of the best epoch.

    The loss is -log of the probability of the set of optimal actions. So equally short actions do not contradict each
    other, and the model may prefer either.

    Args:
        model: An Encoder.
        prompts: P prompts.
        optimal: Their optimal actions, bool [P, A].
        validation: Prompts and optimal actions for early stopping.
        settings: Settings of the optimizer.
        seed: Seed of the order of prompts.
        told: Receives a line of progress at a time.

    Returns:
        The validation accuracy in [0, 1] after each epoch.
    """
    rng = np.random.default_rng(seed)
    words, held = _encoded(model, prompts), _encoded(model, validation[0])
    wanted = torch.from_numpy(optimal)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=0.01)
    steps = settings.epochs * math.ceil(len(words) / settings.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _warm_up_and_fall(steps))
    best, kept, accuracies = -1.0, copy.deepcopy(model.state_dict()), []
    for epoch in range(settings.epochs):
        model.train()
        for chosen in batches(len(words), settings.batch, rng):
            log_probs = torch.log_softmax(model(trimmed(words[chosen]))[0], -1)
            loss = -torch.logsumexp(log_probs.masked_fill(~wanted[chosen], -torch.inf), -1).mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        accuracies.append(accuracy(model, held, validation[1]))
        told(f"epoch {epoch + 1} of at most {settings.epochs}: validation accuracy {accuracies[-1]:.1%}")
        if accuracies[-1] > best:
            best, kept = accuracies[-1], copy.deepcopy(model.state_dict())
        elif epoch - int(np.argmax(accuracies)) >= settings.patience:
            break
    model.load_state_dict(kept)
    model.eval()
    return accuracies


def accuracy(model: nn.Module, words: torch.Tensor, optimal: NDArray[np.bool_]) -> float:
    """Return the proportion of prompts whose most probable action is optimal, without dropout."""
    model.eval()
    right = 0
    with torch.no_grad():
        for chosen in batches(len(words), 512):
            best = model(trimmed(words[chosen]))[0].argmax(-1).numpy()
            right += int(optimal[chosen, best].sum())
    return right / len(words)


def batches(count: int, size: int, rng: np.random.Generator | None = None) -> Iterator[NDArray[np.int64]]:
    """Yield the indices 0 to count - 1 in groups of `size`, shuffled by `rng` if given."""
    order = np.arange(count) if rng is None else rng.permutation(count)
    for first in range(0, count, size):
        yield order[first : first + size]


def trimmed(words: torch.Tensor) -> torch.Tensor:
    """Remove the columns that are padding everywhere (PAD is 0)."""
    return words[:, : int((words != 0).sum(1).max())]


def _encoded(model: nn.Module, prompts: Sequence[str]) -> torch.Tensor:
    encode = getattr(model, "encode")  # noqa: B009 - every Encoder has it, nn.Module's type does not say so
    return encode(prompts)


def _warm_up_and_fall(steps: int):
    warm = max(1, steps // 20)
    return lambda step: min((step + 1) / warm, max(0.0, (steps - step) / max(steps - warm, 1)))
