"""What a job's candidates are compared by, and how it is shown: a success rate, or a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewardsmith.reporting.proportion import anytime_interval, wilson
from rewardsmith.reporting.text import percent
from rewardsmith.scores import ScoreScale
from rewardsmith.storage.rows import Trial
from rewardsmith.storage.scored import score_at, score_of
from rewardsmith.telemetry import at_point

Value = tuple[float | None, float | None, float | None]
"""A measured value with the ends of its 95 % interval; None where unknown."""

UNKNOWN: Value = (None, None, None)

NOTICEABLE = 0.05
"""Smallest increase that counts; success rates of 200 episodes of one seed vary about as much by chance."""


FIXED_POLICIES = frozenset({"dqn", "qr-dqn", "td3"})
"""Algorithms whose policies are deterministic. spec.training, which loads pydantic, is not imported to show a job."""


@dataclass(frozen=True)
class Measure:
    """A success rate, or with a scale a score.

    Attributes:
        scale: The scale of the task's scores; None if the task has a success.
        fixed: Whether the job's policies are deterministic, so that there are no greedy results besides.
    """

    scale: ScoreScale | None = None
    fixed: bool = False

    @property
    def policy(self) -> str:
        """Which policy's results come first: "stochastic policy" or "deterministic policy"."""
        return "deterministic policy" if self.fixed else "stochastic policy"

    @property
    def name(self) -> str:
        """What is measured: "success" or "score"."""
        return "success" if self.scale is None else "score"

    def show(self, value: float | None, low: float | None = None, high: float | None = None) -> str:
        """Format a value with its interval, as "97.5 % [94.3, 98.9]" or "-310 [-330, -290]"; a dash for None."""
        if self.scale is None or value is None:
            return percent(value, low, high)
        return self.scale.show(value, low, high)

    def short(self, value: float | None) -> str:
        """Format a value without unit and interval: "97.5" or "-310"."""
        if value is None:
            return "-"
        return f"{100 * value:.1f}" if self.scale is None else f"{value:.4g}"

    def change(self, before: float, after: float) -> str:
        """Format a difference: "+3.1 points" or "+31.2"."""
        return f"{100 * (after - before):+.1f} points" if self.scale is None else f"{after - before:+.4g}"

    def merit(self, value: float) -> float:
        """Return a number that is larger for a better value; for a score it is 0 for random play."""
        return value if self.scale is None else self.scale.merit(value)

    def rose(self, before: float, after: float) -> bool:
        """Return whether a value got better by more than chance: 5 points, or 0.05 of the normalised score.

        Without a reference, by more than 5 % of the distance from random play.
        """
        first, change = self.merit(before), self.merit(after) - self.merit(before)
        normalised = self.scale is None or self.scale.has_reference
        return change > NOTICEABLE * (1.0 if normalised else abs(first))

    def of_trial(self, trial: Trial) -> Value:
        """Return what a trial's last evaluation measured."""
        if self.scale is None:
            return trial.success, trial.success_low, trial.success_high
        told = score_of(trial)
        return UNKNOWN if told is None else (told.mean, told.low, told.high)

    def greedy_of(self, trial: Trial) -> float | None:
        """Return what a trial's last evaluation measured of the most probable actions."""
        if self.scale is None:
            return trial.greedy_success
        told = score_of(trial)
        return None if told is None else told.greedy

    def span(self, values: Sequence[float | None]) -> tuple[float, float]:
        """Return the scale on which a curve is drawn: 0 to 1, or from the lowest to the highest score on it."""
        known = [value for value in values if value is not None]
        return (0.0, 1.0) if self.scale is None or not known else (min(known), max(known))

    def of_point(self, point: Mapping[str, Any]) -> Value:
        """Return what a point of a curve measured."""
        if self.scale is None:
            rate, episodes = point.get("success"), point.get("episodes")
            if rate is None or not episodes:
                return UNKNOWN
            interval = anytime_interval if at_point(point).sequential else wilson
            return rate, *interval(round(rate * episodes), episodes)
        told = score_at(point)
        return UNKNOWN if told is None else (told.mean, told.low, told.high)


SUCCESS = Measure()
"""The measure of a task that has a success."""


def measure_of(spec: Mapping[str, Any]) -> Measure:
    """Return what the candidates of a job with these settings are compared by."""
    return Measure(ScoreScale.from_spec(spec), spec.get("training", {}).get("algorithm") in FIXED_POLICIES)


def where(unseen: bool, starts: str) -> str:
    """Return where a policy was evaluated: "unseen layouts", "unseen starts", "one start", or what is known instead.

    Args:
        unseen: Whether no start of the evaluation occurs in training.
        starts: What the task's starts are called, see tasks.capabilities.start_kind.
    """
    if starts == "one start":
        return starts
    return f"unseen {starts}" if unseen else f"{starts} that training may have seen"
