"""What may be said of counts and curves without numpy, whose import commands that answer at once need not pay."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

CLAIM_SEEDS = 10
"""A verdict from fewer seeds is labelled preliminary."""


def wilson(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion, for independent trials; (0, 1) when n is 0.

    Raises ValueError unless 0 <= successes <= n and 0 < level < 1.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}: give 0 <= successes <= n")
    check_level(level)
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + level / 2)
    rate = successes / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    # Exact at the ends, where rounding would leave 1e-17 outside the unit interval.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return low, high


def clopper_pearson_upper(events: int, n: int, level: float = 0.95) -> float:
    """The one-sided upper bound of Clopper and Pearson (1934) of a proportion: 1 - (1 - level)^(1/n) for no event.

    The rate at which `events` or fewer of n independent trials are as rare as 1 - level; 1 when n is 0.
    Raises ValueError unless 0 <= events <= n and 0 < level < 1.
    """
    if not 0 <= events <= n:
        raise ValueError(f"{events} events of {n}: give 0 <= events <= n")
    check_level(level)
    if events == n:
        return 1.0
    low, high = events / n, 1.0
    for _ in range(60):  # halves the interval each time, down to float64's last digit
        rate = (low + high) / 2
        few = sum(_binomial(k, n, rate) for k in range(events + 1))
        low, high = (rate, high) if few > 1 - level else (low, rate)
    return high


def _binomial(k: int, n: int, rate: float) -> float:
    """The probability of k events in n > k trials, by logarithms: the coefficients outgrow float64."""
    if rate >= 1.0:
        return 0.0
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(rate) + (n - k) * math.log1p(-rate)) if rate > 0 else float(k == 0)


def preliminary(seeds: int) -> bool:
    """Whether a verdict from so many seeds must be labelled so."""
    return seeds < CLAIM_SEEDS


def steps_to_threshold(
    curve_steps: Sequence[int], success: Sequence[float | None], threshold: float = 0.9, consecutive: int = 3
) -> int | None:
    """Environment steps at the first of `consecutive` evaluations in a row with success >= threshold.

    curve_steps: [evaluations], increasing; success: rates in [0, 1], None and NaN count as below. None = never
    reached, which is right-censored: more than the last step, not missing. Raises ValueError for unequal
    lengths.
    """
    if len(curve_steps) != len(success):
        raise ValueError(f"{len(curve_steps)} steps and {len(success)} rates must be of one equal length")
    if consecutive < 1:
        raise ValueError(f"consecutive must be at least 1, not {consecutive}")
    run = 0
    for place, rate in enumerate(success):
        run = run + 1 if rate is not None and rate >= threshold else 0
        if run == consecutive:
            return int(curve_steps[place - consecutive + 1])
    return None


def check_level(level: float) -> None:
    """Raises ValueError unless `level` is a confidence level."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
