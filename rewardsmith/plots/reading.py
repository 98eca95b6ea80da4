"""Reads what the figures show from the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewardsmith.errors import UsageError
from rewardsmith.place import database_url, find_place
from rewardsmith.reporting import queries
from rewardsmith.reporting.lineage import Node, place_lineage
from rewardsmith.reporting.measure import Measure, measure_of
from rewardsmith.reporting.overview import read_overview
from rewardsmith.storage import reads
from rewardsmith.storage.rows import Job

if TYPE_CHECKING:
    from rewardsmith.storage.reads import Readable

_LINEAGE = ("id", "iteration", "parents", "move", "state", "score", "rejection_reason")


@contextmanager
def opened(home: str | Path | None) -> Iterator[Readable]:
    """Open the database in `home`, or the one that the settings name. Raises StorageError."""
    url = find_place().url if home is None else database_url(Path(home))
    with reads.open_reader(url) as connection:
        yield connection


def measure(job: Job) -> Measure:
    """Return what the job's candidates are compared by."""
    return measure_of(job.spec)


@dataclass(frozen=True)
class Curves:
    """The learning curves of a figure.

    Attributes:
        task: The task's id.
        title: Title of the figure.
        arms: By label of each arm, the points of each trial's curve; the designed reward comes first.
        measure: What the curves show.
    """

    task: str
    title: str
    arms: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]
    measure: Measure


def read_curves(connection: Readable, what: str) -> Curves:
    """Return the curves of a candidate, or of a job's best candidate, and those of the baseline.

    Until a job has a best candidate, they are those of the candidates that have a point of a curve. Raises UsageError.
    """
    job = queries.find_job(connection, what)
    named = [queries.find_candidate(connection, what).id] if queries.names_candidate(what) else []
    best = named or ([job.best_candidate] if job.best_candidate else queries.trained_candidates(connection, job.id))
    baseline = f"{job.id}-sparse"
    reward = "designed reward " if job.spec.get("designs", True) else f"{job.method}'s reward "
    changes = reads.get_candidate(connection, best[0]).training_changes if best else {}
    arms = {
        (reward if name != baseline else "sparse reward ") + name: queries.curves_of(connection, name, changes)
        for name in dict.fromkeys([*best, baseline])
    }
    starts = queries.kind_of_starts(reads.trials_of(connection, job_id=job.id))
    found = measure_of(job.spec)
    place = "from its one start" if starts == "one start" else f"on held-out {starts}"
    return Curves(job.task, f"{job.task}: {found.name} {place}", arms, found)


def read_lineage(connection: Readable, what: str, most: int | None = None) -> tuple[Job, list[Node]]:
    """Return a job and its candidates with their places in the tree, at most `most`. Raises UsageError."""
    job = queries.find_job(connection, what)
    rows = reads.fetch(connection, "candidates", columns=_LINEAGE, order=("iteration", "id"), limit=most, job_id=job.id)
    return job, place_lineage(rows)


def read_difficulty(connection: Readable, what: str) -> tuple[Job, list[tuple[str, float, float | None]]]:
    """Return a job and (candidate, predicted difficulty, result) of each that has a prediction. Raises UsageError."""
    view = read_overview(connection, queries.find_job(connection, what).id)
    points = [(row.candidate, row.difficulty, row.measured[0]) for row in view.rows if row.difficulty is not None]
    return view.job, points


def read_steps(connection: Readable, what: str) -> tuple[Job, Mapping[str, tuple[Sequence[int | None], int]], str]:
    """Return a job, (steps to 90 % of each seed, steps trained) of both arms by label, and the threshold in words.

    Raises UsageError if there is no final evaluation, or if its curves cannot show when 90 % was reached.
    """
    job = queries.find_job(connection, what)
    claim = queries.read_claim(connection, job)
    if claim is None:
        raise UsageError(
            "The job has no final evaluation yet.", "Wait for its end; `--confirm` sets the number of fresh seeds."
        )
    scale = claim.best.measure.scale
    if not claim.best.full_points or (scale is not None and not scale.has_reference):
        reason = "its score has no reference" if claim.best.full_points else "its curves have too few episodes"
        raise UsageError(
            f"Steps to 90 % of job {job.id} are unknown: {reason}.",
            "Draw the learning curves instead: rewardsmith curves.",
        )
    arms = {arm.candidate: (arm.steps_to_90, arm.steps) for arm in (claim.best, claim.baseline)}
    return job, arms, "90 % success" if scale is None else "a normalised score of 0.9"
