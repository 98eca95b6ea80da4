"""Calibration of the language model: accuracy, Brier score, ECE, AUROC and a reliability plot."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.methods.teacher.uncertainty import Opinion
from rewardsmith.plaintext import one_line

BINS = 10


@dataclass(frozen=True)
class Bin:
    """One bin of a reliability plot: mean confidence and accuracy, both in [0, 1], of `count` states."""

    confidence: float
    accuracy: float
    count: int


@dataclass(frozen=True)
class Calibration:
    """Scores on held-out layouts.

    All scores except `accuracy` are over states with exactly one optimal action, because confidence is ambiguous
    elsewhere.

    Attributes:
        states: Number of states.
        accuracy: Proportion of all states whose most probable action is optimal.
        unique_states: Number of states with exactly one optimal action.
        unique_accuracy: Accuracy on these.
        brier: Brier score, summed over actions, in [0, 2].
        ece: Expected calibration error with 10 bins of equal width.
        auroc_entropy: AUROC of low entropy as a sign of a right answer; None if all answers were right, or all wrong.
        auroc_information: The same for the mutual information.
        bins: The nonempty bins of the reliability plot.
    """

    states: int
    accuracy: float
    unique_states: int
    unique_accuracy: float
    brier: float
    ece: float
    auroc_entropy: float | None
    auroc_information: float | None
    bins: tuple[Bin, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the scores as plain data for JSON."""
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Calibration:
        """Create a Calibration from the result of `as_dict`."""
        return Calibration(**{**values, "bins": tuple(Bin(**b) for b in values["bins"])})


def calibrate(opinion: Opinion, optimal: NDArray[np.bool_]) -> Calibration:
    """Score opinions on P states against the sets of optimal actions, bool [P, A].

    States with empty sets are left out.
    """
    labelled = optimal.any(axis=1)
    probs, optimal = opinion.probs[labelled].astype(np.float64), optimal[labelled]
    chosen = probs.argmax(axis=1)
    right = optimal[np.arange(len(probs)), chosen]
    one = optimal.sum(axis=1) == 1
    confidence = probs.max(axis=1)[one]
    bins = reliability(confidence, right[one])
    return Calibration(
        states=len(probs),
        accuracy=float(right.mean()),
        unique_states=int(one.sum()),
        unique_accuracy=float(right[one].mean()),
        brier=float(((probs[one] - optimal[one]) ** 2).sum(axis=1).mean()),
        ece=expected_calibration_error(bins),
        auroc_entropy=auroc(-opinion.entropy[labelled][one], right[one]),
        auroc_information=auroc(-opinion.information[labelled][one], right[one]),
        bins=bins,
    )


def reliability(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[Bin, ...]:
    """Sort confidences [P] in (0, 1] into BINS bins of equal width (Guo et al. 2017); empty bins are left out."""
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    return tuple(
        Bin(float(confidence[place == b].mean()), float(right[place == b].mean()), int((place == b).sum()))
        for b in range(BINS)
        if (place == b).any()
    )


def expected_calibration_error(bins: tuple[Bin, ...]) -> float:
    """Return the mean |accuracy - confidence| over bins, weighted by their counts."""
    total = sum(b.count for b in bins)
    return sum(b.count * abs(b.accuracy - b.confidence) for b in bins) / total


def auroc(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> float | None:
    """Return the probability that a positive scores above a negative, ties counted half; None if one kind is absent."""
    count, others = int(positive.sum()), int((~positive).sum())
    if not count or not others:
        return None
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # mean rank of each value, from 1
    total = float(ranks[inverse][positive].sum())
    return (total - count * (count + 1) / 2) / (count * others)


def save_reliability_plot(calibration: Calibration, path: Path, title: str) -> None:
    """Write a PNG: accuracy over confidence with the diagonal, and the number of states per bin."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8, 5.4), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    bins = calibration.bins
    upper.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1, label="perfectly calibrated")
    upper.plot([b.confidence for b in bins], [b.accuracy for b in bins], marker="o", color="C0", label="measured")
    upper.set(ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02))
    upper.set_title(one_line(title), parse_math=False)
    upper.text(0.98, 0.04, f"ECE {calibration.ece:.3f}   Brier {calibration.brier:.3f}", ha="right")
    upper.legend(loc="upper left", frameon=False)
    edges = (np.arange(BINS) + 0.5) / BINS
    counts = np.zeros(BINS)
    for b in bins:
        counts[min(int(np.ceil(b.confidence * BINS)) - 1, BINS - 1)] += b.count
    lower.bar(edges, counts, width=0.9 / BINS, color="C0")
    lower.set(xlabel="confidence of the most probable action", ylabel="states", yscale="log")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
