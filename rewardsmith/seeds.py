"""Every seed that is derived from another: a job's seed gives its trials', a trial's gives its episodes'.

Training seeds of a job's search, of its claim and of a claim with other settings are disjoint. They fit PostgreSQL's
INTEGER for the largest seed that a job may have.
"""

from __future__ import annotations

_STRIDE = 100
"""So many training seeds belong to a job, more than its search or its claim may ask for."""

_CLAIM, _ADJUSTED_CLAIM = 10_000, 20_000
_RUNG_END = 7_000
_CURVE_STRIDE = 1_000_003


def search_seed(job_seed: int, index: int) -> int:
    """The training seed of the search's trial `index`, counted from 0; the baseline's is that of trial 0."""
    return job_seed * _STRIDE + index


def confirm_seed(job_seed: int, index: int, adjusted: bool = False) -> int:
    """The training seed of the claim's trial `index`, fresh to the job's search.

    adjusted: the claim is made with other training settings than the job's. A job that goes on may make a claim of
    each kind, and the baseline has one trial per seed.
    """
    return (_ADJUSTED_CLAIM if adjusted else _CLAIM) + job_seed * _STRIDE + index


def rung_end_seed(training_seed: int) -> int:
    """The seed of a trial's evaluation at a rung's end."""
    return _RUNG_END + training_seed


def curve_seed(training_seed: int, steps: int) -> int:
    """The seed of a trial's evaluation after `steps` environment steps, one point of its curve; in [0, 2**31)."""
    return (_CURVE_STRIDE * training_seed + steps) % 2**31


def episodes_seed(training_seed: int, cuts: int) -> int:
    """The seed of the training episodes that begin after the trial was cut `cuts` times; in [0, 2**32)."""
    import numpy as np

    return int(np.random.SeedSequence([training_seed, cuts]).generate_state(1)[0])
