"""The environment steps of trials, as shares of a full one, and what a job sets aside for its claim and baseline."""

from __future__ import annotations

from rewardsmith.spec import JobSpec
from rewardsmith.storage.queue import ItemKey

_ARMS = 2
"""A claim trains the best candidate and the baseline on each of its seeds."""


def baseline_share(spec: JobSpec) -> float:
    """The share of a full trial that the search's baseline trains, of (0, 1].

    The claim trains the baseline in full; without a claim the search's baseline is all there is.
    """
    return spec.rungs[0] if spec.confirm else 1.0


def share_of(key: ItemKey, spec: JobSpec) -> float:
    """The share of a full trial, of (0, 1], at which the trial of a work item ends."""
    if key.kind == "confirm":
        return 1.0
    return baseline_share(spec) if key.kind == "baseline" else spec.rungs[key.rung]


def share_before(rung: int, spec: JobSpec) -> float:
    """The share of a full trial, of [0, 1), that was trained before a rung."""
    return spec.rungs[rung - 1] if rung else 0.0


def claim_steps(spec: JobSpec) -> int:
    """Environment steps set aside for the claim before the search begins."""
    return _ARMS * spec.confirm * spec.steps


def least_steps(spec: JobSpec) -> float:
    """Environment steps that a job takes at least: its claim, its baseline, and one candidate's first rung."""
    return claim_steps(spec) + spec.steps * (baseline_share(spec) + spec.rungs[0])
