"""Statistics of counts and curves in pure Python: reading commands use them without the time to import numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

CLAIM_SEEDS = 10
"""Number of seeds below which a verdict is labelled preliminary."""


def wilson(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's (1927) score interval of a proportion, for independent trials; (0, 1) if n is 0.

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


def anytime_interval(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return an interval of a proportion that also holds where the results decided when to stop; (0, 1) if n is 0.

    It is the confidence sequence of the beta-binomial mixture with a uniform prior: the rates p with
    B(s + 1, n - s + 1) / (p^s (1 - p)^(n - s)) < 1 / (1 - level). Source: Robbins (1970); Howard et al.,
    "Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of Statistics 2021. With probability
    `level` it contains the rate for all n at once, so it is wider than Wilson's.

    Raises ValueError unless 0 <= successes <= n and 0 < level < 1.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}: give 0 <= successes <= n")
    check_level(level)
    if n == 0:
        return 0.0, 1.0
    failures, rate = n - successes, successes / n
    mixture = math.lgamma(successes + 1) + math.lgamma(failures + 1) - math.lgamma(n + 2)

    def holds(p: float) -> bool:
        likelihood = successes * math.log(p) if successes else 0.0
        likelihood += failures * math.log1p(-p) if failures else 0.0
        return mixture - likelihood < -math.log(1 - level)

    def end(outside: float) -> float:
        inside = rate
        for _ in range(50):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if holds(middle) else (inside, middle)
        return outside

    return (end(0.0) if successes else 0.0), (end(1.0) if failures else 1.0)


def clopper_pearson_upper(events: int, n: int, level: float = 0.95) -> float:
    """Return the one-sided upper confidence bound of a proportion (Clopper and Pearson, 1934).

    It is the rate at which `events` or fewer of n independent trials have probability 1 - level: for no event,
    1 - (1 - level)^(1/n); for n = 0, 1. Raises ValueError unless 0 <= events <= n and 0 < level < 1.
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
    """Return the probability of k events in n > k trials, by logarithms: the coefficients overflow float64."""
    if rate >= 1.0:
        return 0.0
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(rate) + (n - k) * math.log1p(-rate)) if rate > 0 else float(k == 0)


def preliminary(seeds: int) -> bool:
    """Return whether a verdict from `seeds` seeds is labelled preliminary."""
    return seeds < CLAIM_SEEDS


def steps_to_threshold(
    curve_steps: Sequence[int], success: Sequence[float | None], threshold: float = 0.9, consecutive: int = 3
) -> int | None:
    """Return the environment steps at the first of `consecutive` evaluations in a row with success >= threshold.

    Args:
        curve_steps: [evaluations] Environment steps of each evaluation, increasing.
        success: [evaluations] Success rates, 0 to 1; None and NaN count as below the threshold.
        threshold: Success rate to reach, 0 to 1.
        consecutive: Number of evaluations in a row.

    Returns:
        The steps; None if never reached, which is right-censored at the last step, not missing.

    Raises:
        ValueError: The lengths differ, or `consecutive` is below 1.
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
    """Raise ValueError unless `level` lies between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
