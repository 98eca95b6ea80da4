"""The lengths of trials, as fractions of a full trial, and the steps reserved for the claim and the baseline."""

from __future__ import annotations

from rewardsmith.spec import JobSpec
from rewardsmith.storage.queue import ItemKey

_ARMS = 2
"""A claim trains two candidates on each of its seeds: the best one and the baseline."""


def baseline_share(spec: JobSpec) -> float:
    """Return the length of the baseline's trial in the search, as a fraction of a full trial in (0, 1].

    The claim trains the baseline in full. Without a claim, the search has to.
    """
    return spec.rungs[0] if spec.confirm else 1.0


def share_of(key: ItemKey, spec: JobSpec) -> float:
    """Return the fraction of a full trial, in (0, 1], at which the trial of a work item ends."""
    if key.kind == "confirm":
        return 1.0
    return baseline_share(spec) if key.kind == "baseline" else spec.rungs[key.rung]


def share_before(rung: int, spec: JobSpec) -> float:
    """Return the fraction of a full trial, in [0, 1), that was trained before a rung."""
    return spec.rungs[rung - 1] if rung else 0.0


def claim_steps(spec: JobSpec) -> int:
    """Return the environment steps that are reserved for the claim before the search begins."""
    return _ARMS * spec.confirm * spec.steps


def least_steps(spec: JobSpec) -> float:
    """Return the least environment steps of a job: its claim, its baseline, and one candidate's first rung."""
    return claim_steps(spec) + spec.steps * (baseline_share(spec) + spec.rungs[0])
