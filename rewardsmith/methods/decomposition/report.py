"""How well a decoder predicts returns, and what it makes of each factor, on episodes held out of its training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.methods.decomposition.episodes import Episode

if TYPE_CHECKING:  # loads torch
    from rewardsmith.methods.decomposition.decoder import Decoder

_LATEST = 30  # held-out episodes of a report
_NAMED = 16  # factors up to which each one is reported


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ranks of `values` [E] from 1; equal values share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def auroc(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float | None:
    """Return the probability that a positive episode scores higher than another one, ties counting half.

    Args:
        scores: float64 [E].
        positive: bool [E].

    Returns:
        The area under the ROC curve in [0, 1]; None unless both kinds occur.
    """
    wins, losses = int(positive.sum()), int((~positive).sum())
    if not wins or not losses:
        return None
    return float((ranks(scores)[positive].sum() - wins * (wins + 1) / 2) / (wins * losses))


def rank_correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    """Return Spearman's rank correlation of two float64 [E]; None if one of them does not vary."""
    pair = np.stack([ranks(first), ranks(second)])
    if len(first) < 2 or bool(np.any(pair.std(axis=1) == 0)):
        return None
    return float(np.asarray(np.corrcoef(pair))[0, 1])


def report_of(decoder: Decoder, held_out: Sequence[Episode], names: Sequence[str]) -> dict[str, Any]:
    """Return the statistics of a decoder on held-out episodes, as plain data.

    - `auroc`: how well the predicted return tells successes apart; None without both kinds of episodes.
    - `rank_correlation`: of predicted and actual return.
    - `effect`, per factor: the mean change of r^ when the factor grows by one standard deviation.
    - `size`, per factor: the mean absolute change of r^ when the factor's mean replaces it.
    - `auroc_without`, per factor: the AUROC with the factor's mean in its place.

    More than 16 factors are not reported one by one.
    """
    chosen = list(held_out)[-_LATEST:]
    if not chosen:
        return {"held_out": 0}
    success = np.array([e.success for e in chosen])
    predicted = decoder.returns(chosen)
    told: dict[str, Any] = {
        "held_out": len(chosen),
        "auroc": auroc(predicted, success),
        "rank_correlation": rank_correlation(predicted, np.array([e.returned for e in chosen])),
    }
    if not 0 < len(names) <= _NAMED:
        return told
    steps = decoder.standardised(np.concatenate([e.features for e in chosen]))
    now = decoder.decoded(steps)
    effect, size, left_out = {}, {}, {}
    for i, name in enumerate(names):
        grown, gone = steps.copy(), steps.copy()
        grown[:, i] += 1.0
        gone[:, i] = 0.0
        effect[name] = float((decoder.decoded(grown) - now).mean())
        size[name] = float(np.abs(decoder.decoded(gone) - now).mean())
        left_out[name] = auroc(decoder.returns(chosen, without=i), success)
    return {**told, "effect": effect, "size": size, "auroc_without": left_out}
