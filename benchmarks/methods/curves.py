"""Statistics of a trial's success curve."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from rewardsmith.reporting.statistics import steps_to_threshold


def reached(row: Mapping[str, Any]) -> int | None:
    """Environment steps to 90 % success; None if never reached."""
    steps, success, _ = zip(*row["curve"], strict=True)
    return steps_to_threshold(steps, success)


def area(row: Mapping[str, Any]) -> float:
    """Mean success over the trial's steps in [0, 1], by the trapezoid rule from 0 at the start."""
    points = [(0, 0.0), *((s, p) for s, p, _ in row["curve"])]
    return sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points)) / points[-1][0]
