"""What a trial or a point of a curve achieved: a success rate, or a score where nothing is a success."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rewardsmith.scores import ScoreScale
from rewardsmith.storage.rows import Trial
from rewardsmith.telemetry import EpisodeScores, Telemetry, at_point


def score_of(trial: Trial) -> EpisodeScores | None:
    """Return the scores of a trial's last evaluation; None without one, or if its task has a success."""
    return Telemetry.from_json(trial.telemetry).score


def score_at(point: Mapping[str, Any]) -> EpisodeScores | None:
    """Return the scores of a point of a curve; None if it was not evaluated, or if its task has a success."""
    return at_point(point).score


def scores_by_seed(trials: Iterable[Trial], scale: ScoreScale | None) -> dict[int, float]:
    """Return the success rate or the score of each ended trial by its seed.

    A trial whose program failed in training counts as 0 % success, or as the score of random play.
    """
    found: dict[int, float] = {}
    for t in trials:
        told = score_of(t)
        known = t.success is not None if scale is None else told is not None
        if t.state == "failed" or (t.state == "done" and known):
            value = t.success if scale is None else scale.random if t.state == "failed" or told is None else told.mean
            found[t.seed] = float(value or 0.0)
    return found
