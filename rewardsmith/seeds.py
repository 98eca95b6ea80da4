"""Derived seeds: the seeds of trials follow from the job's seed, the seeds of episodes from the trial's seed.

The training seeds of a job's search, of its claim, and of a claim with other settings are disjoint. For the largest
seed of a job they still fit PostgreSQL's INTEGER.
"""

from __future__ import annotations

_STRIDE = 100
"""Training seeds reserved for each job seed, more than a search or a claim can use."""

_CLAIM, _ADJUSTED_CLAIM = 10_000, 20_000
_RUNG_END = 7_000
_CURVE_STRIDE = 1_000_003


def search_seed(job_seed: int, index: int) -> int:
    """Return the training seed of the search's trial `index`, from 0. The baseline has the seed of trial 0."""
    return job_seed * _STRIDE + index


def confirm_seed(job_seed: int, index: int, adjusted: bool = False) -> int:
    """Return the training seed of a trial of the claim; the search does not use it.

    Args:
        job_seed: The job's seed.
        index: Index of the trial, from 0.
        adjusted: Whether the claim uses other training settings than the job. These claims have seeds of their own,
            because an extended job may make both kinds, and the baseline has one trial per seed.
    """
    return (_ADJUSTED_CLAIM if adjusted else _CLAIM) + job_seed * _STRIDE + index


def rung_end_seed(training_seed: int) -> int:
    """Return the seed of a trial's evaluation at the end of a rung."""
    return _RUNG_END + training_seed


def exported_seed(training_seed: int) -> int:
    """Return the seed, in [2**30, 2**31), of the episodes that an exported policy plays; no trial uses it."""
    return 2**30 + training_seed % 2**30


def curve_seed(training_seed: int, steps: int) -> int:
    """Return the seed, in [0, 2**31), of a trial's evaluation after `steps` steps, one point of its learning curve."""
    return (_CURVE_STRIDE * training_seed + steps) % 2**31


def episodes_seed(training_seed: int, cuts: int) -> int:
    """Return the seed, in [0, 2**32), of the training episodes that begin after `cuts` forced truncations."""
    import numpy as np

    return int(np.random.SeedSequence([training_seed, cuts]).generate_state(1)[0])
