"""Figures of jobs: functions that read the database and return matplotlib figures.

They follow Optuna's visualization module: a figure is shown by a notebook, and its method `savefig` writes it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rewardsmith.errors import names_missing_extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["channels", "components", "curves", "difficulty", "lineage", "steps_to_90"]


class Identified(Protocol):
    """An object that belongs to a job, such as a JobResult."""

    @property
    def job_id(self) -> str:
        """The id of the job that it belongs to."""
        ...


@names_missing_extra
def curves(job: str | Identified = "latest", *, home: str | Path | None = None) -> Figure:
    """Return learning curves with intervals: the best candidate, or the named one, beside the baseline.

    Args:
        job: Job id, a unique prefix of it, "latest", a candidate (JOB-NAME), or a JobResult.
        home: Folder of the database; by default REWARDSMITH_HOME, else .rewardsmith.

    Raises:
        UsageError: There is no such job, or it has no curve yet.
    """
    from rewardsmith.plots import learning, reading

    with reading.opened(home) as connection:
        found = reading.read_curves(connection, _name(job))
    return learning.learning_curves(found.arms, found.title, found.measure)


@names_missing_extra
def channels(job: str | Identified = "latest", *, home: str | Path | None = None) -> Figure:
    """Return the reward of each channel per training episode over environment steps, a line per channel.

    The arguments and errors are those of `curves`.
    """
    from rewardsmith.plots import learning, reading

    with reading.opened(home) as connection:
        found = reading.read_curves(connection, _name(job))
    title = f"{found.task}: reward per training episode, by channel"
    return learning.channel_curves(next(iter(found.arms.values())), title)


@names_missing_extra
def components(job: str | Identified = "latest", *, home: str | Path | None = None) -> Figure:
    """Return the rewards of the channels per training episode, stacked on top of each other.

    The arguments and errors are those of `curves`.
    """
    from rewardsmith.plots import learning, reading

    with reading.opened(home) as connection:
        found = reading.read_curves(connection, _name(job))
    title = f"{found.task}: what the shaped return of an episode consists of"
    return learning.channel_stack(next(iter(found.arms.values())), title)


@names_missing_extra
def lineage(job: str | Identified = "latest", *, home: str | Path | None = None) -> Figure:
    """Return the tree of a job's candidates, coloured by result, with rejected candidates as crosses.

    The arguments and errors are those of `curves`.
    """
    from rewardsmith.plots import reading, search

    with reading.opened(home) as connection:
        found, nodes = reading.read_lineage(connection, _name(job))
        measure = reading.measure(found)
    title = f"{found.task}: lineage of job {found.id}"
    return search.lineage_tree(nodes, title, found.best_candidate, measure)


@names_missing_extra
def difficulty(job: str | Identified = "latest", *, home: str | Path | None = None) -> Figure:
    """Return the result of each candidate against the difficulty that was predicted before training.

    The arguments and errors are those of `curves`.
    """
    from rewardsmith.plots import reading, search

    with reading.opened(home) as connection:
        found, points = reading.read_difficulty(connection, _name(job))
        measure = reading.measure(found)
    return search.difficulty_scatter(points, f"{found.task}: predicted difficulty and result", measure)


@names_missing_extra
def steps_to_90(job: str | Identified = "latest", *, home: str | Path | None = None) -> Figure:
    """Return the environment steps to 90 % success (or a normalised score of 0.9) of the final evaluation.

    A point per seed, and the median with its 95 % bootstrap interval. Seeds that never reached it are right-censored.
    The arguments and errors are those of `curves`.
    """
    from rewardsmith.plots import reading, search

    with reading.opened(home) as connection:
        found, arms, threshold = reading.read_steps(connection, _name(job))
    return search.steps_to_threshold_plot(arms, f"{found.task}: {len(next(iter(arms.values()))[0])} seeds", threshold)


def _name(job: str | Identified) -> str:
    return job if isinstance(job, str) else job.job_id
