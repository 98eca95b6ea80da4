"""The scale of a task's score: what random play achieves, what a reference achieves, and which direction is better.

A task without a success compares rewards by the return of an episode under the environment's own reward. A scale turns
such a score into a number that means the same on every task: 0 is random play, 1 is the reference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from rewardsmith.errors import UsageError

NOT_RUN = (
    "nothing counts as a success of this task, whose rewards are compared by a score, so no behaviour can be compared "
    "with one that succeeds"
)
"""Why checks that need a success do not run on a task with a score."""

NEED_SUCCESS = ("battery", "certificate", "success pay")
"""Checks, and parts of checks, that need a success."""

Direction = Literal["maximize", "minimize"]

Z = 1.96
"""Quantile of the normal distribution for 95 % intervals of a mean."""


@dataclass(frozen=True)
class ScoreRule:
    """What a task says of its score.

    Attributes:
        direction: Whether more or less return is better.
        reference: The return that counts as 1; None if the task states none.
    """

    direction: Direction = "maximize"
    reference: float | None = None

    @property
    def words(self) -> str:
        """The rule in a sentence for designers and users."""
        more, less = ("more", "") if self.direction == "maximize" else ("less", _NEGATED)
        stated = "" if self.reference is None else f" A reference achieves {self.reference:g}."
        return (
            "The score of an episode is its return under the environment's own reward; "
            f"{more} is better. No episode counts as a success.{stated}{less}"
        )


_NEGATED = " Training uses the negative of the environment's own reward."


@dataclass(frozen=True)
class ScoreScale:
    """The scale of a job's scores, measured once when the job is created.

    Attributes:
        random: Mean return of random play.
        random_low: Lower end of its 95 % interval.
        random_high: Upper end of its 95 % interval.
        episodes: Episodes of random play.
        reference: The return that counts as 1; None if nothing states one. Scores are then reported as they are.
        source: Where the reference comes from, in words.
        direction: Whether more or less return is better.
    """

    random: float
    random_low: float
    random_high: float
    episodes: int
    reference: float | None = None
    source: str = ""
    direction: Direction = "maximize"

    def __post_init__(self) -> None:
        numbers = (self.random, self.random_low, self.random_high, self.reference or 0.0)
        if not all(map(math.isfinite, numbers)):
            raise ValueError("a scale of scores needs finite numbers")
        if self.reference is not None and self.sign * (self.reference - self.random) <= 0:
            raise ValueError("the reference must be better than random play")

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> ScoreScale | None:
        """Return the scale in a job's stored settings; None if its task has a success."""
        stored = spec.get("score")
        if stored is None:
            return None
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})

    @property
    def sign(self) -> float:
        """1 if more return is better, -1 if less is."""
        return 1.0 if self.direction == "maximize" else -1.0

    @property
    def has_reference(self) -> bool:
        """Whether scores are normalised, so that a target can be compared with them."""
        return self.reference is not None

    @property
    def _unit(self) -> float:
        return self.sign if self.reference is None else self.reference - self.random

    def merit(self, score: float) -> float:
        """Return a number that is 0 for random play and larger for a better score.

        With a reference it is the normalised score, which is 1 for the reference. Without one it is the distance from
        random play in the units of the score.
        """
        return (score - self.random) / self._unit

    def score(self, merit: float) -> float:
        """Return the score of a merit; the inverse of `merit`."""
        return self.random + merit * self._unit

    def normalised(self, score: float) -> float | None:
        """Return the score with random play at 0 and the reference at 1; None without a reference."""
        return None if self.reference is None else self.merit(score)

    def show(self, score: float, low: float | None = None, high: float | None = None) -> str:
        """Format a score with its interval and, if there is a reference, its normalised value."""
        known = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
        interval = f" [{low:.4g}, {high:.4g}]" if known else ""
        normalised = self.normalised(score)
        return f"{score:.4g}{interval}" + ("" if normalised is None else f" (normalised {normalised:.2f})")

    @property
    def words(self) -> str:
        """The ends of the scale in a sentence."""
        better = "more is better" if self.direction == "maximize" else "less is better"
        played = (
            f"random play scores {self.random:.4g} [{self.random_low:.4g}, {self.random_high:.4g}] "
            f"over {self.episodes} episodes"
        )
        if self.reference is None:
            return f"{played}; no reference is stated, so scores are not normalised ({better})"
        return f"{played}, which is 0; {self.source} is {self.reference:.4g}, which is 1 ({better})"

    def as_dict(self) -> dict[str, Any]:
        """Return the scale as data for JSON."""
        return asdict(self)


def scale_of(task_id: str, rule: ScoreRule, returns: list[float], source: str) -> ScoreScale:
    """Return the scale that follows from the returns of random play and a task's rule.

    Args:
        task_id: The task, for messages.
        rule: What the task says of its score.
        returns: The return of each episode of random play, at least one.
        source: Where the rule's reference comes from, in words.

    Raises:
        UsageError: The reference is no better than random play, or a return is not finite.
    """
    mean, half = mean_and_half_width(returns)
    if not math.isfinite(mean) or not math.isfinite(half):
        raise UsageError(
            f"Random play of {task_id} has a return of {mean:g}, which cannot be compared.",
            "Let the environment return finite rewards.",
        )
    sign = 1.0 if rule.direction == "maximize" else -1.0
    if rule.reference is not None and sign * (rule.reference - mean) <= 0:
        raise UsageError(
            f"The reference {rule.reference:g} of {task_id} is no better than random play, which scores {mean:.4g} "
            f"(direction: {rule.direction}).",
            "Give a better `reference` under `score`, correct `direction`, or leave the reference out.",
        )
    return ScoreScale(
        mean, mean - half, mean + half, len(returns), rule.reference, source if rule.reference is not None else "",
        rule.direction,
    )  # fmt: skip


def mean_and_half_width(values: list[float]) -> tuple[float, float]:
    """Return the mean of `values` and half the width of its 95 % interval (normal approximation; 0 for one value)."""
    count = len(values)
    mean = sum(values) / count
    if count < 2:
        return mean, 0.0
    variance = sum((value - mean) ** 2 for value in values) / (count - 1)
    return mean, Z * math.sqrt(variance / count)


def anytime_half_width(variance: float, count: int, level: float = 0.95) -> float:
    """Return half the width of an interval of a mean that also holds where the values decided when to stop.

    It is the asymptotic confidence sequence of Waudby-Smith et al., "Time-uniform central limit theory and asymptotic
    confidence sequences" (Annals of Statistics 2024), tightest at _TIGHTEST values: an approximation for large counts.

    Args:
        variance: Sample variance of the values.
        count: Number of values, at least 1.
        level: Probability that the intervals of all counts contain the mean, in (0, 1).
    """
    doubt = -2 * math.log(1 - level)
    tuned = (doubt + math.log(doubt + 1)) / _TIGHTEST
    grown = count * tuned + 1
    return math.sqrt(variance * 2 * grown / (count**2 * tuned) * (doubt / 2 + math.log(grown) / 2))


_TIGHTEST = 50
